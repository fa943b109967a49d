//! Every case in words.

use super::super::outlook::Outlook;
use super::evidence::{Account, Answer, Facts, Job, Spot, What};
use super::explanation::answer;
use crate::inbox::Ignored;
use crate::job::{
    Blake3, Case, FileIdentity, Fingerprint, JobId, Kind, Phase, Place, Program, Sha256, State, Timestamp,
};
use crate::joblog::{Content, Delivered, JobRow};
use crate::status::Here;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_795_430_100_000);

fn account() -> Account {
    Account {
        name: "callcentre".to_owned(),
        trouble: None,
        has_list: true,
        next_sweep: Some(NOW.after(Duration::from_secs(12))),
        extensions: vec!["txt".to_owned(), "tab".to_owned()],
        backlog: Some("1,840 files, 15 min 20 s at 12 per 6 s".to_owned()),
        scan: "a file that no event reported is taken in after 5 s without a change, and found within 1 min".to_owned(),
    }
}

fn row(state: &str, reason: Option<&str>) -> JobRow {
    JobRow {
        id: 17,
        account: "callcentre".to_owned(),
        file_name: "sales.txt".to_owned(),
        kind: "data".to_owned(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        path: "/srv/datadrop/callcentre/sales.txt".to_owned(),
        size: Some(12),
        sha256: None,
        rows_expected: Some(100),
        rows_processed: None,
        remote_job_id: None,
        remote_status: None,
        remote_created: None,
        remote_started: None,
        remote_finished: None,
        attempts: 0,
        seen_at: NOW.before(Duration::from_mins(5)).to_string(),
        queued_at: None,
        uploaded_at: None,
        finished_at: None,
        next_attempt_at: None,
        pair_id: None,
        first_day: None,
        last_day: None,
        days: None,
    }
}

fn job(row: JobRow) -> Job {
    job_that(row, false)
}

fn job_that(row: JobRow, is_unsettled: bool) -> Job {
    let state = State::from_words(&row.state, Some(Phase::Started)).unwrap();
    let (account, file_name) = (row.account.as_str(), row.file_name.as_str());
    let case = Case {
        id: JobId(row.id),
        account,
        file_name,
        state,
        is_unsettled,
        follows: None,
        is_gone: false,
        sent_again_as: None,
    };
    Job { verdict: case.verdict(), since: Some(NOW.before(Duration::from_mins(5))), row }
}

fn facts(spot: Spot) -> Facts {
    Facts {
        path: "/srv/datadrop/callcentre/sales.txt".to_owned(),
        name: "sales.txt".to_owned(),
        here: Here { now: NOW, zone: TimeZone::UTC },
        program: Program::default(),
        running: true,
        spot,
    }
}

fn within(what: What) -> Facts {
    facts(Spot::Within(Box::new(account()), Box::new(what)))
}

fn inbox(outlook: Outlook) -> What {
    What::Inbox { outlook, job: None, lacks_data: false }
}

fn known(row: JobRow) -> What {
    What::Inbox { outlook: Outlook::Known(Box::new(row.clone())), job: Some(job(row)), lacks_data: false }
}

fn filed(place: Place, row: JobRow) -> What {
    What::Filed { place, exists: true, job: Some(job(row)) }
}

fn unsettled(place: Place, row: JobRow) -> What {
    What::Filed { place, exists: true, job: Some(job_that(row, true)) }
}

fn ready(kind: Kind) -> Outlook {
    let identity = FileIdentity { device: 1, inode: 2, born_ns: 0, size: 1_200_000, modified_ns: 4 };
    let fingerprint = Fingerprint { identity, sha256: Sha256::new([0; 32]) };
    let content = Content { fingerprint, blake3: Blake3([0; 32]), rows_expected: 100, findings: None, days: None };
    Outlook::Ready { kind, content, instead_of: None }
}

fn text(answers: &[Answer]) -> String {
    let mut text = String::new();
    for answer in answers {
        assert!(!answer.sentence.contains('\n') && !answer.sentence.ends_with('.'), "{answer:?}");
        writeln!(text, "{}{}.", if answer.is_known { "" } else { "[4] " }, answer.sentence).unwrap();
        answer.facts.iter().for_each(|fact| writeln!(text, "  {fact}").unwrap());
    }
    text
}

fn told(all: impl IntoIterator<Item = Facts>) -> String {
    text(&all.into_iter().map(|facts| answer(&facts)).collect::<Vec<_>>())
}

#[test]
fn each_state_of_a_known_file_has_its_sentence_and_its_remedy() {
    let remote = |state: &str, reason: Option<&str>, processed: Option<i64>| JobRow {
        remote_job_id: Some(901),
        remote_status: Some(state.to_owned()),
        rows_processed: processed,
        attempts: 1,
        ..row(state, reason)
    };
    let later = JobRow {
        attempts: 2,
        next_attempt_at: Some(NOW.after(Duration::from_secs(12)).to_string()),
        ..row("queued", Some("the server does not answer"))
    };
    insta::assert_snapshot!(told([
        within(known(row("waiting", Some("waits for its marker (.fin), which this account requires")))),
        within(known(row("queued", None))),
        within(known(later)),
        within(known(row("uploading", None))),
        within(known(JobRow { attempts: 1, ..row("unconfirmed", Some("the connection was reset")) })),
        within(filed(Place::Held, row("held", Some("duplicate: the same content was accepted as sales.txt (job 3)")))),
        within(unsettled(Place::Held, row("held", Some("several remote jobs have its name")))),
        within(filed(Place::Held, JobRow { attempts: 3, ..row("held", Some("refused three times")) })),
        within(filed(Place::Sent, remote("processing", None, None))),
        within(filed(Place::Done, remote("success", None, Some(100)))),
        within(filed(Place::Done, remote("partial", Some("95 of 100 rows were processed"), Some(95)))),
        within(filed(Place::Failed, remote("failure", Some("Adobe gives no reason"), None))),
        within(filed(Place::Failed, row("rejected", Some("the file is too large")))),
        within(filed(Place::Failed, JobRow { file_name: "b\u{fffd}d.txt".to_owned(), ..row("rejected", Some("not UTF-8")) })),
        within(filed(Place::Failed, row("cancelled", Some("replaced")))),
        within(unsettled(Place::Failed, row("cancelled", Some("given up")))),
    ]), @r"
    sales.txt is not on its way yet: waits for its marker (.fin), which this account requires.
      job 17: waiting since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
    sales.txt is on its way: ready, and sent when its turn comes.
      job 17: queued since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      ahead of it at most: 1,840 files, 15 min 20 s at 12 per 6 s
    sales.txt is tried again in 12 s, after 2 attempts: the server does not answer.
      job 17: queued since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      ahead of it at most: 1,840 files, 15 min 20 s at 12 per 6 s
    sales.txt is being sent right now.
      job 17: uploading since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
    sales.txt was sent, and Adobe's job list has to show whether it arrived: the connection was reset.
      job 17: unconfirmed since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      Adobe's list is read next: in 12 s
    sales.txt is held, and not sent until a person decides: duplicate: the same content was accepted as sales.txt (job 3).
      job 17: held since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To send it:     datadrop jobs release 17
      Not to send it: datadrop jobs cancel 17
    sales.txt is held; it may have been ingested, and a person has to look whether it was: several remote jobs have its name.
      job 17: held since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To see whether Adobe has it:               datadrop jobs list --remote --account callcentre
      If it has:                                 datadrop jobs release 17 --adopt JOB_ID
      If it has not (otherwise it counts twice): datadrop jobs release 17 --resend
      To leave it at that:                       datadrop jobs cancel 17
    sales.txt is held, and not sent until a person decides: refused three times.
      job 17: held since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To send it:     datadrop jobs release 17
      Not to send it: datadrop jobs cancel 17
    sales.txt is with Adobe, which has accepted it and is not done with it.
      job 17: processing since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      remote job: 901, Adobe says processing
      Adobe's list is read next: in 12 s
    sales.txt is through: Adobe processed 100 of 100 rows.
      job 17: success since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      remote job: 901, Adobe says success
    sales.txt is through, but Adobe did not process all of it: 95 of 100 rows were processed.
      job 17: partial since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      remote job: 901, Adobe says partial
    sales.txt was accepted by Adobe, but Adobe failed to process it: Adobe gives no reason.
      job 17: failure since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      remote job: 901, Adobe says failure
      Correct the file where it lies, then: datadrop jobs retry 17
    sales.txt was rejected and not sent: the file is too large.
      job 17: rejected since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      Correct what the reason names, the file where it lies or the setting, then: datadrop jobs retry 17
    sales.txt was rejected and not sent: not UTF-8.
      job 17: rejected since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      Rename it and move it into the account's folder: there it is a new file.
    sales.txt was cancelled and not sent: replaced.
      job 17: cancelled since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To send it after all: datadrop jobs retry 17
    sales.txt was cancelled, and may have been ingested: given up.
      job 17: cancelled since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To see whether Adobe has it:               datadrop jobs list --remote --account callcentre
      If it has not (otherwise it counts twice): datadrop jobs retry 17
    ");
}

#[test]
fn every_state_has_words() {
    for state in State::ALL {
        let words = answer(&within(known(row(state.as_str(), None)))).sentence;
        assert!(words.starts_with("sales.txt is") || words.starts_with("sales.txt was"), "{words}");
    }
}

#[test]
fn a_file_that_the_job_log_does_not_know_is_judged_by_the_rules() {
    let without_data = What::Inbox { outlook: ready(Kind::Fin), job: None, lacks_data: true };
    let again = What::Inbox { outlook: ready(Kind::Data), job: Some(job(row("success", None))), lacks_data: false };
    insta::assert_snapshot!(told([
        within(inbox(ready(Kind::Data))),
        within(again),
        within(without_data),
        within(inbox(Outlook::Waiting("the file is empty; it is sent once it has content".to_owned()))),
        within(inbox(Outlook::Rejected("the name is that of a symbolic link".to_owned()))),
        within(inbox(Outlook::Ignored(Ignored::Hidden))),
        within(inbox(Outlook::Ignored(Ignored::Directory))),
        within(inbox(Outlook::Ignored(Ignored::Case("sales.txt".into())))),
        within(inbox(Outlook::Ignored(Ignored::Extension))),
    ]), @r"
        sales.txt is about to be on its way: the daemon has not taken it in yet.
          a file that no event reported is taken in after 5 s without a change, and found within 1 min
          1.2 MB, 100 rows
        sales.txt is about to be on its way: the daemon has not taken it in yet.
          a file that no event reported is taken in after 5 s without a change, and found within 1 min
          1.2 MB, 100 rows
          an earlier file of this name: job 17, success; datadrop jobs show 17
        sales.txt is not on its way: it waits for its data file, and none of its name is there.
          1.2 MB, 100 rows
        sales.txt is not on its way yet: the file is empty; it is sent once it has content.
        sales.txt will not be sent, it goes to failed/: the name is that of a symbolic link.
        sales.txt is not on its way: hidden files are never sent; rename it without the dot.
        sales.txt is not on its way: it is a folder, and only files directly in the account's folder are sent.
        sales.txt is not on its way: Adobe only takes lower-case extensions; rename it to sales.txt.
        sales.txt is not on its way: account callcentre takes files that end in .txt, .tab; rename it, or add its extension to `extensions` of the account.
        ");
}

#[test]
fn what_stops_everything_is_said_first() {
    let stopped = |what| Facts { running: false, ..within(what) };
    let blocked = |what: What| {
        facts(Spot::Within(
            Box::new(Account { trouble: Some("the folder does not exist; create it".to_owned()), ..account() }),
            Box::new(what),
        ))
    };
    insta::assert_snapshot!(told([
        stopped(inbox(ready(Kind::Data))),
        stopped(known(row("queued", None))),
        stopped(known(row("uploading", None))),
        stopped(What::Folder),
        blocked(inbox(ready(Kind::Data))),
        blocked(known(row("queued", None))),
        blocked(inbox(Outlook::Rejected("the file is too large".to_owned()))),
        blocked(What::Folder),
    ]), @r"
        sales.txt is not on its way: no daemon is running: nothing is sent until one is (`systemctl start datadrop`).
          1.2 MB, 100 rows
        sales.txt is ready, but no daemon is running: nothing is sent until one is (`systemctl start datadrop`).
          job 17: queued since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
          ahead of it at most: 1,840 files, 15 min 20 s at 12 per 6 s
        sales.txt was being sent when the daemon stopped; the next start finds out whether it arrived.
          job 17: uploading since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
        /srv/datadrop/callcentre/sales.txt is the folder of account callcentre: what is dropped there is sent.
          no daemon is running: nothing is sent until one is (`systemctl start datadrop`)
        sales.txt is not on its way: nothing is sent for account callcentre: the folder does not exist; create it.
          1.2 MB, 100 rows
        sales.txt is ready, but nothing is sent for account callcentre: the folder does not exist; create it.
          job 17: queued since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
          ahead of it at most: 1,840 files, 15 min 20 s at 12 per 6 s
        sales.txt will not be sent, it goes to failed/: the file is too large; also, nothing is sent for account callcentre: the folder does not exist; create it.
        /srv/datadrop/callcentre/sales.txt is the folder of account callcentre: what is dropped there is sent.
          nothing is sent of it: the folder does not exist; create it
        ");
}

#[test]
fn what_is_no_file_of_ours_and_what_is_gone_is_told_too() {
    let gone = |job| What::Inbox { outlook: Outlook::Gone, job, lacks_data: false };
    let done = JobRow { path: "/srv/datadrop/callcentre/done/sales.txt".to_owned(), ..row("success", None) };
    let unknown = |place, exists| What::Filed { place, exists, job: None };
    let elsewhere =
        |job| Spot::Elsewhere { folders: vec![("callcentre".to_owned(), "/srv/datadrop/callcentre".to_owned())], job };
    insta::assert_snapshot!(told([
        within(gone(Some(job(done)))),
        within(gone(Some(job(row("cancelled", Some("the file was removed from the folder before it was sent")))))),
        within(gone(None)),
        within(unknown(Place::Sent, true)),
        within(unknown(Place::Held, true)),
        within(unknown(Place::Done, false)),
        within(What::Why { of: "sales.txt".to_owned(), job: Some(job(row("rejected", Some("too large")))) }),
        within(What::Mark),
        within(What::SubFolder(Place::Held)),
        within(What::Deeper),
        facts(elsewhere(None)),
        facts(elsewhere(Some(Box::new(job(row("queued", None)))))),
    ]), @r"
    sales.txt is through: Adobe processed it.
      the file lies in /srv/datadrop/callcentre/done/sales.txt now
      job 17: success since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
    sales.txt was cancelled and not sent: the file was removed from the folder before it was sent.
      the file itself is gone from there
      job 17: cancelled since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      To send it after all: datadrop jobs retry 17
    [4] /srv/datadrop/callcentre/sales.txt is not there, and the job log knows no file of that name.
    sales.txt was sent, as its folder tells, and the job log does not know it: stop the service and run `datadrop recover`, or take the file out of sent/ if you put it there.
    sales.txt is not on its way: somebody put it into held/, from where nothing is sent; move it into callcentre's folder to send it.
    [4] /srv/datadrop/callcentre/sales.txt is not there, and the job log knows no file of that name.
    sales.txt is the explanation beside sales.txt and is never sent.
      job 17: rejected since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
      Correct what the reason names, the file where it lies or the setting, then: datadrop jobs retry 17
    sales.txt proves that this is the folder of account callcentre; leave it there, it is never sent.
    /srv/datadrop/callcentre/sales.txt is where account callcentre keeps files that need a person; nothing is sent from there.
    /srv/datadrop/callcentre/sales.txt lies deeper than account callcentre looks: only files directly in its folder are sent; move it up there if it is to be sent.
    [4] /srv/datadrop/callcentre/sales.txt lies in no account's folder, so nothing happens to it.
      account callcentre watches /srv/datadrop/callcentre
    sales.txt is not on its way: account callcentre is not in the configuration any more: nothing is done for it.
      job 17: queued since 10:30:00 (5 min ago); all of it: datadrop jobs show 17
    ");
}

#[test]
fn a_file_whose_job_was_pruned_is_known_by_what_is_kept() {
    let delivered = |state: &str, remote_job_id: Option<i64>| Delivered {
        id: JobId(7),
        state: state.to_owned(),
        remote_job_id,
        uploaded_at: remote_job_id.map(|_| NOW.before(Duration::from_hours(24 * 500))),
        finished_at: Some(NOW.before(Duration::from_hours(24 * 500))),
    };
    insta::assert_snapshot!(told([
        within(What::Pruned(delivered("success", Some(901)))),
        within(What::Pruned(delivered("partial", Some(901)))),
        within(What::Pruned(delivered("success", None))),
    ]), @r"
        sales.txt was accepted 2025-07-11, and Adobe processed it; its job, number 7, has left the job log since (`keep.jobs`).
          remote job: 901
        sales.txt was accepted 2025-07-11, and Adobe did not process all of it; its job, number 7, has left the job log since (`keep.jobs`).
          remote job: 901
        sales.txt has done its work as a marker, without being sent; its job, number 7, has left the job log since (`keep.jobs`).
        ");
}

#[test]
fn what_waits_for_the_first_list_says_so() {
    let account = Account { has_list: false, ..account() };
    let words = answer(&facts(Spot::Within(Box::new(account), Box::new(known(row("queued", None)))))).sentence;
    assert!(words.starts_with("sales.txt is ready, but not sent yet: Adobe's list of jobs has to be read"), "{words}");
}
