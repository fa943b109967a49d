//! `accounts list`, `accounts show`, `accounts create`, `accounts delete`: the account endpoints of the guide.

use super::api_session::Remote;
use super::args::{AccountsCreate, AccountsDelete, AccountsList, AccountsShow};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::adobe::ApiError;
use crate::config::Config;
use crate::job::{NewAccount, RemoteAccount, ReportSuite};
use crate::status::{AccountOfSuite, account_json, account_page, accounts_json, accounts_table, printable};
use serde_json::json;
use std::path::Path;

pub(super) fn list(file: &Path, arguments: &AccountsList, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let suites = suites(&config, arguments.of.report_suite.as_deref())?;
    let remote = Remote::open(&config)?;
    let mut accounts = Vec::new();
    for suite in &suites {
        let listed = remote
            .ask(&async |client, purse| client.list_accounts(suite, purse.permit().await).await)
            .map_err(|error| Failure::from(error).with_exit(Exit::Failed))?;
        accounts.extend(listed.into_iter().map(|account| of_suite(&config, suite, account)));
    }
    if arguments.shown.json {
        output.data(&accounts_json(&accounts, arguments.shown.show_secrets)?)?;
    } else if accounts.is_empty() {
        let ids: Vec<&str> = suites.iter().map(|suite| suite.id.as_str()).collect();
        output.message(&format!(
            "no Data Sources accounts in {}; `datadrop accounts create` makes one",
            ids.join(", ")
        ))?;
    } else {
        output.data(&accounts_table(&accounts, arguments.shown.show_secrets))?;
    }
    Ok(Exit::Done)
}

pub(super) fn show(file: &Path, arguments: &AccountsShow, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let suites = suites(&config, arguments.of.report_suite.as_deref())?;
    let remote = Remote::open(&config)?;
    let (suite, account) = find(&remote, &suites, arguments.id)?;
    let account = of_suite(&config, suite, account);
    output.data(&if arguments.shown.json {
        account_json(&account, arguments.shown.show_secrets)?
    } else {
        account_page(&account, arguments.shown.show_secrets)
    })?;
    Ok(Exit::Done)
}

pub(super) fn create(file: &Path, arguments: &AccountsCreate, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let suites = suites(&config, arguments.of.report_suite.as_deref())?;
    let [suite] = suites.as_slice() else {
        return Err(which_suite("the new account", &suites));
    };
    let new = NewAccount {
        name: arguments.name.clone(),
        email: arguments.email.clone(),
        account_type: arguments.account_type.clone(),
    };
    let remote = Remote::open(&config)?;
    let created = remote.ask(&async |client, purse| client.create_account(suite, &new, purse.permit().await).await);
    let account = of_suite(&config, suite, created.map_err(|error| look_first(error, "created"))?);
    if arguments.shown.json {
        output.data(&account_json(&account, arguments.shown.show_secrets)?)?;
    } else {
        output.data(&account_page(&account, arguments.shown.show_secrets))?;
        output.message(&format!(
            "created; to send files to it, add an [[account]] with report_suite_id = {:?} and data_source_id = {}",
            suite.id, account.account.data_source_id
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) fn delete(file: &Path, arguments: &AccountsDelete, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let suites = suites(&config, arguments.of.report_suite.as_deref())?;
    let remote = Remote::open(&config)?;
    let (suite, account) = find(&remote, &suites, arguments.id)?;
    let account = of_suite(&config, suite, account);
    let what = in_words(&account);
    if let Some(name) = account.configured_as.as_deref().filter(|_| !arguments.force) {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "not deleted: the configured account `{name}` sends to {what}; take it out of the configuration first, \
                 or add --force"
            ),
        ));
    }
    if !arguments.yes {
        return Err(Failure::new(
            Exit::Usage,
            format!("this would delete {what}, which cannot be undone; add --yes if that is what you want"),
        ));
    }
    let deleted =
        remote.ask(&async |client, purse| client.delete_account(suite, arguments.id, purse.permit().await).await);
    let message = deleted.map_err(|error| look_first(error, "deleted"))?;
    if arguments.json {
        let answer = json!({
            "report_suite_id": suite.id, "data_source_id": arguments.id, "success": true, "message": message,
        });
        output.line(&serde_json::to_string_pretty(&answer)?)?;
    } else {
        output.message(&format!("deleted {what}"))?;
    }
    Ok(Exit::Done)
}

/// The report suite that was named, or those of the configuration, each once.
fn suites(config: &Config, named: Option<&str>) -> Result<Vec<ReportSuite>, Failure> {
    let suite = |id: &str| config.api.report_suite(id);
    if let Some(id) = named {
        return Ok(vec![suite(id)]);
    }
    let mut suites: Vec<ReportSuite> = Vec::new();
    for account in &config.accounts {
        if suites.iter().all(|known| known.id != account.report_suite_id) {
            suites.push(suite(&account.report_suite_id));
        }
    }
    if suites.is_empty() {
        let why = "no account is configured yet; name the report suite with --report-suite RSID";
        return Err(Failure::new(Exit::Usage, why));
    }
    Ok(suites)
}

/// The one account of that number. The configuration says in which suite it is, or all of them are asked.
fn find<'a>(remote: &Remote, suites: &'a [ReportSuite], id: i64) -> Result<(&'a ReportSuite, RemoteAccount), Failure> {
    let mut found = Vec::new();
    let mut not_found = None;
    for suite in suites {
        match remote.ask(&async |client, purse| client.show_account(suite, id, purse.permit().await).await) {
            Ok(account) => found.push((suite, account)),
            Err(error @ ApiError::NotFound { .. }) => not_found = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match (found.pop(), found.is_empty(), not_found) {
        (Some(only), true, _) => Ok(only),
        (Some(_), false, _) => Err(which_suite(&format!("account {id}"), suites)),
        (None, _, Some(error)) => Err(error.into()),
        (None, _, None) => Err(Failure::failed("no report suite was asked")),
    }
}

fn which_suite(what: &str, suites: &[ReportSuite]) -> Failure {
    let ids: Vec<&str> = suites.iter().map(|suite| suite.id.as_str()).collect();
    let message =
        format!("which report suite is meant for {what}? Name it with --report-suite; configured: {}", ids.join(", "));
    Failure::new(Exit::Usage, message)
}

fn of_suite(config: &Config, suite: &ReportSuite, account: RemoteAccount) -> AccountOfSuite {
    let configured_as = config
        .accounts
        .iter()
        .find(|known| known.report_suite_id == suite.id && known.data_source_id == account.data_source_id)
        .map(|known| known.name.clone());
    AccountOfSuite { report_suite_id: suite.id.clone(), account, configured_as }
}

fn in_words(of_suite: &AccountOfSuite) -> String {
    let account = &of_suite.account;
    let name = account.name.as_deref().map(|name| format!(" `{}`", printable(name))).unwrap_or_default();
    let login = account.ftp_username.as_deref().map(|user| format!(" (FTP login {})", printable(user)));
    format!(
        "Data Sources account {}{name} of report suite {}{}",
        account.data_source_id,
        printable(&of_suite.report_suite_id),
        login.unwrap_or_default()
    )
}

/// An unclear end of what changes something must not be followed by a second try.
fn look_first(error: ApiError, done: &str) -> Failure {
    match error {
        ApiError::Unclear { .. } => Failure::failed(format!(
            "{error}; it may have been {done}: check with `datadrop accounts list` before you try again"
        )),
        ApiError::NotConnected { .. }
        | ApiError::Busy { .. }
        | ApiError::Unauthorised { .. }
        | ApiError::NotFound { .. }
        | ApiError::Refused { .. } => error.into(),
    }
}
