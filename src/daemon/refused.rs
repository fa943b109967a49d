//! Which accounts may run as they are configured (DESIGN A5, and §5, "Report suites"). Pure.

use crate::config::{AccountConfig, Config};
use crate::job::{JobId, Problem, Target, counted, virtual_suite};
use crate::joblog::{OpenJobs, VirtualSuite};

/// An account in which nothing is sent or moved for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) account: String,
    /// Which jobs are in the way, and the remedy.
    pub(super) why: Problem,
    /// Where its open jobs went, if any was tried: there they are followed to their end.
    pub(super) went_to: Option<Target>,
    /// Its report suite takes no uploads.
    pub(super) is_virtual: bool,
}

/// The accounts that may run, and those that may not: whose open jobs went elsewhere, whose report suite is virtual, or
/// that are not configured any more.
pub(super) fn judge(
    config: &Config,
    open: &[OpenJobs],
    virtual_suites: &[VirtualSuite],
) -> (Vec<AccountConfig>, Vec<Refused>) {
    let mut refused: Vec<Refused> = Vec::new();
    let is_configured = |name: &str| config.accounts.iter().any(|account| account.name == name);
    let mut orphaned: Vec<&str> =
        open.iter().map(|jobs| jobs.account.as_str()).filter(|name| !is_configured(name)).collect();
    orphaned.sort_unstable();
    orphaned.dedup();
    for name in orphaned {
        let jobs: Vec<&OpenJobs> = open.iter().filter(|jobs| jobs.account == name).collect();
        refused.push(Refused {
            account: name.to_owned(),
            why: Problem::new(
                format!("it is not configured any more, and still has {}", words(&jobs)),
                "put it back until they are done",
            ),
            went_to: jobs.iter().find_map(|jobs| jobs.target.clone()),
            is_virtual: false,
        });
    }
    let mut run = Vec::new();
    for account in config.accounts.iter().filter(|account| account.enabled) {
        let target = account.target(&config.api);
        let went_elsewhere =
            |jobs: &&OpenJobs| jobs.account == account.name && jobs.target.as_ref().is_some_and(|went| *went != target);
        let jobs: Vec<&OpenJobs> = open.iter().filter(went_elsewhere).collect();
        let is_virtual = virtual_suites.iter().find(|suite| suite.is_of(&target));
        match (jobs.first().and_then(|jobs| jobs.target.clone()), is_virtual) {
            (None, None) => run.push(account.clone()),
            (None, Some(VirtualSuite { parent, .. })) => refused.push(Refused {
                account: account.name.clone(),
                why: virtual_suite(&account.report_suite_id, parent),
                went_to: open.iter().any(|jobs| jobs.account == account.name && jobs.target.is_some()).then_some(target),
                is_virtual: true,
            }),
            (Some(went_to), _) => refused.push(Refused {
                account: account.name.clone(),
                why: Problem::new(
                    format!(
                        "it would go to {target} now, and still has {} for {went_to}: nothing is sent until they are done, and what \
                         Adobe has is followed to its end",
                        words(&jobs)
                    ),
                    "for the others put the old target back, or cancel them (`datadrop jobs cancel ID`) and retry them then",
                ),
                went_to: Some(went_to),
                is_virtual: false,
            }),
        }
    }
    let in_the_way = |account: &&AccountConfig| {
        let target = account.target(&config.api);
        let goes_there = |jobs: &&OpenJobs| jobs.target.as_ref().is_some_and(|went| is_one_place(went, &target));
        open.iter().filter(goes_there).find(|jobs| refused.iter().any(|refused| refused.account == jobs.account))
    };
    let crowded: Vec<Refused> = run
        .iter()
        .filter_map(|account| {
            let jobs = in_the_way(&account)?;
            Some(Refused {
                account: account.name.clone(),
                why: format!(
                    "it would go where account {} has open jobs (such as job {}), and the files of the two could not be told \
                     apart, so nothing is sent until those are done",
                    jobs.account,
                    jobs.oldest.first()?
                )
                .into(),
                went_to: Some(account.target(&config.api)),
                is_virtual: false,
            })
        })
        .collect();
    run.retain(|account| !crowded.iter().any(|refused| refused.account == account.name));
    refused.extend(crowded);
    (run, refused)
}

/// Adobe reads report suite IDs in either case.
fn is_one_place(one: &Target, other: &Target) -> bool {
    let rest = |target: &Target| (target.base_url.clone(), target.company.clone(), target.data_source_id);
    one.report_suite_id.eq_ignore_ascii_case(&other.report_suite_id) && rest(one) == rest(other)
}

/// `2 open jobs (jobs 3 and 4)`.
fn words(jobs: &[&OpenJobs]) -> String {
    let all: usize = jobs.iter().map(|jobs| jobs.jobs).sum();
    let mut oldest: Vec<JobId> = jobs.iter().flat_map(|jobs| &jobs.oldest).copied().collect();
    oldest.sort_unstable();
    let mut named: Vec<String> = oldest.iter().take(OpenJobs::NAMED).map(JobId::to_string).collect();
    if all > named.len() {
        named.push(format!("{} more", all - named.len()));
    }
    let last = named.pop().unwrap_or_default();
    let which = if named.is_empty() { format!("job {last}") } else { format!("jobs {} and {last}", named.join(", ")) };
    format!("{} ({which})", counted(i64::try_from(all).unwrap_or(i64::MAX), "open job"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_draft;

    fn config(data_source: i64, keys: &str) -> Config {
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[[account]]\nname = \"a\"\n\
             report_suite_id = \"r\"\ndata_source_id = {data_source}\nfolder = \"/nowhere/a\"\n{keys}"
        );
        load_draft("test", &text, []).unwrap()
    }

    fn open(account: &str, ids: impl IntoIterator<Item = i64>, target: Option<&Target>) -> OpenJobs {
        let ids: Vec<JobId> = ids.into_iter().map(JobId).collect();
        let oldest = ids.iter().take(OpenJobs::NAMED).copied().collect();
        OpenJobs { account: account.to_owned(), target: target.cloned(), jobs: ids.len(), oldest }
    }

    #[test]
    fn a5_an_account_is_refused_for_its_open_jobs_that_went_elsewhere_and_for_no_others() {
        let config = config(1, "");
        let here = config.accounts[0].target(&config.api);
        let elsewhere = Target { data_source_id: 2, ..here.clone() };
        let (run, refused) = judge(&config, &[open("a", [1], Some(&here)), open("a", [2], None)], &[]);
        assert_eq!((run.len(), refused.len()), (1, 0));
        let jobs = [open("a", [1], Some(&here)), open("a", [2, 3], Some(&elsewhere))];
        let (run, refused) = judge(&config, &jobs, &[]);
        assert_eq!(run.len(), 0);
        assert_eq!(refused[0].went_to, Some(elsewhere));
        let why = &refused[0].why.what;
        assert!(why.contains("r/1 at") && why.contains("2 open jobs (jobs 2 and 3) for r/2 at"), "{why}");
    }

    #[test]
    fn a5_an_account_that_left_the_configuration_is_named_with_its_open_jobs() {
        let elsewhere = Target { data_source_id: 2, ..config(1, "").accounts[0].target(&config(1, "").api) };
        let jobs = [open("gone", (2..=30).filter(|id| *id != 7), None), open("gone", [1, 7], Some(&elsewhere))];
        let (run, refused) = judge(&config(1, ""), &jobs, &[]);
        assert_eq!(run.len(), 1);
        assert_eq!((refused.len(), refused[0].account.as_str(), &refused[0].went_to), (1, "gone", &Some(elsewhere)));
        assert!(
            refused[0].why.what.contains("30 open jobs (jobs 1, 2, 3, 4, 5, 6, 7, 8")
                && refused[0].why.what.contains("20 and 10 more)"),
            "{}",
            refused[0].why
        );
        let (_, refused) = judge(&config(1, ""), &[open("gone", [1], None)], &[]);
        assert!(refused[0].why.what.contains("1 open job (job 1)"), "{}", refused[0].why);
    }

    #[test]
    fn a5_no_account_goes_where_another_that_is_refused_still_has_jobs() {
        let config = config(1, "");
        let here = config.accounts[0].target(&config.api);
        let there = Target { report_suite_id: "R".to_owned(), ..here.clone() };
        let (run, refused) = judge(&config, &[open("old-name", [4], Some(&there))], &[]);
        assert_eq!(run.len(), 0);
        let names: Vec<&str> = refused.iter().map(|refused| refused.account.as_str()).collect();
        assert_eq!(names, ["old-name", "a"]);
        assert!(refused[1].why.what.contains("account old-name has open jobs (such as job 4)"), "{}", refused[1].why);
        assert_eq!(judge(&config, &[open("a", [4], Some(&here))], &[]).1.len(), 0, "its own do not stand in its way");
    }

    #[test]
    fn an_account_whose_report_suite_is_virtual_is_refused_and_the_parent_is_named() {
        let config = config(1, "");
        let here = config.accounts[0].target(&config.api);
        let suite = VirtualSuite {
            base_url: here.base_url.clone(),
            company: "c".to_owned(),
            report_suite_id: "R".to_owned(),
            parent: "whole".to_owned(),
        };
        let (run, refused) = judge(&config, &[open("a", [1], None)], std::slice::from_ref(&suite));
        assert_eq!((run.len(), refused.len(), &refused[0].went_to), (0, 1, &None));
        let why = &refused[0].why;
        assert!(why.what.contains("shows a part of whole"), "{why}");
        assert!(why.remedy.as_ref().unwrap().contains("report_suite_id = \"whole\""), "{why}");
        let (_, refused) = judge(&config, &[open("a", [1], Some(&here))], std::slice::from_ref(&suite));
        assert_eq!(refused[0].went_to, Some(here), "what Adobe has is followed");
        let another = VirtualSuite { company: "another".to_owned(), ..suite };
        assert_eq!(judge(&config, &[], &[another]).0.len(), 1);
    }

    #[test]
    fn a_disabled_account_neither_runs_nor_is_refused() {
        let config = config(1, "enabled = false");
        let elsewhere = Target { data_source_id: 2, ..config.accounts[0].target(&config.api) };
        let (run, refused) = judge(&config, &[open("a", [1], Some(&elsewhere))], &[]);
        assert_eq!((run.len(), refused.len()), (0, 0));
    }
}
