//! The plan as people read it. Pure.

use super::plan::{AccountPlan, Planned, Verdict};
use crate::config::{RateLimit, time_words};
use crate::joblog::{MOST_DAYS_SENT, MOST_WAITING};
use crate::status::{counted, day_totals_table, printable, size};
use std::fmt::Write as _;

/// One account: its folder, what stops it, its files in the order in which they would go.
pub(super) fn account(plan: &AccountPlan) -> String {
    let mut page = format!("{}  {}\n", printable(&plan.name), printable(&plan.folder));
    if let Some(trouble) = &plan.trouble {
        let _ = writeln!(page, "  nothing would be sent: {}", printable(trouble));
    } else if plan.is_first_start && plan.files.iter().any(|file| file.requests > 0) {
        page.push_str(
            "  its first start: a file whose name Adobe's list has already would be held, which is not asked here\n",
        );
    }
    let width = plan.files.iter().map(|file| printable(&file.name).chars().count()).max().unwrap_or(0).min(60);
    for file in &plan.files {
        page.push_str(line(file, width).trim_end());
        page.push('\n');
    }
    if plan.ignored > 0 {
        let _ = writeln!(
            page,
            "  {} in the folder ignored: hidden, a folder, excluded, or not of a watched extension",
            counted(plan.ignored, "name")
        );
    }
    if plan.days > 0 {
        let days = counted(i64::try_from(plan.days).unwrap_or(i64::MAX), "different data day");
        let _ = writeln!(
            page,
            "  {days} would be sent today, with those that were; Adobe documents at most {MOST_DAYS_SENT} for all files together"
        );
    }
    let totals = day_totals_table(&plan.totals, "    ");
    if !totals.is_empty() {
        let _ = write!(page, "  this would be added up, as far as files were checked:\n{totals}");
    }
    let bytes: u64 = plan.files.iter().filter(|file| file.requests > 0).filter_map(|file| file.size).sum();
    if plan.at_adobe + bytes > MOST_WAITING {
        let _ = writeln!(
            page,
            "  {} would wait at Adobe, which documents that it pauses above {}",
            size((plan.at_adobe + bytes).cast_signed()),
            size(MOST_WAITING.cast_signed())
        );
    }
    if plan.files.is_empty() && plan.ignored == 0 && plan.trouble.is_none() {
        page.push_str("  no files\n");
    }
    page.push('\n');
    page
}

fn line(file: &Planned, width: usize) -> String {
    let (word, words) = match &file.verdict {
        Verdict::Sent(note) => ("send", note.clone().unwrap_or_default()),
        Verdict::Kept(of) => ("keep", format!("{of}, which stays here")),
        Verdict::Waits(reason) => ("wait", reason.clone()),
        Verdict::Held(reason) => ("hold", reason.clone()),
        Verdict::Rejected(reason) => ("reject", reason.clone()),
        Verdict::Known(job) => {
            let reason = job.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            (job.state.as_str(), format!("job {}{reason}", job.id))
        }
    };
    let bytes = file.size.map_or_else(|| "-".to_owned(), |bytes| size(bytes.cast_signed()));
    format!("  {word:<11}  {:<width$}  {bytes:>8}  {}", printable(&file.name), printable(&words))
}

/// What all of it comes to.
pub(super) fn summary(plans: &[AccountPlan], limit: Option<RateLimit>) -> String {
    let (mut files, mut bytes, mut requests) = (0, 0, 0);
    let (mut waits, mut held, mut rejected, mut stopped) = (0, 0, 0, 0);
    for (plan, file) in plans.iter().flat_map(|plan| plan.files.iter().map(move |file| (plan, file))) {
        match &file.verdict {
            Verdict::Waits(_) => waits += 1,
            Verdict::Held(_) => held += 1,
            Verdict::Rejected(_) => rejected += 1,
            Verdict::Kept(_) => {}
            Verdict::Sent(_) | Verdict::Known(_) if file.requests == 0 => {}
            Verdict::Sent(_) | Verdict::Known(_) if plan.trouble.is_some() => stopped += 1,
            Verdict::Sent(_) | Verdict::Known(_) => {
                files += 1;
                requests += file.requests;
                bytes += file.size.unwrap_or(0);
            }
        }
    }
    let mut words = format!("{} would be sent", counted(files, "file"));
    if files > 0 {
        let _ = write!(words, " ({})", size(bytes.cast_signed()));
        if requests != files.cast_unsigned() {
            let _ = write!(words, " with {}", counted(requests.cast_signed(), "request"));
        }
        if let Some(time) = time_words(requests, limit) {
            let _ = write!(words, ", {time}");
        }
    }
    for (count, what) in [
        (waits, "would wait"),
        (held, "would be held"),
        (rejected, "would be rejected"),
        (stopped, "would not be sent, as nothing is sent for their account"),
    ] {
        if count > 0 {
            let _ = write!(words, "; {} {what}", counted(count, "file"));
        }
    }
    words.push_str(". Nothing was sent or moved.\n");
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::dry_run::plan::{Found, pair_up};
    use crate::cli::outlook::Outlook;
    use crate::job::{Blake3, FileIdentity, Fingerprint, JobId, Kind, Sha256};
    use crate::joblog::Content;
    use std::time::Duration;

    fn found(name: &str, size: u64, outlook: Outlook) -> Found {
        Found { name: name.to_owned(), size: Some(size), outlook, pair: None }
    }

    fn ready(kind: Kind) -> Outlook {
        let identity = FileIdentity { device: 1, inode: 2, born_ns: 0, size: 1, modified_ns: 4 };
        let fingerprint = Fingerprint { identity, sha256: Sha256::new([0; 32]) };
        let content = Content { fingerprint, blake3: Blake3([0; 32]), rows_expected: 1, findings: None, days: None };
        Outlook::Ready { kind, content, instead_of: None }
    }

    fn plan(files: Vec<Planned>) -> AccountPlan {
        AccountPlan {
            name: "callcentre".to_owned(),
            folder: "/srv/datadrop/callcentre".to_owned(),
            trouble: None,
            is_first_start: false,
            files,
            ignored: 2,
            days: 0,
            totals: crate::coverage::DayTotals::default(),
            at_adobe: 0,
        }
    }

    fn adobe() -> RateLimit {
        RateLimit { requests: 12, per: Duration::from_secs(6) }
    }

    fn all_kinds() -> Vec<Found> {
        vec![
            found("a.txt", 1_200_000, ready(Kind::Data)),
            found("a.fin", 0, ready(Kind::Fin)),
            found("b.txt", 0, Outlook::Waiting("the file is empty; it is sent once it has content".to_owned())),
            found("b.fin", 0, ready(Kind::Fin)),
            found("c.txt", 9, Outlook::Held("duplicate: the same content was accepted as c.txt (job 3)".to_owned())),
            found("c.fin", 0, ready(Kind::Fin)),
            found("d.txt", 9, Outlook::Rejected("the file is too large".to_owned())),
            found("lone.fin", 0, ready(Kind::Fin)),
            Found { pair: Some(JobId(7)), ..found("late.fin", 0, ready(Kind::Fin)) },
        ]
    }

    #[test]
    fn each_file_has_its_line_and_markers_share_the_way_of_their_data_files() {
        let mut plan = plan(pair_up(all_kinds(), true, false));
        let page = account(&plan) + &summary(std::slice::from_ref(&plan), Some(adobe()));
        insta::assert_snapshot!(page, @r"
        callcentre  /srv/datadrop/callcentre
          send         a.txt       1.2 MB
          send         a.fin          0 B  marker of a.txt
          wait         b.txt          0 B  the file is empty; it is sent once it has content
          wait         b.fin          0 B  waits for its data file b.txt
          hold         c.txt          9 B  duplicate: the same content was accepted as c.txt (job 3)
          hold         c.fin          0 B  its data file c.txt is held
          reject       d.txt          9 B  the file is too large
          wait         lone.fin       0 B  waits for its data file
          send         late.fin       0 B  marker of job 7
          2 names in the folder ignored: hidden, a folder, excluded, or not of a watched extension

        3 files would be sent (1.2 MB), 2 s at 12 per 6 s; 3 files would wait; 2 files would be held; 1 file would be rejected. Nothing was sent or moved.
        ");
        plan.trouble = Some("it is disabled".to_owned());
        let page = account(&plan);
        assert!(page.contains("  nothing would be sent: it is disabled\n"), "{page}");
        let words = summary(&[plan], Some(adobe()));
        assert!(words.starts_with("0 files would be sent; ") && words.contains("3 files would not be sent"), "{words}");
    }

    #[test]
    fn markers_that_stay_take_no_request_and_made_ones_do() {
        let requests = |sends, makes| pair_up(all_kinds(), sends, makes).iter().map(|file| file.requests).sum::<u64>();
        assert_eq!(requests(true, false), 3, "a data file and two markers");
        assert_eq!(requests(false, false), 1);
        let bare = || vec![found("a.txt", 1, ready(Kind::Data))];
        assert_eq!(pair_up(bare(), true, true)[0].requests, 2, "its marker is made");
    }

    #[test]
    fn a_backlog_is_summed_up_with_its_time() {
        let files = (0..1_840).map(|number| found(&format!("{number}.txt"), 1_000_000, ready(Kind::Data))).collect();
        assert_eq!(
            summary(&[plan(pair_up(files, true, false))], Some(adobe())),
            "1,840 files would be sent (1.8 GB), 15 min 20 s at 12 per 6 s. Nothing was sent or moved.\n"
        );
    }
}
