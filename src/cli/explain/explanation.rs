//! From facts to the answer. Pure.

use super::super::outlook::Outlook;
use super::evidence::{Account, Answer, Facts, Job, Spot, What};
use super::job::{self, START};
use crate::inbox::Ignored;
use crate::job::{Command, JobId, Kind, Place, State};
use crate::status::{counted, printable, size};

/// Why this file is, or is not, on its way.
pub(super) fn answer(facts: &Facts) -> Answer {
    match &facts.spot {
        Spot::Elsewhere { folders, job } => elsewhere(folders, job.as_deref(), facts),
        Spot::Within(account, what) => within(account, what, facts),
    }
}

fn elsewhere(folders: &[(String, String)], job: Option<&Job>, facts: &Facts) -> Answer {
    let (path, name) = (&facts.path, &facts.name);
    if let Some(job) = job {
        let account = printable(&job.row.account);
        let left = format!("account {account} is not in the configuration any more: nothing is done for it");
        let is_over = job::state(&job.row).is_some_and(State::is_terminal);
        let words = if is_over { job::sentence(job, None, facts) } else { format!("is not on its way: {left}") };
        let mut answer = of_job(format!("{name} {words}"), job, None, facts);
        if is_over {
            answer.facts.push(left);
        }
        return answer;
    }
    let folder =
        |(name, folder): &(String, String)| format!("account {} watches {}", printable(name), printable(folder));
    Answer {
        facts: folders.iter().map(folder).collect(),
        is_known: false,
        ..said(format!("{path} lies in no account's folder, so nothing happens to it"), None)
    }
}

fn within(account: &Account, what: &What, facts: &Facts) -> Answer {
    let (name, path) = (&facts.name, &facts.path);
    let alone = |sentence: String| said(sentence, Some(account));
    match what {
        What::Folder => {
            let trouble =
                account.trouble.as_ref().map(|trouble| format!("nothing is sent of it: {}", printable(trouble)));
            let down = (!facts.running).then(|| START.to_owned());
            Answer {
                facts: trouble.or(down).into_iter().collect(),
                ..alone(format!("{path} is the folder of account {}: what is dropped there is sent", account.name))
            }
        }
        What::SubFolder(place) => alone(format!(
            "{path} is where account {} keeps {}; nothing is sent from there",
            account.name,
            kept(*place)
        )),
        What::Mark => alone(format!(
            "{name} proves that this is the folder of account {}; leave it there, it is never sent",
            account.name
        )),
        What::Deeper => alone(format!(
            "{path} lies deeper than account {} looks: only files directly in its folder are sent; \
             move it up there if it is to be sent",
            account.name
        )),
        What::Inbox { outlook, job, lacks_data } => inbox(account, outlook, job.as_ref(), *lacks_data, facts),
        What::Filed { place, exists, job } => filed(account, *place, *exists, job.as_ref(), facts),
        What::Pruned(delivered) => Answer {
            facts: delivered.remote_job_id.map(|id| format!("remote job: {id}")).into_iter().collect(),
            job: Some(delivered.id.0),
            state: Some(delivered.state.clone()),
            ..alone(format!("{name} {}", job::pruned(delivered, facts)))
        },
        What::Why { of, job } => {
            let sentence = format!("{name} is the explanation beside {of} and is never sent");
            match job {
                Some(job) => of_job(sentence, job, Some(account), facts),
                None => alone(sentence),
            }
        }
    }
}

fn kept(place: Place) -> &'static str {
    match place {
        Place::Inbox | Place::Gone => "what is to be sent",
        Place::Sent => "files that Adobe has accepted and is not done with",
        Place::Held => "files that need a person",
        Place::Done => "files that are through",
        Place::Failed => "files that were not processed",
    }
}

fn inbox(account: &Account, outlook: &Outlook, job: Option<&Job>, lacks_data: bool, facts: &Facts) -> Answer {
    let name = &facts.name;
    let mut answer = match outlook {
        Outlook::Gone => return gone(account, job, facts),
        Outlook::Ignored(why) => said(format!("{name} is not on its way: {}", ignored(why, account)), Some(account)),
        Outlook::Known(row) => {
            let Some(job) = job else { return said(format!("{name} is known to the job log"), Some(account)) };
            let words = format!("{name} {}", job::sentence(job, Some(account), facts));
            let waits = job::state(row) == Some(State::Waiting);
            let words = if waits { unless_stopped(words, account, facts) } else { words };
            return of_job(words, job, Some(account), facts);
        }
        Outlook::Waiting(reason) => {
            let words = format!("{name} is not on its way yet: {}", printable(reason));
            said(unless_stopped(words, account, facts), Some(account))
        }
        Outlook::Rejected(reason) => {
            let words = format!("{name} will not be sent, it goes to failed/: {}", printable(reason));
            said(unless_stopped(words, account, facts), Some(account))
        }
        Outlook::Held(reason) => {
            let words = format!("{name} will be held, not sent: {}", printable(reason));
            said(unless_stopped(words, account, facts), Some(account))
        }
        Outlook::Ready { kind, .. } => ready(account, *kind, lacks_data, facts),
    };
    match outlook {
        Outlook::Ready { content, instead_of, .. } => {
            let identity = content.fingerprint.identity;
            let bytes = size(identity.size.cast_signed());
            answer.facts.push(format!("{bytes}, {}", counted(content.rows_expected.cast_signed(), "row")));
            answer.facts.extend(
                content.findings.as_ref().map(|found| format!("the file check says: {}", printable(&found.summary))),
            );
            answer.facts.extend(
                instead_of
                    .map(|id| format!("it takes the place of job {id}, whose file was changed before it was sent")),
            );
        }
        Outlook::Gone
        | Outlook::Ignored(_)
        | Outlook::Known(_)
        | Outlook::Waiting(..)
        | Outlook::Rejected(..)
        | Outlook::Held(..) => {}
    }
    if let Some(newest) = job {
        let row = &newest.row;
        // What waits has no hash yet by which it could be told from another, but it is the one that lies there.
        let whose = if row.state == State::Waiting.as_str() { "this file" } else { "an earlier file of this name" };
        let show = Command::Show(JobId(row.id)).line(&facts.program);
        answer.facts.push(format!("{whose}: job {}, {}; {show}", row.id, row.state));
    }
    answer
}

/// Appends why nothing is sent for the account, if that is so, to what is wrong with this file.
fn unless_stopped(words: String, account: &Account, facts: &Facts) -> String {
    match &account.trouble {
        Some(trouble) => {
            format!("{words}; also, nothing is sent for account {}: {}", account.name, printable(trouble))
        }
        None if !facts.running => format!("{words}; also, {START}"),
        None => words,
    }
}

fn ready(account: &Account, kind: Kind, lacks_data: bool, facts: &Facts) -> Answer {
    let (name, path) = (&facts.name, &account.name);
    if kind == Kind::Fin && lacks_data {
        return said(
            format!("{name} is not on its way: it waits for its data file, and none of its name is there"),
            Some(account),
        );
    }
    if let Some(trouble) = &account.trouble {
        let words = format!("{name} is not on its way: nothing is sent for account {path}: {}", printable(trouble));
        return said(words, Some(account));
    }
    if !facts.running {
        return said(format!("{name} is not on its way: {START}"), Some(account));
    }
    Answer {
        facts: vec![account.scan.clone()],
        ..said(format!("{name} is about to be on its way: the daemon has not taken it in yet"), Some(account))
    }
}

fn ignored(why: &Ignored, account: &Account) -> String {
    let taken: Vec<String> = account.extensions.iter().map(|extension| format!(".{extension}")).collect();
    match why {
        Ignored::Hidden => "hidden files are never sent; rename it without the dot".to_owned(),
        Ignored::Directory => "it is a folder, and only files directly in the account's folder are sent".to_owned(),
        Ignored::Case(lower) => {
            format!("Adobe only takes lower-case extensions; rename it to {}", printable(&lower.to_string_lossy()))
        }
        Ignored::Excluded(pattern) => format!(
            "the pattern `{}` in `exclude` of account {} matches its name; rename it, or remove the pattern",
            printable(pattern),
            account.name
        ),
        Ignored::Extension => format!(
            "account {} takes files that end in {}; rename it, or add its extension to `extensions` of the account",
            account.name,
            taken.join(", ")
        ),
    }
}

fn gone(account: &Account, job: Option<&Job>, facts: &Facts) -> Answer {
    let (name, path) = (&facts.name, &facts.path);
    let Some(job) = job else {
        return Answer {
            is_known: false,
            ..said(format!("{path} is not there, and the job log knows no file of that name"), Some(account))
        };
    };
    let sentence = format!("{name} {}", job::sentence(job, Some(account), facts));
    let mut answer = of_job(sentence, job, Some(account), facts);
    answer.facts.insert(0, lies(job, path));
    answer
}

/// Where the file of a job is, for somebody who looked at `asked`.
fn lies(job: &Job, asked: &str) -> String {
    let path = printable(&job.row.path);
    if path == asked { "the file itself is gone from there".to_owned() } else { format!("the file lies in {path} now") }
}

fn filed(account: &Account, place: Place, exists: bool, job: Option<&Job>, facts: &Facts) -> Answer {
    let (name, path) = (&facts.name, &facts.path);
    match job {
        Some(job) => {
            let sentence = format!("{name} {}", job::sentence(job, Some(account), facts));
            let mut answer = of_job(sentence, job, Some(account), facts);
            if !exists {
                answer.facts.insert(0, lies(job, path));
            }
            answer
        }
        None if !exists => Answer {
            is_known: false,
            ..said(format!("{path} is not there, and the job log knows no file of that name"), Some(account))
        },
        None if matches!(place, Place::Sent | Place::Done) => said(
            format!(
                "{name} was sent, as its folder tells, and the job log does not know it: stop the service and run \
                 `datadrop recover`, or take the file out of {}/ if you put it there",
                place.as_str()
            ),
            Some(account),
        ),
        None => said(
            format!(
                "{name} is not on its way: somebody put it into {}/, from where nothing is sent; move it into {}'s \
                 folder to send it",
                place.as_str(),
                account.name
            ),
            Some(account),
        ),
    }
}

fn said(sentence: String, account: Option<&Account>) -> Answer {
    Answer {
        sentence,
        facts: Vec::new(),
        is_known: true,
        account: account.map(|account| account.name.clone()),
        job: None,
        state: None,
    }
}

fn of_job(sentence: String, job: &Job, account: Option<&Account>, facts: &Facts) -> Answer {
    Answer {
        facts: job::facts(job, account, facts),
        account: Some(job.row.account.clone()),
        job: Some(job.row.id),
        state: Some(job.row.state.clone()),
        ..said(sentence, account)
    }
}
