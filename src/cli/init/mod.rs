//! `init`: a first configuration, from questions or flags.
//!
//! Everything is looked up and checked before anything is written, and nothing that exists is touched: what comes out is
//! a configuration that works, or a reason.

mod draft;
mod questions;
mod write;

use super::api_session::{Purse, Remote};
use super::args::InitArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use crate::adobe::{ApiError, Client, SuiteReading, Unread};
use crate::config::{self, Config, Credential};
use crate::job::{Company, NewAccount, Problem, RemoteAccount, virtual_suite};
use crate::status::printable;
use draft::Draft;
use questions::Questions;
use secrecy::SecretString;
use std::path::Path;

pub(super) fn run(file: &Path, arguments: &InitArguments, output: &mut Output) -> Result<Exit, Failure> {
    write::must_not_exist(file)?;
    let secret_file = arguments.secret_file.clone().unwrap_or_else(|| file.with_file_name("client_secret"));
    let takes_secret_as_it_is = arguments.client_secret_file.as_deref() == Some(secret_file.as_path());
    if !takes_secret_as_it_is {
        write::must_not_exist(&secret_file)?;
    }
    let mut questions = Questions::new(output);
    questions.say("A first configuration for datadrop. From the credential in the Adobe Developer Console:")?;
    let mut draft = Draft::new(arguments, &secret_file);
    draft.client_id = questions.text("client ID", "--client-id", arguments.client_id.as_deref(), None)?;
    let secret = questions.secret(arguments.client_secret_file.as_deref())?;

    draft.company = match &arguments.company {
        Some(company) => company.clone(),
        None => company(&mut questions, &draft, &secret)?,
    };
    draft.report_suite =
        questions.text("report suite ID", "--report-suite", arguments.report_suite.as_deref(), None)?;
    let described = describe(&draft, &secret)?;
    questions.say(&described)?;
    let account = account(&mut questions, arguments, &draft, &secret)?;
    draft.data_source_id = account.data_source_id;
    let proposal = draft::name_of(&account);
    let name = arguments.name.as_deref();
    draft.name = questions.text("name of the account here", "--name", name, Some(&proposal))?;
    let folder = arguments.folder.as_deref().map(|folder| folder.display().to_string());
    let proposal = format!("/srv/datadrop/{}", draft.name);
    draft.folder = questions.text("folder to watch", "--folder", folder.as_deref(), Some(&proposal))?;

    let text = draft.text();
    // The whole, as the daemon will read it: datadrop reports every error before it writes anything.
    check(&text, file)?;
    output.words_line(&described)?;
    let written = write::write(file, &text, (!takes_secret_as_it_is).then_some((&secret_file, &secret)))?;
    for line in written.lines(&draft) {
        output.words_line(&line)?;
    }
    Ok(Exit::Done)
}

/// What the API tells of the report suite, in one line. Only a virtual one cannot be used.
fn describe(draft: &Draft, secret: &SecretString) -> Result<String, Failure> {
    let config = load(draft, secret)?;
    let suite = config.api.report_suite(&draft.report_suite);
    let remote = Remote::open(&config)?;
    let id = &suite.id;
    let read = async |client: &Client, purse: &Purse| Ok(client.read_suite(&suite, || purse.permit()).await);
    let SuiteReading { facts, unread } = match remote.ask(&read) {
        Ok(reading) => reading,
        Err(error) => return Ok(format!("report suite {id}: not read, and not needed: {}", error.problem().what)),
    };
    if let Some(parent) = &facts.parent {
        let Problem { what, .. } = virtual_suite(id, parent);
        let remedy = format!("--report-suite {parent} names the one that takes them");
        return Err(Failure::failed(Problem::new(what, remedy)));
    }
    let mut words = format!("report suite {id}: {}", facts.in_words());
    if !unread.is_empty() {
        let unread: Vec<String> = unread.iter().map(Unread::to_string).collect();
        words += "; not read, and not needed: ";
        words += &unread.join("; ");
    }
    Ok(words)
}

/// The configuration as far as it goes, with the secret at hand.
fn load(draft: &Draft, secret: &SecretString) -> Result<Config, Failure> {
    let mut config = check(&draft.api_text(), Path::new("the answers so far"))?;
    config.api.credential = Credential::Secret(secret.clone());
    Ok(config)
}

fn check(text: &str, file: &Path) -> Result<Config, Failure> {
    config::load_draft(&file.display().to_string(), text, super::settings::environment())
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// The company of the credential: the only one, or a choice.
fn company(questions: &mut Questions<'_>, draft: &Draft, secret: &SecretString) -> Result<String, Failure> {
    let config = load(draft, secret)?;
    let remote = Remote::open(&config)?;
    let companies =
        remote.ask(&async |client, purse| client.companies(&config.api.base_url, purse.permit().await).await);
    match companies {
        Ok(companies) if !companies.is_empty() => {
            let labels = companies.iter().map(in_words).collect();
            let chosen = questions
                .choice("company", "--company", &companies, labels, |company| company.global_company_id.clone())?;
            Ok(chosen.global_company_id.clone())
        }
        Ok(_) => Err(Failure::failed(
            "the credential may act for no company; add a product profile for Adobe Analytics to it in the Developer Console",
        )),
        // A wrong secret is a wrong secret; anything else leaves the question to the person.
        Err(error @ ApiError::Unauthorised { .. }) => Err(error.into()),
        Err(error) if questions.is_terminal() => {
            questions.say(&format!("the company cannot be looked up: {error}"))?;
            questions.text("global company ID", "--company", None, None)
        }
        Err(error) => Err(Failure::failed(Problem::new(error.problem().what, "name it with --company"))),
    }
}

fn in_words(company: &Company) -> String {
    let name = company.name.as_deref().map(|name| format!("  {}", printable(name))).unwrap_or_default();
    format!("{}{name}", printable(&company.global_company_id))
}

/// The Data Sources account to send to: the one that was named, the only one, a choice, or a new one.
fn account(
    questions: &mut Questions<'_>,
    arguments: &InitArguments,
    draft: &Draft,
    secret: &SecretString,
) -> Result<RemoteAccount, Failure> {
    let config = load(draft, secret)?;
    let suite = config.api.report_suite(&draft.report_suite);
    let remote = Remote::open(&config)?;
    let create = |name: String| {
        let new = NewAccount { name: Some(name), email: arguments.email.clone(), account_type: None };
        Ok(remote.ask(&async |client, purse| client.create_account(&suite, &new, purse.permit().await).await)?)
    };
    if let Some(name) = &arguments.create_account {
        return create(name.clone());
    }
    let mut accounts = remote.ask(&async |client, purse| client.list_accounts(&suite, purse.permit().await).await)?;
    if let Some(id) = arguments.data_source {
        return match accounts.iter().position(|account| account.data_source_id == id) {
            Some(index) => Ok(accounts.swap_remove(index)),
            None => Err(Failure::new(
                Exit::NoSuch,
                format!("report suite {} has no Data Sources account {id}; {}", suite.id, known(&accounts)),
            )),
        };
    }
    if accounts.is_empty() {
        if !questions.is_terminal() {
            return Err(Failure::failed(format!(
                "report suite {} has no Data Sources account yet; --create-account NAME makes one",
                suite.id
            )));
        }
        questions.say(&format!("Report suite {} has no Data Sources account yet.", suite.id))?;
        let name = questions.text("name of a new one (Ctrl-C stops)", "--create-account", None, None)?;
        return create(name);
    }
    let labels = accounts.iter().map(label).collect();
    let chosen = questions.choice("Data Sources account", "--data-source", &accounts, labels, |account| {
        account.data_source_id.to_string()
    })?;
    Ok(chosen.clone())
}

fn label(account: &RemoteAccount) -> String {
    let name = account.name.as_deref().map(|name| format!("  {}", printable(name))).unwrap_or_default();
    format!("{}{name}", account.data_source_id)
}

fn known(accounts: &[RemoteAccount]) -> String {
    if accounts.is_empty() {
        return "it has none; --create-account NAME makes one".to_owned();
    }
    let labels: Vec<String> = accounts.iter().map(label).collect();
    format!("it has: {}", labels.join(", "))
}
