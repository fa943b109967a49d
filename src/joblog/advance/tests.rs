//! What a marker and its data file mean for each other.

use super::*;
use crate::config::{Duplicates, WireName};
use crate::job::{Blake3, FileIdentity, Fingerprint, JobId};
use crate::joblog::fixtures::{arrives, hash, opened};
use crate::joblog::{AdmitPolicy, Arrival, Content, Filed, JobLog, Verdict};

fn marker_arrives(log: &JobLog, name: &str, inode: u64) -> JobId {
    let identity = FileIdentity { device: 1, inode, born_ns: 0, size: 0, modified_ns: 4 };
    let fingerprint = Fingerprint { identity, sha256: hash(0) };
    let verdict =
        Verdict::Ready(Content { fingerprint, blake3: Blake3([0; 32]), rows_expected: 0, findings: None, days: None });
    let (account, wire_name) = ("a".to_owned(), WireName::Keep);
    let policy = AdmitPolicy { account, folder: "/srv/a".into(), duplicates: Duplicates::Hold, wire_name };
    let arrival = Arrival { disk_name: name.into(), kind: Kind::Fin, verdict, random: 0 };
    log.admit(policy, vec![arrival], Timestamp(0)).wait().unwrap().remove(0).id
}

fn marker(log: &JobLog, id: JobId) -> (State, Option<JobId>, Option<String>) {
    let job = log.call(move |unit| sql::job(unit, id)).wait().unwrap();
    (job.state, job.pair, job.reason)
}

fn set_state(log: &JobLog, job: JobId, state: &'static str, belongs: &'static str) {
    let sql = "UPDATE job SET state = ?2, belongs = ?3 WHERE id = ?1";
    let set = log.call(move |unit| Ok(unit.execute(sql, params![job.0, state, belongs])?));
    assert_eq!(set.wait().unwrap(), 1);
}

/// The data file turns out to hold something else than was sent when it is filed, or another is renamed over it: its marker
/// is for what comes in its place, and nothing may come.
#[test]
fn p4_a_marker_that_has_lost_its_data_file_waits_for_the_next_one() {
    let waits = (State::Waiting, None, Some("waits for its data file".to_owned()));
    for is_filed in [true, false] {
        let (_dir, log) = opened();
        let data = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let fin = marker_arrives(&log, "sales.fin", 9);
        assert_eq!(marker(&log, fin), (State::Queued, Some(data), None));
        if is_filed {
            set_state(&log, data, "uploaded", "sent");
            let moved = Filed {
                id: data,
                place: Place::Gone,
                disk_name: "sales.txt".into(),
                path: "/srv/a/sales.txt".into(),
                identity: None,
                note: None,
                is_new: true,
            };
            log.filed(vec![moved], Timestamp(1)).wait().unwrap();
        } else {
            let other = arrives(&log, "costs.txt", 2, Duplicates::Hold).id;
            set_state(&log, other, "unconfirmed", "inbox");
            log.renamed(other, "sales.txt".into(), "/srv/a/sales.txt".into(), Timestamp(1)).wait().unwrap();
        }
        assert_eq!(marker(&log, fin), waits, "filed: {is_filed}");
        let next = if is_filed { "sales.txt" } else { "sales.csv" };
        let next = arrives(&log, next, 3, Duplicates::Hold).id;
        assert_eq!(marker(&log, fin), (State::Queued, Some(next), None), "filed: {is_filed}");
    }
}

/// What made it rest is over; that its file was changed stays known (F2).
#[test]
fn f2_of_the_causes_only_a_changed_file_outlasts_acceptance() {
    let (_dir, log) = opened();
    let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
    let causes = log.call(move |unit| {
        let mut job = sql::job(unit, job)?;
        let held = Reason::of(Cause::OnHold, "put on hold by somebody".to_owned());
        advance(unit, &mut job, Event::Held, held, Timestamp(1))?;
        let on_hold = sql::job(unit, job.id)?.cause;
        advance(unit, &mut job, Event::Adopted, None, Timestamp(2))?;
        let adopted = sql::job(unit, job.id)?.cause;
        job.cause = Some(Cause::Changed);
        advance(unit, &mut job, Event::Processing, None, Timestamp(3))?;
        Ok([on_hold, adopted, sql::job(unit, job.id)?.cause])
    });
    assert_eq!(causes.wait().unwrap(), [Some(Cause::OnHold), None, Some(Cause::Changed)]);
}
