//! What tests of the job log begin with.

use super::{Admission, AdmitPolicy, Arrival, Content, JobLog, StateLock, Verdict};
use crate::config::{Duplicates, WireName};
use crate::job::{FileIdentity, Fingerprint, Kind, Sha256, Target, Timestamp};
use tempfile::TempDir;

/// A job log with the account `a`.
pub(super) fn opened() -> (TempDir, JobLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
    log.open_account("a".to_owned(), target()).wait().unwrap();
    (dir, log)
}

/// Where the account `a` goes.
pub(super) fn target() -> Target {
    Target {
        base_url: "http://127.0.0.1/api".to_owned(),
        path_segment: "datasources".to_owned(),
        company: "c".to_owned(),
        report_suite_id: "r".to_owned(),
        data_source_id: 1,
    }
}

/// The hash of a content that a number stands for.
pub(super) fn hash(content: u8) -> Sha256 {
    Sha256::new([content; 32])
}

/// A complete file of this content comes into the folder of `a`.
pub(super) fn arrives(log: &JobLog, name: &str, content: u8, duplicates: Duplicates) -> Admission {
    let identity = FileIdentity { device: 1, inode: content.into(), born_ns: 0, size: 3, modified_ns: 4 };
    let fingerprint = Fingerprint { identity, sha256: hash(content) };
    let verdict = Verdict::Ready(Content { fingerprint, rows_expected: 1, findings: None });
    let policy =
        AdmitPolicy { account: "a".to_owned(), folder: "/srv/a".into(), duplicates, wire_name: WireName::Keep };
    let arrival = Arrival { disk_name: name.into(), kind: Kind::Data, verdict, random: 0 };
    log.admit(policy, vec![arrival], Timestamp(0)).wait().unwrap().remove(0)
}
