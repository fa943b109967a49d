//! The computer: disk, clock, the kernel's limits.

use crate::cli::doctor::finding::{Finding, Verdict};
use crate::status::{grouped, size};
use std::time::Duration;

const FULL: u64 = 50_000_000;
const NEARLY_FULL: u64 = 1_000_000_000;
const NEARLY_FULL_PERCENT: u64 = 5;

/// Free space where this lies.
pub(in crate::cli::doctor) fn disk(path: &str, free: u64, total: u64) -> Finding {
    let bytes = |bytes: u64| size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let is_low = free < NEARLY_FULL || u128::from(free) * 100 < u128::from(total) * u128::from(NEARLY_FULL_PERCENT);
    let message = format!("{} of {} are free", bytes(free), bytes(total));
    let verdict = if free < FULL {
        Verdict::Fail
    } else if is_low {
        Verdict::Warn
    } else {
        return Finding::ok("disk", path, message);
    };
    let remedy = "free space: nothing is sent while the job log cannot be written, and producers cannot write either";
    Finding::bad(verdict, "disk", path, message, remedy)
}

/// This computer's clock against the server's.
pub(in crate::cli::doctor) fn clock(host: &str, server_ahead_ms: Option<i64>) -> Finding {
    let Some(ahead) = server_ahead_ms else {
        let remedy = "look again when Adobe answers";
        let message = "it cannot be compared: no answer held the server's time";
        return Finding::bad(Verdict::Warn, "clock", host, message, remedy);
    };
    // A `Date` has whole seconds.
    let off = Duration::from_secs(ahead.unsigned_abs() / 1000);
    let verdict = if off > Duration::from_hours(1) {
        Verdict::Fail
    } else if off > Duration::from_mins(1) {
        Verdict::Warn
    } else {
        let message = format!("this computer's clock is within {} s of the server's", off.as_secs().max(1));
        return Finding::ok("clock", host, message);
    };
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    Finding::bad(
        verdict,
        "clock",
        host,
        format!(
            "this computer's clock is {} {direction} the server's: unclear uploads are settled and dates of remote jobs \
             read by the server's, but the times in the job log, in `expect` and of certificates are this computer's",
            humantime::format_duration(off)
        ),
        "let a time service set it (systemd-timesyncd, chrony)",
    )
}

/// What the kernel allows a user; `None` where it cannot be read.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli::doctor) struct Limits {
    pub(in crate::cli::doctor) watches: Option<u64>,
    pub(in crate::cli::doctor) instances: Option<u64>,
    pub(in crate::cli::doctor) queued: Option<u64>,
}

/// What the user's other programs may need in addition.
const SPARE_WATCHES: u64 = 100;
const SPARE_INSTANCES: u64 = 8;
/// A burst of files must fit in between two reads; what does not is found by a scan.
const FEW_EVENTS: u64 = 1024;

/// One watch for each folder, one instance for all.
pub(in crate::cli::doctor) fn inotify(limits: Limits, folders: u64) -> Vec<Finding> {
    let rows = [
        ("max_user_watches", limits.watches, folders + SPARE_WATCHES, "folders without a watch are scanned instead"),
        ("max_user_instances", limits.instances, 1 + SPARE_INSTANCES, "without an instance all folders are scanned"),
        ("max_queued_events", limits.queued, FEW_EVENTS, "bursts of files beyond it are found by the next scan"),
    ];
    let mut findings = Vec::new();
    for (name, limit, wanted, without) in rows {
        let subject = format!("fs.inotify.{name}");
        let Some(limit) = limit else {
            let remedy = format!("look at /proc/sys/fs/inotify/{name}: {without}");
            findings.push(Finding::bad(Verdict::Warn, "inotify", subject, "it cannot be read", remedy));
            continue;
        };
        let number = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        if limit < wanted {
            let message = format!("{} is little, other programs of the same user share it: {without}", number(limit));
            let remedy = format!("sysctl -w {subject}={}, and keep it in /etc/sysctl.d", wanted.next_power_of_two());
            findings.push(Finding::bad(Verdict::Warn, "inotify", subject, message, remedy));
        } else {
            findings.push(Finding::ok(
                "inotify",
                subject,
                format!("{} allowed, {} would do", number(limit), number(wanted)),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_space_is_judged_by_bytes_and_by_share() {
        let verdict = |free, total| disk("/", free, total).verdict;
        assert_eq!(verdict(20_000_000_000, 100_000_000_000), Verdict::Ok);
        assert_eq!(verdict(4_000_000_000, 100_000_000_000), Verdict::Warn);
        assert_eq!(verdict(999_999_999, 1_000_000_000), Verdict::Warn);
        assert_eq!(verdict(49_999_999, 100_000_000), Verdict::Fail);
        assert_eq!(verdict(0, 0), Verdict::Fail);
        assert_eq!(verdict(u64::MAX, u64::MAX), Verdict::Ok);
    }

    #[test]
    fn a_clock_that_is_off_is_told_in_its_direction() {
        let judge = |ahead| clock("h", ahead);
        for (ahead, verdict) in [(0, Verdict::Ok), (-60_900, Verdict::Ok), (61_000, Verdict::Warn)] {
            assert_eq!(judge(Some(ahead)).verdict, verdict, "{ahead}");
        }
        let behind = judge(Some(2 * 3_600_000));
        assert_eq!(behind.verdict, Verdict::Fail);
        assert!(behind.message.starts_with("this computer's clock is 2h behind the server's"), "{behind:?}");
        assert!(judge(Some(-i64::MAX)).message.contains("ahead of the server's"));
        assert_eq!(judge(None).verdict, Verdict::Warn);
    }

    #[test]
    fn limits_are_compared_with_what_is_needed() {
        let limits = |watches| Limits { watches, instances: Some(128), queued: Some(16_384) };
        let found = inotify(limits(Some(8_192)), 3);
        assert!(found.iter().all(|finding| finding.verdict == Verdict::Ok), "{found:?}");
        assert_eq!(found[0].message, "8,192 allowed, 103 would do");
        let found = inotify(limits(Some(10)), 3);
        assert_eq!((found[0].verdict, found[1].verdict), (Verdict::Warn, Verdict::Ok));
        assert!(found[0].line().contains("sysctl -w fs.inotify.max_user_watches=128"), "{}", found[0].line());
        assert_eq!(inotify(limits(None), 3)[0].verdict, Verdict::Warn);
    }
}
