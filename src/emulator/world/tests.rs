use super::*;
use crate::job::UploadStyle;

const START: Timestamp = Timestamp(1_795_429_838_007);
const CONTENT: &[u8] = b"Date\tEvent 1\n11/20/2026\t1\n11/21/2026\t2\n11/22/2026\t3\n";

fn key() -> AccountKey {
    AccountKey { report_suite_id: "suite".to_owned(), data_source_id: 1 }
}

fn world() -> World {
    World::new(Duration::from_secs(10), &[], 1)
}

fn upload(name: &str) -> Upload {
    Upload::new(key(), name.to_owned(), UploadStyle::PutJson, CONTENT)
}

fn everything(page: usize) -> JobFilter {
    JobFilter { status: None, first_second: 0, last_second: None, page }
}

fn status(world: &World, id: RemoteJobId, seconds: u64) -> (String, u64) {
    let progress = world.progress(world.job(id).unwrap(), START.after(Duration::from_secs(seconds)));
    (progress.status.to_owned(), progress.rows)
}

#[test]
fn status_is_a_function_of_time() {
    let mut world = world();
    let id = world.commit(upload("a.txt"), JobFate::default(), START);
    assert_eq!(status(&world, id, 0), ("uploaded".into(), 0));
    assert_eq!(status(&world, id, 4), ("uploaded".into(), 0));
    assert_eq!(status(&world, id, 5), ("processing".into(), 0));
    assert_eq!(status(&world, id, 9), ("processing".into(), 2));
    assert_eq!(status(&world, id, 10), ("success".into(), 3));
    let later = world.progress(world.job(id).unwrap(), START.after(Duration::from_mins(1)));
    assert_eq!(later.started, Some(START.after(Duration::from_secs(5))));
    assert_eq!(later.finished, Some(START.after(Duration::from_secs(10))));
}

#[test]
fn fate_changes_the_end_only() {
    let mut world = world();
    let mut end = |fate: JobFate| {
        let id = world.commit(upload("a.txt"), fate, START);
        assert_eq!(status(&world, id, 1).0, "uploaded");
        status(&world, id, 10)
    };
    assert_eq!(end(JobFate { lost_rows: 1, ..JobFate::default() }), ("success".into(), 2));
    assert_eq!(end(JobFate { lost_rows: 9, ..JobFate::default() }), ("success".into(), 0));
    assert_eq!(end(JobFate { extra_rows: 1, ..JobFate::default() }), ("success".into(), 4));
    assert_eq!(end(JobFate { fails: true, ..JobFate::default() }), ("failure".into(), 0));
    assert_eq!(end(JobFate { ends_as: Some("cache".into()), ..JobFate::default() }), ("cache".into(), 3));
}

#[test]
fn t1_a_count_of_the_file_is_the_same_from_the_first_response_on_whatever_becomes_of_the_rows() {
    let mut world = world().with(Names::Keep, Rows::File, false);
    for fate in [
        JobFate::default(),
        JobFate { lost_rows: 2, ..JobFate::default() },
        JobFate { fails: true, ..JobFate::default() },
    ] {
        let id = world.commit(upload("a.txt"), fate, START);
        assert_eq!(world.fresh(world.job(id).unwrap()).rows, 3);
        assert_eq!([0, 7, 10].map(|seconds| status(&world, id, seconds).1), [3, 3, 3]);
    }
}

#[test]
fn t3_a_data_source_halts_after_a_failed_job_until_its_restart() {
    let failing = || JobFate { fails: true, ..JobFate::default() };
    let at = |seconds| START.after(Duration::from_secs(seconds));
    let mut world = world().with(Names::Keep, Rows::Processed, true);
    let failed = world.commit(upload("a.txt"), failing(), START);
    // Its processing begins before the other job has failed.
    let beside = world.commit(upload("b.txt"), JobFate::default(), at(1));
    let waits = world.commit(upload("c.txt"), failing(), at(6));
    let mut other = upload("d.txt");
    other.account.data_source_id = 2;
    let elsewhere = world.commit(other, JobFate::default(), at(6));
    let seen = |world: &World| [failed, beside, waits, elsewhere].map(|id| status(world, id, 1000).0);
    assert_eq!(seen(&world), ["failure", "success", "uploaded", "success"]);
    assert_eq!(world.restart(&key(), at(1000)), 1);
    assert_eq!((status(&world, waits, 1004).0, status(&world, waits, 1005).0), ("processing".into(), "failure".into()));
    // That job failed too, so the next one waits again, even if it comes much later.
    let next = world.commit(upload("e.txt"), JobFate::default(), at(5000));
    assert_eq!(status(&world, next, 9000).0, "uploaded");
    assert_eq!((world.restart(&key(), at(9000)), world.restart(&key(), at(9001))), (1, 0));
    assert_eq!(status(&world, next, 9005), ("success".into(), 3));
}

#[test]
fn numbers_rise_and_the_seed_decides_the_first() {
    let mut one = world();
    let ids: Vec<i64> = (0..3).map(|_| one.commit(upload("a.txt"), JobFate::default(), START).0).collect();
    assert_eq!(ids, [ids[0], ids[0] + 1, ids[0] + 2]);
    assert_eq!(world().first_id, ids[0]);
    assert_ne!(World::new(Duration::ZERO, &[], 2).first_id, ids[0]);
    assert!(one.job(RemoteJobId(ids[0] - 1)).is_none());
    assert!(one.job(RemoteJobId(ids[2] + 1)).is_none());
    assert!(one.job(RemoteJobId(i64::MIN)).is_none());
}

#[test]
fn lists_come_newest_first_by_the_hundred() {
    let mut world = world();
    for number in 0..250 {
        world.commit(upload(&format!("{number}.txt")), JobFate::default(), START);
    }
    let names = |page: usize| -> Vec<String> {
        let page = world.list(&key(), &everything(page), START);
        assert_eq!(page.total_pages, 3);
        page.jobs.iter().map(|job| job.upload.name.clone()).collect()
    };
    assert_eq!((names(1).len(), names(2).len(), names(3).len(), names(4).len()), (100, 100, 50, 0));
    assert_eq!(names(1)[0], "249.txt");
    assert_eq!(names(3)[49], "0.txt");
    let other = AccountKey { data_source_id: 2, ..key() };
    assert_eq!(world.list(&other, &everything(1), START).total_pages, 0);
}

#[test]
fn windows_and_statuses_filter() {
    let mut world = world();
    for hour in 0..3 {
        world.commit(upload("a.txt"), JobFate::default(), START.after(Duration::from_secs(hour * 3600)));
    }
    let now = START.after(Duration::from_hours(2));
    let second = START.0 / 1000;
    let count = |filter: JobFilter| world.list(&key(), &filter, now).jobs.len();
    assert_eq!(count(JobFilter { first_second: second, ..everything(1) }), 3);
    assert_eq!(count(JobFilter { first_second: second + 1, ..everything(1) }), 2);
    assert_eq!(count(JobFilter { last_second: Some(second), ..everything(1) }), 1);
    assert_eq!(count(JobFilter { status: Some("success".into()), ..everything(1) }), 2);
    assert_eq!(count(JobFilter { status: Some("uploaded".into()), ..everything(1) }), 1);
}

#[test]
fn a_late_job_is_accepted_but_not_listed_yet() {
    let mut world = world();
    let fate = JobFate { listed_after: Duration::from_secs(30), ..JobFate::default() };
    let id = world.commit(upload("a.txt"), fate, START);
    let listed =
        |seconds: u64| world.list(&key(), &everything(1), START.after(Duration::from_secs(seconds))).jobs.len();
    assert_eq!((listed(29), listed(30)), (0, 1));
    assert!(world.job(id).is_some());
    assert_eq!(world.ledger(START).len(), 1);
}

#[test]
fn the_ledger_keeps_order_size_and_digest() {
    let mut world = world();
    world.commit(upload("b.txt"), JobFate::default(), START);
    world.commit(upload("a.txt"), JobFate::default(), START.before(Duration::from_secs(5)));
    let ledger = world.ledger(START);
    assert_eq!(
        ledger.iter().map(|entry| (entry.order, entry.name.as_str())).collect::<Vec<_>>(),
        [(1, "b.txt"), (2, "a.txt")]
    );
    assert_eq!(ledger[0].size, u64::try_from(CONTENT.len()).unwrap());
    assert_eq!(ledger[0].sha256.len(), 64);
    assert!(ledger[0].at <= ledger[1].at);
}

#[test]
fn deleted_jobs_say_so() {
    let mut world = world();
    let id = world.commit(upload("a.txt"), JobFate::default(), START);
    assert!(world.delete_job(id));
    assert!(!world.delete_job(RemoteJobId(id.0 + 1)));
    assert_eq!(status(&world, id, 60), ("deleted".into(), 0));
}

#[test]
fn accounts_are_made_shown_and_deleted() {
    let mut open = world();
    assert!(open.accounts.exists(&key()));
    assert!(open.accounts.delete(&key()));
    assert!(!open.accounts.exists(&key()));
    assert!(open.accounts.show(&key()).is_none());
    assert_eq!(open.accounts.create("suite", NewAccount::default()).data_source_id, 2);

    let mut listed = World::new(Duration::ZERO, &[("suite".to_owned(), 621)], 1);
    assert!(!listed.accounts.exists(&key()));
    let made = listed.accounts.create("suite", NewAccount { name: Some("Returns".into()), ..NewAccount::default() });
    assert_eq!((made.data_source_id, made.name.as_str(), made.kind.as_str()), (622, "Returns", "generic"));
    assert_eq!(listed.accounts.of_suite("suite").len(), 2);
    assert_eq!(listed.accounts.of_suite("other").len(), 0);
}
