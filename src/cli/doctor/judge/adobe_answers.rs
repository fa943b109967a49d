//! What Adobe answered. Of an account, only the name is printed: answers hold FTP passwords.

use crate::adobe::{ApiError, TokenError, Unauthorised};
use crate::cli::doctor::finding::{Finding, Verdict};
use crate::config::{AccountConfig, Credential};
use crate::job::{Company, RemoteAccount};

/// The token that a credential gets.
pub(in crate::cli::doctor) fn token(url: &str, credential: &Credential, answer: Result<(), &TokenError>) -> Finding {
    match (answer, credential) {
        (Ok(()), Credential::Secret(_) | Credential::SecretFile(_)) => {
            Finding::ok("token", url, "the client secret gets one")
        }
        (Ok(()), Credential::Token(_)) => {
            Finding::ok("token", url, "a ready access token is configured, and nothing renews it")
        }
        (Ok(()), Credential::TokenFile(_)) => {
            Finding::ok("token", url, "a ready access token lies in a file, which something else must renew")
        }
        (Err(error @ TokenError::Refused { .. }), _) => Finding::of(Verdict::Fail, "token", url, error.problem()),
        (Err(error @ TokenError::Unavailable(_)), _) => Finding::bad(
            Verdict::Fail,
            "token",
            url,
            error.to_string(),
            "check the network, api.token_url, api.proxy and the file that holds the secret, and if they are right, wait: nothing is lost, and files go by themselves once Adobe answers",
        ),
    }
}

/// Whether the credential may act for the configured company.
pub(in crate::cli::doctor) fn company(configured: &str, answer: Result<&[Company], &ApiError>) -> Finding {
    match answer {
        Ok(companies) if companies.iter().any(|company| company.global_company_id == configured) => {
            Finding::ok("company", configured, "the credential may act for it")
        }
        Ok([]) => Finding::bad(
            Verdict::Fail,
            "company",
            configured,
            "the credential may act for no company",
            "add a product profile for Adobe Analytics to it in the Developer Console",
        ),
        Ok(companies) => {
            let ids: Vec<&str> = companies.iter().map(|company| company.global_company_id.as_str()).collect();
            Finding::bad(
                Verdict::Fail,
                "company",
                configured,
                format!("the credential may not act for it, but for {}", ids.join(", ")),
                "correct api.global_company_id, or the product profiles of the credential",
            )
        }
        Err(error) => problem(Verdict::Warn, "company", configured, error),
    }
}

/// Whether the Data Sources account is there, and the credential may see it.
pub(in crate::cli::doctor) fn account(config: &AccountConfig, answer: Result<&RemoteAccount, &ApiError>) -> Finding {
    let name = config.name.as_str();
    let (suite, id) = (&config.report_suite_id, config.data_source_id);
    match answer {
        Ok(found) => {
            let called = found.name.as_deref().map(|name| format!(" `{name}`")).unwrap_or_default();
            Finding::ok("account", name, format!("Adobe knows data source {id}{called} of report suite {suite}"))
        }
        Err(ApiError::NotFound { body, .. }) => Finding::bad(
            Verdict::Fail,
            "account",
            name,
            format!("Adobe knows no data source {id} in report suite {suite}: {body}"),
            "correct report_suite_id or data_source_id (`datadrop accounts list` shows what there is)",
        ),
        Err(error @ ApiError::Unauthorised { why: Unauthorised::Answer { status: 401 | 403, body, .. }, .. }) => {
            let id = error.request_id().map(|id| format!(" (request ID {id})")).unwrap_or_default();
            Finding::bad(
                Verdict::Fail,
                "account",
                name,
                format!("the credential has no right to it: {body}{id}"),
                format!("add report suite {suite} and Data Sources to the product profile of the credential"),
            )
        }
        Err(error) => {
            let verdict = match error {
                ApiError::Unclear { .. } | ApiError::Busy { .. } => Verdict::Warn,
                ApiError::NotConnected { .. }
                | ApiError::Unauthorised { .. }
                | ApiError::NotFound { .. }
                | ApiError::Refused { .. } => Verdict::Fail,
            };
            problem(verdict, "account", name, error)
        }
    }
}

/// Whether Adobe has somebody to write to when it fails a file: it tells the cause to nobody else.
pub(in crate::cli::doctor) fn error_address(config: &AccountConfig, found: &RemoteAccount) -> Finding {
    let name = config.name.as_str();
    match found.shown_email() {
        Some(address) => Finding::ok("e-mail", name, format!("Adobe writes errors in its files to {address}")),
        None => Finding::bad(
            Verdict::Warn,
            "e-mail",
            name,
            "Adobe has no address for it, so nobody hears why Adobe failed a file",
            format!("enter an address for data source {} in Adobe's Data Sources manager", config.data_source_id),
        ),
    }
}

/// An error with its own remedy, or one for its kind.
fn problem(verdict: Verdict, check: &'static str, subject: &str, error: &ApiError) -> Finding {
    let id = error.request_id().map(|id| format!(" (request ID {id})")).unwrap_or_default();
    let text = error.to_string();
    let bad = |remedy: &str| Finding::bad(verdict, check, subject, format!("{text}{id}"), remedy);
    match error {
        ApiError::Unclear { .. } | ApiError::Busy { .. } => {
            bad("look again in a minute; uploads wait and go on by themselves")
        }
        ApiError::Unauthorised { why: Unauthorised::Answer { status: 407, .. }, .. } => {
            bad("give api.proxy the credentials that the proxy wants")
        }
        ApiError::Unauthorised { .. }
        | ApiError::NotConnected { .. }
        | ApiError::NotFound { .. }
        | ApiError::Refused { .. } => {
            let told = Finding::of(verdict, check, subject, error.problem());
            Finding { message: format!("{}{id}", told.message), ..told }.or_remedy("check the keys of [api]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::ErrorBody;
    use crate::config::load_draft;

    fn config() -> AccountConfig {
        let text = "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[[account]]\nname = \"a\"\n\
             report_suite_id = \"suite\"\ndata_source_id = 621\nfolder = \"/nowhere/a\"\n";
        load_draft("test", text, []).unwrap().accounts.remove(0)
    }

    fn body() -> ErrorBody {
        ErrorBody::Other("no; such".into())
    }

    fn unauthorised(status: u16) -> ApiError {
        let why = Unauthorised::Answer { status, body: Box::new(body()), request_id: Some("r1".into()) };
        ApiError::Unauthorised { asked: "it".into(), why }
    }

    #[test]
    fn an_account_that_cannot_be_had_names_the_keys_or_the_profile() {
        let missing = ApiError::NotFound { asked: "it".into(), body: Box::new(body()), request_id: None };
        let line = account(&config(), Err(&missing)).line();
        for part in ["FAIL", "data source 621", "report suite suite", "report_suite_id or data_source_id"] {
            assert!(line.contains(part), "{line}");
        }
        for status in [401, 403] {
            let line = account(&config(), Err(&unauthorised(status))).line();
            assert!(line.contains("product profile") && line.contains("r1"), "{line}");
        }
        assert!(account(&config(), Err(&unauthorised(407))).line().contains("api.proxy"));
    }

    #[test]
    fn what_may_pass_by_itself_only_warns() {
        let unclear = ApiError::Unclear { asked: "it".into(), why: "HTTP 500".into() };
        assert_eq!(account(&config(), Err(&unclear)).verdict, Verdict::Warn);
        let silent = ApiError::NotConnected { asked: "it".into(), why: "refused".into() };
        let silent = account(&config(), Err(&silent));
        assert_eq!(silent.verdict, Verdict::Fail);
        assert!(silent.remedy.unwrap().starts_with("check the network"));
    }

    #[test]
    fn the_company_is_one_of_the_credential_s() {
        let companies = ["c", "d"].map(|id| Company { global_company_id: id.to_owned(), name: None });
        assert_eq!(company("c", Ok(&companies)).verdict, Verdict::Ok);
        let wrong = company("x", Ok(&companies));
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert!(wrong.message.ends_with("but for c, d"), "{wrong:?}");
        assert_eq!(company("x", Ok(&[])).verdict, Verdict::Fail);
        assert_eq!(company("x", Err(&unauthorised(403))).verdict, Verdict::Warn);
    }

    #[test]
    fn a_refused_secret_brings_its_own_remedy() {
        let refused =
            TokenError::Refused { error: "invalid_client".into(), description: "no".into(), remedy: "mend it".into() };
        let found = token("u", &Credential::Secret("s".into()), Err(&refused));
        assert_eq!((found.verdict, found.remedy.as_deref()), (Verdict::Fail, Some("mend it")));
        let away = TokenError::Unavailable("refused".into());
        assert!(token("u", &Credential::Secret("s".into()), Err(&away)).line().contains("api.token_url"));
    }
}
