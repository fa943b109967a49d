//! What would become of each file, markers with their data files. Pure.

use super::super::outlook::Outlook;
use crate::config::AccountConfig;
use crate::coverage::DayTotals;
use crate::job::{JobId, Kind, stem};
use crate::joblog::JobRow;
use std::collections::{HashMap, HashSet};

/// One account.
#[derive(Debug)]
pub(super) struct AccountPlan {
    pub(super) name: String,
    pub(super) folder: String,
    /// Why nothing of it is sent.
    pub(super) trouble: Option<String>,
    /// Adobe's list has not been read yet, and may hold names that are in the folder (DESIGN F8).
    pub(super) is_first_start: bool,
    pub(super) files: Vec<Planned>,
    /// Files that are none of ours.
    pub(super) ignored: i64,
    /// Different data days of what was sent today and of what would be sent.
    pub(super) days: usize,
    /// What would be added to each data day.
    pub(super) totals: DayTotals,
    /// Bytes that wait at Adobe.
    pub(super) at_adobe: u64,
}

impl AccountPlan {
    /// Nothing is known of its folder.
    pub(super) fn empty(account: &AccountConfig) -> Self {
        Self {
            name: account.name.clone(),
            folder: account.folder.display().to_string(),
            trouble: None,
            is_first_start: false,
            files: Vec::new(),
            ignored: 0,
            days: 0,
            totals: DayTotals::default(),
            at_adobe: 0,
        }
    }
}

/// One file, and what would become of it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) size: Option<u64>,
    pub(super) verdict: Verdict,
    /// Requests that it takes: its own, and that of a marker that is made for it.
    pub(super) requests: u64,
}

/// What would become of a file.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It would be sent; what else there is to say.
    Sent(Option<String>),
    /// A marker that has done its work here.
    Kept(String),
    /// Not yet; why.
    Waits(String),
    /// A person would be asked; why.
    Held(String),
    /// Never; why.
    Rejected(String),
    /// The job log has it.
    Known(Box<JobRow>),
}

/// A file as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) size: Option<u64>,
    pub(super) outlook: Outlook,
    /// For a marker: the job of its data file, where none lies in the folder.
    pub(super) pair: Option<JobId>,
}

/// What the data file of a marker is on its way to.
enum Partner {
    Goes,
    Waits,
    Held,
    Rejected,
}

/// Brings markers to where their data files stand. `sends`: markers are sent; `makes`: one is made for each data file that
/// has none.
pub(super) fn pair_up(found: Vec<Found>, sends: bool, makes: bool) -> Vec<Planned> {
    let mut partners: HashMap<String, (String, Partner)> = HashMap::new();
    let mut markers: HashSet<String> = HashSet::new();
    for file in &found {
        let key = stem(&file.name).to_owned();
        let partner = match &file.outlook {
            Outlook::Ready { kind: Kind::Fin, .. } => {
                markers.insert(key);
                continue;
            }
            Outlook::Known(job) if job.kind == Kind::Fin.as_str() => {
                markers.insert(key);
                continue;
            }
            Outlook::Gone | Outlook::Ignored(_) => continue,
            Outlook::Known(job) if job.state == "waiting" => Partner::Waits,
            Outlook::Waiting(_) => Partner::Waits,
            Outlook::Ready { kind: Kind::Data, .. } | Outlook::Known(_) => Partner::Goes,
            Outlook::Held(_) => Partner::Held,
            Outlook::Rejected(_) => Partner::Rejected,
        };
        partners.insert(key, (file.name.clone(), partner));
    }
    found
        .into_iter()
        .filter_map(|file| {
            let key = stem(&file.name);
            let mut requests = 0;
            let verdict = match file.outlook {
                Outlook::Gone | Outlook::Ignored(_) => return None,
                Outlook::Waiting(reason) => Verdict::Waits(reason),
                Outlook::Rejected(reason) => Verdict::Rejected(reason),
                Outlook::Held(reason) => Verdict::Held(reason),
                Outlook::Known(job) => {
                    requests = u64::from(job.state == "queued");
                    Verdict::Known(job)
                }
                Outlook::Ready { kind: Kind::Fin, .. } => marker(partners.get(key), file.pair, sends),
                Outlook::Ready { kind: Kind::Data, content, instead_of } => {
                    requests = u64::from(makes && !markers.contains(key));
                    let findings = content.findings.map(|found| format!("the file check says: {}", found.summary));
                    Verdict::Sent(
                        findings.or(instead_of.map(|id| format!("in place of job {id}, whose file was changed"))),
                    )
                }
            };
            requests += u64::from(matches!(verdict, Verdict::Sent(_)));
            Some(Planned { name: file.name, size: file.size, verdict, requests })
        })
        .collect()
}

fn marker(partner: Option<&(String, Partner)>, pair: Option<JobId>, sends: bool) -> Verdict {
    let goes = |of: String| {
        if sends { Verdict::Sent(Some(format!("marker of {of}"))) } else { Verdict::Kept(format!("marker of {of}")) }
    };
    match (partner, pair) {
        (Some((name, Partner::Goes)), _) => goes(name.clone()),
        (Some((name, Partner::Waits)), _) => Verdict::Waits(format!("waits for its data file {name}")),
        (Some((name, Partner::Held)), _) => Verdict::Held(format!("its data file {name} is held")),
        (Some((name, Partner::Rejected)), _) => Verdict::Rejected(format!("its data file {name} is rejected")),
        (None, Some(id)) => goes(format!("job {id}")),
        (None, None) => Verdict::Waits("waits for its data file".to_owned()),
    }
}
