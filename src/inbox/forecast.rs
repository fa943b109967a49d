//! What an account's thread would make of a name in its folder, for callers that only ask. Nothing is changed.

use super::assessment::{Met, after_reading, before_reading};
use super::folder_settings::{FolderSettings, Ignored};
use super::look;
use super::markers::is_marker;
use super::read_content;
use super::weigh::{BUFFER, Background, weigh};
use crate::clock::Moment;
use crate::folder::directory::Directory;
use crate::folder::{FiledFile, FolderProblem, accepted_after, free_names};
use crate::inbox::readiness::{self, Candidate, MarkerSight, Sight, Signs, Trace};
use crate::job::{Kind, Place, SuiteFacts, Timestamp, classify, stem};
use crate::joblog::{FiledJob, JobLogError, Reader, Verdict};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

/// What would become of a name.
#[derive(Debug, Clone)]
pub enum Foreseen {
    /// Nothing lies there.
    Gone,
    /// It stays where it is, whatever happens.
    Ignored(Ignored),
    /// What the job log would record of it.
    Told(Kind, Verdict),
}

/// Looks at a name as a scan would, on the understanding that a file which is quiet now stays so.
///
/// `folder`: the account's. `is_remote`: it is not known to be on a local file system.
/// `now_ns`: the time in nanoseconds since 1970; a file that was changed just before is not quiet yet. `suite`: what the API
/// tells of the report suite. `alive` is called at each read.
#[must_use]
pub fn foresee(
    settings: &FolderSettings,
    folder: &Directory,
    name: &OsStr,
    is_remote: bool,
    (now_ns, suite): (i64, Option<&SuiteFacts>),
    alive: impl Fn(),
) -> Foreseen {
    let met = Met::from(look::look(folder, name, |entry| look::is_of_state(&settings.state_dir, entry)));
    let kind = match (&met, settings.kind_of(name)) {
        (Met::Nothing, _) => return Foreseen::Gone,
        (Met::Directory, _) => return Foreseen::Ignored(Ignored::Directory),
        (Met::Told(_) | Met::File(..), None) => {
            return Foreseen::Ignored(settings.why_ignored(name));
        }
        (Met::Told(_) | Met::File(..), Some(kind)) => kind,
    };
    let finding = match met {
        Met::Nothing => return Foreseen::Gone,
        Met::Directory => return Foreseen::Ignored(Ignored::Directory),
        Met::Told(finding) => finding,
        Met::File(mut file, sight) => {
            let signs = look::signs_of(folder, &file, sight);
            let marker = name.to_str().map(|name| OsString::from(format!("{}.fin", stem(name))));
            let has_marker = marker.is_some_and(|marker| is_marker(folder, &marker, &settings.state_dir, false));
            let waits = settings.waits_in(is_remote);
            let readiness = || Ok::<_, Infallible>(by_a_scan(kind, (sight, signs), &waits, has_marker, now_ns));
            match before_reading(name, sight, readiness) {
                Ok(Some(told)) => told.finding,
                Ok(None) => {
                    let background = Background { suite, ..Background::default() };
                    let buffer = &mut vec![0; BUFFER];
                    let weighed = weigh(settings, name, kind, (&mut file, sight), &background, buffer, alive);
                    after_reading(weighed, sight, Moment::default()).finding
                }
                Err(never) => match never {},
            }
        }
    };
    Foreseen::Told(kind, finding)
}

/// What a scan alone would say of the file's being complete (DESIGN R4, R5, R6, R8): what events tell is not known here.
fn by_a_scan(
    kind: Kind,
    (sight, signs): (Sight, Signs),
    waits: &readiness::Waits,
    has_marker: bool,
    now_ns: i64,
) -> readiness::Verdict {
    let first = Moment::default();
    let mut candidate = Candidate::new(kind, Trace::default(), first);
    candidate.look(sight, first);
    let marker = has_marker.then_some(MarkerSight { order: None });
    // The thread waits from its own first sight; for somebody who asks once, the time since the last change must do.
    let quiet = Duration::from_nanos(u64::try_from(now_ns.saturating_sub(sight.changed_ns)).unwrap_or(0));
    let longest = waits.settle_unwatched.max(waits.settle_max);
    candidate.verdict(waits, marker, signs, first.after(quiet.min(longest)))
}

/// What makes the job log older than the folder: a file in `sent/` or `done/` that it should know and does not. What is called
/// like no file that datadrop files is somebody's own (a packed copy, a backup, notes), and `recover` could make nothing of it.
/// `knew_until`: when the job log last saw a file accepted or ended ([`Reader::latest_end`]). `state_dir`: nothing of it is read.
///
/// # Errors
/// [`JobLogError`] if the database cannot be read.
pub fn ahead(
    reader: &Reader,
    account: &str,
    extensions: &[String],
    (folder, state_dir): (&Directory, &Path),
    knew_until: Option<Timestamp>,
) -> Result<Option<FolderProblem>, JobLogError> {
    // What is filed gets there after the end of its job; whatever the job log knows of that is passed over below.
    let latest = knew_until.map_or(i64::MIN, |at| at.0);
    let filed = match accepted_after(folder, latest) {
        Ok(filed) => filed,
        Err(problem) => return Ok(Some(problem)),
    };
    for file in filed {
        let Some(kind) = classify(&file.disk_name, extensions) else { continue };
        let known = reader.filed_job(account, file.place, &file.disk_name)?;
        if known.is_none_or(|job| is_anothers((folder, state_dir), (&file, kind), &job)) {
            return Ok(Some(FolderProblem::ahead(folder.path(), &file)));
        }
    }
    Ok(None)
}

/// Whether a file is not that of the job whose name it bears, because that job's own has been moved on. A file that somebody has
/// edited where it was filed is not.
fn is_anothers((folder, state_dir): (&Directory, &Path), (file, kind): (&FiledFile, Kind), job: &FiledJob) -> bool {
    let held_by = |directory: &Directory, name: &OsStr| {
        read_content(directory, name, kind, state_dir, || ()).ok().map(|content| content.fingerprint)
    };
    let Ok(directory) = folder.open_directory(file.place.as_str()) else { return false };
    if directory.entry(&file.disk_name).is_ok_and(|seen| job.explains_unread(&seen.identity)) {
        return false;
    }
    let Some(found) = held_by(&directory, &file.disk_name) else { return false };
    let moves_on = [Place::Done, Place::Failed].into_iter().filter(|place| *place != file.place);
    !job.explains(&found)
        && moves_on.filter_map(|place| folder.open_directory(place.as_str()).ok()).any(|place| {
            free_names(&file.disk_name, job.id)
                .filter(|name| place.entry(name).is_ok())
                .any(|name| held_by(&place, &name).is_some_and(|found| job.sha256 == Some(found.sha256)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const LATER: i64 = i64::MAX;

    fn settings(folder: &Path, keys: &str) -> FolderSettings {
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[upload]\nmax_file_size = 60\n\
             [[account]]\nname = \"a\"\nreport_suite_id = \"r\"\ndata_source_id = 1\nfolder = {:?}\n{keys}\n",
            folder.display().to_string()
        );
        let config = crate::config::load_text("test", &text, []).unwrap();
        FolderSettings::new(&config, &config.accounts[0])
    }

    /// The reason, or the word for a file that needs none.
    fn foreseen(settings: &FolderSettings, name: &str, now_ns: i64) -> String {
        match foresee(
            settings,
            &Directory::open(&settings.folder).unwrap(),
            name.as_ref(),
            false,
            (now_ns, None),
            || (),
        ) {
            Foreseen::Gone => "gone".to_owned(),
            Foreseen::Ignored(why) => format!("{why:?}"),
            Foreseen::Told(_, Verdict::Ready(content)) => format!("ready, {} rows", content.rows_expected),
            Foreseen::Told(_, Verdict::Failing(_, reason)) => format!("failing: {reason}"),
            Foreseen::Told(_, Verdict::Waiting(reason, _) | Verdict::Unmarked(reason, _)) => {
                format!("waiting: {reason}")
            }
            Foreseen::Told(_, Verdict::Rejected(reason, _)) => format!("rejected: {reason}"),
        }
    }

    #[test]
    fn each_name_is_judged_as_the_thread_would() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path(), "check = \"reject\"\nexclude = [\"*.tmp.txt\"]");
        for (name, content, says) in [
            ("good.txt", "Date\tEvar 1\tEvent 1\n11/20/2025\tred\t1\n", "ready, 1 rows"),
            ("bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2025\tred\n", "failing: Adobe would fail this file: line 2"),
            ("large.txt", &"x".repeat(61), "rejected: the file has 61 bytes"),
            ("empty.txt", "", "waiting: the file is empty"),
            ("good.fin", "", "ready, 0 rows"),
            ("full.fin", "x", "rejected: the marker has content"),
            ("SALES.TXT", "x", "Case(\"SALES.txt\")"),
            ("sales.csv", "x", "Extension"),
            (".sales.txt", "x", "Hidden"),
            ("sales.tmp.txt", "x", "Excluded(\"*.tmp.txt\")"),
            ("sales.tmp.csv", "x", "Extension"),
            ("a\nb.txt", "x", "rejected: the file name contains a newline"),
        ] {
            fs::write(dir.path().join(name), content).unwrap();
            let found = foreseen(&settings, name, LATER);
            assert!(found.starts_with(says), "{name}: {found}");
        }
        fs::create_dir(dir.path().join("folder.txt")).unwrap();
        std::os::unix::fs::symlink("good.txt", dir.path().join("link.txt")).unwrap();
        assert_eq!(foreseen(&settings, "folder.txt", LATER), "Directory");
        assert_eq!(foreseen(&settings, "none.txt", LATER), "gone");
        assert!(foreseen(&settings, "link.txt", LATER).starts_with("rejected: the name is that of a symbolic link"));
    }

    #[test]
    fn a_file_changed_just_now_is_not_quiet_and_a_marker_may_be_required() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sales.txt"), "x").unwrap();
        let waits = settings(dir.path(), "wait_for_fin = true");
        assert!(foreseen(&waits, "sales.txt", 0).contains("quiet for long enough"));
        assert!(foreseen(&waits, "sales.txt", LATER).contains("waits for its marker"));
        fs::write(dir.path().join("sales.fin"), "").unwrap();
        assert!(foreseen(&waits, "sales.txt", LATER).starts_with("ready"));
    }
}
