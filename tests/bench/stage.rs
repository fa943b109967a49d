//! The folders of a run. Each run begins with an empty job log, and all runs of a workload use the same files.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub struct Stage {
    dir: PathBuf,
    /// Rows of each file.
    pub rows: usize,
    /// Number of files to warm up with.
    pub warm: usize,
}

impl Stage {
    /// Makes these files and those of the warm-up unless they exist, each with its own content.
    pub fn new(dir: &Path, files: usize, size: usize, warm: usize) -> Self {
        let files = files + warm;
        let stage = Self { dir: dir.join(format!("{files}x{size}")), rows: (size / 40).max(1), warm };
        if !stage.dir.join("made").exists() {
            let _ = fs::remove_dir_all(&stage.dir);
            fs::create_dir_all(stage.shelf()).unwrap();
            for file in 0..files {
                let mut text = "Date\tEvar 1\tEvent 1\n".to_owned();
                // 40 bytes each; the header and the last have 20.
                for row in 0..stage.rows - 1 {
                    writeln!(text, "11/20/2026\tfile {file:07} row {row:07}\t100").unwrap();
                }
                writeln!(text, "11/20/2026\t{file:06}\t1").unwrap();
                fs::write(stage.shelf().join(format!("f{file:07}.txt")), text).unwrap();
            }
            fs::write(stage.dir.join("made"), "").unwrap();
        }
        stage.clear();
        stage
    }

    fn shelf(&self) -> PathBuf {
        self.dir.join("shelf")
    }

    pub fn inbox(&self) -> PathBuf {
        self.dir.join("inbox")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Puts all files back and removes the job log. Dirty pages are written now, and not during the run.
    pub fn clear(&self) {
        for folder in [self.inbox(), self.inbox().join("done"), self.inbox().join("sent")] {
            for path in files_in(&folder) {
                fs::rename(&path, self.shelf().join(path.file_name().unwrap())).unwrap();
            }
        }
        for folder in [self.inbox(), self.state()] {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
        }
        rustix::fs::syncfs(File::open(&self.dir).unwrap()).unwrap();
    }

    /// The next files that are still on the shelf.
    pub fn next(&self, files: usize) -> Vec<PathBuf> {
        let next: Vec<PathBuf> = files_in(&self.shelf()).into_iter().take(files).collect();
        assert_eq!(next.len(), files, "files on the shelf");
        next
    }

    /// Renames a file of the shelf into the inbox; returns its name, and when that began.
    pub fn drop_file(&self, from: &Path) -> (String, Instant) {
        let name = from.file_name().unwrap().to_str().unwrap().to_owned();
        let to = self.inbox().join(&name);
        let began = Instant::now();
        fs::rename(from, to).unwrap();
        (name, began)
    }
}

/// The data files of a folder, in order.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}
