//! Machines that are set back to an earlier state, while the server keeps what it has; and the person who runs `datadrop
//! recover` where that is asked for.

use super::super::droppers::{Complete, day_of, hash};
use super::super::process::target;
use super::super::promises::{Checked, Checker, broken};
use super::super::script::{Back, What};
use super::{Todo, World};
use crate::adobe::{Budget, Purpose};
use crate::folder::directory::identity_at;
use crate::job::{JobId, Place};
use crate::joblog::{JobLog, Reader, StateLock};
use crate::recover::recover;
use crate::testing::reach::story;
use crate::testing::surroundings;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

const MARK: &str = ".datadrop";
/// No list takes so many looks at whether it has come.
const PATIENCE: u32 = 5_000;

/// What a machine was like.
pub(super) struct Picture {
    state: PathBuf,
    places: Vec<Place>,
    files: Vec<Kept>,
    checker: Checker,
    complete: Vec<Complete>,
    unknown: BTreeSet<(&'static str, String)>,
    written_on: BTreeSet<(&'static str, String)>,
    filed: BTreeMap<PathBuf, i64>,
    /// The newest remote job and the newest job of that time.
    remote: i64,
    newest: JobId,
}

/// A file of the folder.
struct Kept {
    /// From the folder on.
    path: PathBuf,
    /// Its very inode, under another name.
    link: PathBuf,
    content: Vec<u8>,
    modified: SystemTime,
}

/// The job log as it is on the disk.
pub(super) fn copy_state(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in ["datadrop.db", "datadrop.db-wal"] {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}

fn dir_of(folder: &Path, place: Place) -> PathBuf {
    if place == Place::Inbox { folder.to_owned() } else { folder.join(place.as_str()) }
}

fn places() -> impl Iterator<Item = Place> {
    std::iter::once(Place::Inbox).chain(Place::SUB_FOLDERS)
}

/// The files of a folder and its places.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = places().flat_map(|place| fs::read_dir(dir_of(folder, place)).into_iter().flatten());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

impl World<'_> {
    pub(super) fn take_picture(&mut self) -> Checked {
        self.look_at_arrivals()?;
        let dir = self.dir.path().join(format!("picture-{}", self.counted.steps));
        fs::create_dir(&dir).unwrap();
        copy_state(&self.state_dir, &dir.join("state"));
        let folder = &self.people.folder;
        let mut files = Vec::new();
        for (number, file) in files_in(folder).into_iter().enumerate() {
            let link = dir.join(number.to_string());
            // A mark with a second name is refused (DESIGN F9).
            if file.file_name().unwrap() != MARK {
                fs::hard_link(&file, &link).unwrap();
            }
            files.push(Kept {
                path: file.strip_prefix(folder).unwrap().to_owned(),
                link,
                content: fs::read(&file).unwrap(),
                modified: fs::metadata(&file).unwrap().modified().unwrap(),
            });
        }
        let jobs = jobs_in(&dir.join("state"));
        let newest = jobs.iter().map(|job| job.id).max().unwrap_or(JobId(0));
        // By its inode alone it is known, which a copy will not have.
        let mut written_on = self.people.written_on.clone();
        for job in jobs.iter().filter(|job| matches!(job.place, Place::Held | Place::Failed)) {
            let path = dir_of(folder, job.place).join(&job.disk_name);
            let Some(hashed) = job.sha256.filter(|_| path.is_file()) else { continue };
            let is_it = job.identity.is_some_and(|file| file.inode == identity_at(&path).inode);
            if is_it && super::super::droppers::hash(&fs::read(&path).unwrap()) != hashed {
                written_on.insert((job.place.as_str(), job.disk_name.to_str().unwrap().to_owned()));
            }
        }
        self.picture = Some(Picture {
            state: dir.join("state"),
            places: places().filter(|place| dir_of(folder, *place).exists()).collect(),
            files,
            checker: self.checker.clone(),
            complete: self.people.complete.clone(),
            unknown: self.people.unknown.clone(),
            written_on,
            filed: surroundings::with(|here| here.filed.clone()).unwrap_or_default(),
            remote: self.remote().latest_id(),
            newest,
        });
        Ok(())
    }

    pub(super) fn set_back(&mut self, back: Back, away: Duration) -> Checked {
        self.look_at_arrivals()?;
        let Some(mut picture) = self.picture.take() else { return Ok(()) };
        if back != Back::Machine {
            picture.checker.forget_births();
        }
        self.process = None;
        surroundings::with(|here| (here.ends_at, here.unsynced) = (None, Vec::new()));
        if back != Back::JobLog {
            self.set_folder_back(&picture, back);
        }
        fs::remove_dir_all(&self.state_dir).unwrap();
        self.lives += 1;
        self.state_dir = self.dir.path().join(format!("state-{}", self.lives));
        copy_state(&picture.state, &self.state_dir);
        self.checker = picture.checker.clone();
        self.remote().forget_after(picture.remote, picture.newest);
        let folder = &self.people.folder;
        if back == Back::JobLog {
            let jobs = jobs_in(&self.state_dir);
            let is_known = |place: Place, name: &str| {
                jobs.iter().any(|job| job.place == place && job.disk_name.to_str() == Some(name))
            };
            // What was filed since is known by its time, which somebody may have set.
            let is_set = self.plan.items.iter().any(|item| matches!(item.what, What::ClockSet(_)));
            let places = Place::SUB_FOLDERS.into_iter();
            for place in places.filter(|place| is_set || matches!(place, Place::Held | Place::Failed)) {
                for entry in fs::read_dir(dir_of(folder, place)).into_iter().flatten() {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    if !is_known(place, &name) {
                        self.people.unknown.insert((place.as_str(), name));
                    }
                }
            }
        }
        let lie_there = files_in(folder).into_iter().filter(|path| path.parent() == Some(folder));
        self.people.lay_there = lie_there.map(|path| identity_at(&path)).collect();
        self.people.quiet.forget_events();
        self.people.quiet.forget_jobs();
        self.picture = Some(picture);
        self.blocked = None;
        self.starts_at = self.now.after(away);
        let what = match back {
            Back::Machine => "a machine is set back",
            Back::Copy => "a machine is set back, in new files",
            Back::JobLog => "a job log is set back",
        };
        story(what);
        Ok(())
    }

    fn set_folder_back(&mut self, picture: &Picture, back: Back) {
        let folder = self.people.folder.clone();
        let had_mark = picture.files.iter().any(|kept| kept.path == Path::new(MARK));
        let mut filed = picture.filed.clone();
        if back == Back::Copy {
            fs::rename(&folder, self.dir.path().join(format!("folder-{}", self.lives))).unwrap();
            for place in &picture.places {
                fs::create_dir(dir_of(&folder, *place)).unwrap();
            }
            self.people.births_are_unknown = true;
            self.people.written_on.clone_from(&picture.written_on);
            let now = crate::clock::now().0;
            for at in filed.values_mut() {
                *at = now;
            }
        } else {
            for path in files_in(&folder) {
                if path.file_name().unwrap() != MARK || !had_mark {
                    fs::remove_file(path).unwrap();
                }
            }
        }
        for kept in &picture.files {
            let path = folder.join(&kept.path);
            if back == Back::Copy {
                fs::write(&path, &kept.content).unwrap();
            } else if kept.path == Path::new(MARK) {
                continue;
            } else {
                if fs::read(&kept.link).unwrap() != kept.content {
                    fs::write(&kept.link, &kept.content).unwrap();
                }
                fs::hard_link(&kept.link, &path).unwrap();
            }
            fs::File::options().write(true).open(&path).unwrap().set_modified(kept.modified).unwrap();
            // Its writer is gone, so it will not change any more.
            let (sha256, day) = (hash(&kept.content), day_of(&kept.content));
            self.people.ever_complete.insert(sha256.to_string(), day);
        }
        surroundings::with(|here| here.filed = filed);
        self.people.complete.clone_from(&picture.complete);
        self.people.unknown.clone_from(&picture.unknown);
        self.people.writing.clear();
        self.people.show_writers();
    }

    /// As the command does: the service is stopped for it, and started again.
    pub(super) fn recover(&mut self) -> Checked {
        self.look_at_arrivals()?;
        self.process = None;
        surroundings::with(|here| here.ends_at = None);
        let joblog = match StateLock::take(&self.state_dir).and_then(JobLog::open_at_once) {
            Ok(joblog) => joblog,
            Err(error) => return broken("a job log that was set back can be recovered", error.to_string()),
        };
        let budget = Arc::new(Budget::new(None, false));
        let permit = || {
            let budget = Arc::clone(&budget);
            async move { budget.acquire(Purpose::Sweep).await }
        };
        let account = self.stage.account(&self.people.folder);
        let (state_dir, target, client) = (self.state_dir.clone(), target(), Arc::clone(&self.stage.client));
        let api = Some((&*client, permit));
        let mut recovering = std::pin::pin!(recover((&joblog, &state_dir), &account, &target, api, |_, _| ()));
        let mut recovered = None;
        for _ in 0..PATIENCE {
            surroundings::with(|here| here.suspended_until = None);
            match recovering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(ended) => {
                    recovered = Some(ended);
                    break;
                }
                Poll::Pending => {
                    let until = surroundings::with(|here| here.suspended_until.take()).flatten();
                    self.pass(until.unwrap_or(self.now.after(Duration::from_secs(1))));
                }
            }
        }
        let line = match &recovered {
            Some(Ok(recovered)) => format!("datadrop recover: {recovered:?}"),
            Some(Err(error)) => format!("datadrop recover fails: {error}"),
            None => return broken("everything comes to an end or to rest", "datadrop recover does not".to_owned()),
        };
        self.story.tell(self.now, || line);
        if let Some(Ok(_)) = recovered {
            story("an older job log is recovered");
            self.blocked = None;
        } else {
            self.agenda.push((self.now.after(Duration::from_secs(60)), Todo::Recover));
        }
        self.starts_at = self.now;
        Ok(())
    }
}

fn jobs_in(state_dir: &Path) -> Vec<crate::joblog::Job> {
    if !state_dir.join("datadrop.db").exists() {
        return Vec::new();
    }
    Reader::open(state_dir).unwrap().every_job().unwrap()
}
