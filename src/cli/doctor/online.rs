//! Asking Adobe: a token, one request for the companies, one for each account, three for each report suite.

use super::finding::{Finding, Verdict};
use super::judge::{adobe_answers as judge, machine, suite_answers};
use crate::adobe::{ApiError, Client};
use crate::cli::api_session::{Purse, Remote};
use crate::config::Config;
use crate::job::ReportSuite;

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
    let mut suites: Vec<ReportSuite> = Vec::new();
    for (index, account) in config.accounts.iter().enumerate() {
        let suite = api.report_suite(&account.report_suite_id);
        let id = account.data_source_id;
        let found = remote.ask(&async |client, purse| client.show_account(&suite, id, purse.permit().await).await);
        findings.push(judge::account(account, found.as_ref()));
        findings.extend(found.as_ref().ok().map(|found| judge::error_address(account, found)));
        // One that has no such account, or is not to be had, has had its finding.
        if found.is_ok() && !suites.iter().any(|known| known.id.eq_ignore_ascii_case(&suite.id)) {
            let read = async |client: &Client, purse: &Purse| Ok(client.read_suite(&suite, || purse.permit()).await);
            findings.extend(remote.ask(&read).iter().flat_map(|reading| suite_answers::suite(&suite.id, reading)));
            suites.push(suite);
        }
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
