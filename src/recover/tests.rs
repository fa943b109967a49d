use super::*;
use crate::job::{Blake3, FileIdentity, Fingerprint, RemoteJobId, Sha256};

fn content(rows: u64) -> Content {
    let identity = FileIdentity { device: 1, inode: 2, born_ns: 3, size: 4, modified_ns: 5 };
    let fingerprint = Fingerprint { identity, sha256: Sha256::new([7; 32]) };
    Content { fingerprint, blake3: Blake3([7; 32]), rows_expected: rows, findings: None, days: None }
}

fn remote(id: i64, status: &str, rows: i64) -> RemoteJob {
    RemoteJob {
        file_name: Some("sales.txt".into()),
        rows_processed: Some(rows),
        remote_job_id: RemoteJobId(id),
        remote_status: Some(status.into()),
        remote_created: None,
        remote_started: None,
        remote_finished: None,
    }
}

fn fate(place: Place, candidates: &[RemoteJob]) -> (State, Option<i64>) {
    let candidates: Vec<&RemoteJob> = candidates.iter().collect();
    let fate = Fate::of(place, Kind::Data, &content(10), &candidates);
    (fate.state, fate.remote.map(|remote| remote.remote_job_id.0))
}

#[test]
fn facts_on_which_folder_and_list_agree_are_restored() {
    assert_eq!(fate(Place::Done, &[remote(1, "success", 10)]), (State::Success, Some(1)));
    assert_eq!(fate(Place::Done, &[remote(1, "success", 8)]), (State::Partial, Some(1)));
    assert_eq!(fate(Place::Sent, &[remote(1, "success", 10)]), (State::Success, Some(1)));
    assert_eq!(fate(Place::Sent, &[remote(1, "uploaded", 0)]), (State::Uploaded, Some(1)));
    assert_eq!(fate(Place::Sent, &[remote(1, "processing", 0)]), (State::Processing, Some(1)));
    assert_eq!(fate(Place::Sent, &[remote(1, "failure", 0)]), (State::Failure, Some(1)));
}

#[test]
fn an_unknown_outcome_is_never_sent_again_and_never_guessed() {
    assert_eq!(fate(Place::Done, &[]), (State::Success, None));
    assert_eq!(fate(Place::Done, &[remote(1, "success", 10), remote(2, "success", 10)]), (State::Success, None));
    assert_eq!(fate(Place::Sent, &[]), (State::Held, None));
    assert_eq!(fate(Place::Sent, &[remote(1, "success", 10), remote(2, "success", 10)]), (State::Held, None));
    assert_eq!(fate(Place::Held, &[remote(1, "success", 10)]), (State::Held, None));
    // The remote job has more rows than the file, so it belongs to another file.
    assert_eq!(fate(Place::Sent, &[remote(1, "success", 11)]), (State::Held, None));
}

#[test]
fn a_file_that_got_its_jobs_number_is_looked_for_under_both_names() {
    assert_eq!(names_before_filing("sales.17.txt"), ["sales.17.txt", "sales.txt"]);
    assert_eq!(names_before_filing("sales.txt"), ["sales.txt"]);
    assert_eq!(names_before_filing("sales.x.txt"), ["sales.x.txt"]);
    assert_eq!(names_before_filing("txt"), ["txt"]);
}
