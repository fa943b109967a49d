//! Asking Adobe: a token, one request for the companies, one for each account.

use super::finding::{Finding, Verdict};
use super::judge::{adobe_answers as judge, machine};
use crate::adobe::ApiError;
use crate::cli::api_session::Remote;
use crate::config::Config;

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let api = &config.api;
    let remote = match Remote::open(config) {
        Ok(remote) => remote,
        Err(failure) => {
            let problem = failure.problem().cloned();
            return problem
                .map(|problem| Finding::of(Verdict::Fail, "connection", &api.base_url, problem))
                .into_iter()
                .collect();
        }
    };
    let token = remote.authorise();
    let mut findings = vec![judge::token(&api.token_url, &api.credential, token.as_ref().copied())];
    if token.is_err() {
        let message = "Adobe was not asked for company and accounts: there is no token";
        let remedy = "mend that first, and look again";
        findings.push(Finding::bad(Verdict::Warn, "account", &api.base_url, message, remedy));
        return findings;
    }
    let companies = remote.ask(&async |client, purse| client.companies(&api.base_url, purse.permit().await).await);
    findings.push(judge::company(&api.global_company_id, companies.as_deref()));
    for (index, account) in config.accounts.iter().enumerate() {
        let suite = api.report_suite(&account.report_suite_id);
        let id = account.data_source_id;
        let found = remote.ask(&async |client, purse| client.show_account(&suite, id, purse.permit().await).await);
        findings.push(judge::account(account, found.as_ref()));
        let left = config.accounts.len() - index - 1;
        // The others would only wait for the same.
        if matches!(found, Err(ApiError::NotConnected { .. })) && left > 0 {
            let message = format!("{left} more were not asked for: there is no connection");
            let remedy = "mend that first, and look again";
            findings.push(Finding::bad(Verdict::Warn, "account", &api.base_url, message, remedy));
            break;
        }
    }
    findings.push(machine::clock(&api.base_url, remote.server_clock_ahead()));
    findings
}
