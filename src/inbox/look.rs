//! Looking at one file: what it is, and what it holds. What is not a plain file is never opened.

use crate::check::{Checked, Checker};
use crate::folder::directory::{Directory, Entry, EntryType, opening};
use crate::inbox::readiness::{Sight, Signs};
use crate::job::{Blake3, FileIdentity, Kind, RowCounter, Sha256, ends_in_a_line};
use sha2::Digest as _;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

/// The words for a file of the state directory.
pub(super) const OWN: &str = "a file of datadrop's own";

/// Number of bytes that hold the comments at the beginning of a file, and its first row.
const BEGINNING: usize = 64 << 10;

/// Number of bytes from which a thread of its own pays for what its start costs.
const LARGE: u64 = 1 << 20;
/// Buffers on the way to that thread and back, in addition to the one that is filled.
const BUFFERS_BESIDE: usize = 2;

/// What a path is.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing.
    Gone,
    /// A directory: ignored.
    Directory,
    /// Something that is never opened; what, and which, as far as that is known.
    NotAFile(&'static str, Option<FileIdentity>),
    /// It cannot be read; why.
    Unreadable(String),
    /// It cannot even be seen whether there is anything; why.
    Unseen(String),
    /// A plain file.
    File(File, Sight),
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
    pub(super) blake3: Blake3,
    pub(super) rows: u64,
    pub(super) only_white_space: bool,
    /// What the rules say, where they were asked.
    pub(super) checked: Option<Checked>,
}

/// What is made of the bytes of a file in addition to its hash. The checker counts rows too, so that nothing is split
/// into lines twice.
enum Reading<'a> {
    Rows(RowCounter),
    Checked(Box<Checker<'a>>),
    Marker { only_white_space: bool },
}

/// Looks through a fresh open, so that a network file system tells the truth. What `is_own` says is datadrop's own is not
/// opened either.
pub(super) fn look(directory: &Directory, name: &OsStr, is_own: impl FnOnce(&Entry) -> bool) -> Look {
    let seen = match directory.find(name) {
        Ok(Some(seen)) => seen,
        Ok(None) => return Look::Gone,
        Err(error) => return Look::Unseen(error.to_string()),
    };
    match seen.entry_type {
        EntryType::Plain if is_own(&seen) => Look::NotAFile(OWN, Some(seen.identity)),
        EntryType::Plain => match directory.open_file(name, &seen) {
            Ok((file, entry)) => Look::File(file, sight_of(&entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Look::Gone,
            Err(error) => match directory.find(name) {
                // It took the name between the two calls.
                Ok(Some(now)) if !now.is_plain() => Look::NotAFile(now.entry_type.words(), Some(now.identity)),
                Ok(_) | Err(_) => Look::Unreadable(closed(directory, name, &seen, &error)),
            },
        },
        EntryType::Directory => Look::Directory,
        EntryType::Link | EntryType::Pipe | EntryType::Socket | EntryType::Device => {
            Look::NotAFile(seen.entry_type.words(), Some(seen.identity))
        }
    }
}

/// Whether a file that has several names is one of the state directory. To open the job log here would be enough to break it:
/// its locks end when any descriptor of it is closed.
pub(super) fn is_of_state(state_dir: &Path, entry: &Entry) -> bool {
    entry.links > 1
        && std::fs::read_dir(state_dir).is_ok_and(|entries| {
            let mut found = entries.flatten().filter_map(|own| own.metadata().ok());
            found.any(|own| (own.dev(), own.ino()) == entry.number())
        })
}

/// What the file itself shows of its being complete.
pub(super) fn signs_of(directory: &Directory, file: &File, sight: Sight) -> Signs {
    let mut end = [0; 2];
    let from = sight.identity.size.saturating_sub(2);
    // A failure to read is reported when the whole file is read.
    let read = file.read_at(&mut end, from).unwrap_or(0);
    Signs { writer: directory.writer_of(file), ends_in_a_line: ends_in_a_line(&end[..read]) }
}

/// Whether a file goes on where another ended: it begins with a row, not with a header.
pub(super) fn begins_with_a_row(file: &File) -> bool {
    let mut bytes = vec![0; BEGINNING];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    let lines = bytes[..read].split(|byte| *byte == b'\n');
    let is_row = |line: &&[u8]| !line.starts_with(b"#") && !line.trim_ascii().is_empty();
    let first = lines.map(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)).find(is_row);
    let column = first.and_then(|row| row.split(|byte| *byte == b'\t').next());
    // A date begins with a digit, and no column does.
    column.is_some_and(|column| column.trim_ascii().first().is_some_and(u8::is_ascii_digit))
}

pub(super) fn sight_of(entry: &Entry) -> Sight {
    Sight { identity: entry.identity, changed_ns: entry.changed_ns }
}

/// The reason for what is never opened.
pub(super) fn not_a_file(what: &str) -> String {
    format!("the name is that of {what}, which is never opened; drop a plain file instead")
}

/// The reason for what cannot be looked at.
pub(super) fn unreadable(why: &str) -> String {
    format!("the file cannot be read: {why}; it is tried again at each rescan")
}

/// Why a file cannot be opened, and where that is for want of a right, whose it is and what helps.
fn closed(directory: &Directory, name: &OsStr, seen: &Entry, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    format!(
        "it belongs to user {} and group {} and has mode {:o}, which keeps the service out; that user lets it in by `{}`",
        seen.owner,
        seen.group,
        seen.mode,
        opening(directory.path(), name)
    )
}

impl Reading<'_> {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Rows(rows) => rows.update(bytes),
            Self::Checked(rules) => rules.update(bytes),
            Self::Marker { only_white_space } => *only_white_space &= bytes.iter().all(u8::is_ascii_whitespace),
        }
    }
}

/// The SHA-256 of a large file, made on a thread of its own: it takes as long as all else that is made of the bytes.
struct Beside<'scope> {
    full: mpsc::Sender<(Vec<u8>, usize)>,
    spare: mpsc::Receiver<Vec<u8>>,
    thread: ScopedJoinHandle<'scope, sha2::Sha256>,
}

impl<'scope> Beside<'scope> {
    /// Goes on from what was hashed so far. `length`: that of a buffer. `None`: there is no thread to be had.
    fn begin<'env>(scope: &'scope Scope<'scope, 'env>, hasher: &sha2::Sha256, length: usize) -> Option<Self> {
        let (full, next) = mpsc::channel::<(Vec<u8>, usize)>();
        let (back, spare) = mpsc::channel();
        for _ in 0..BUFFERS_BESIDE {
            back.send(vec![0; length]).ok()?;
        }
        let mut hasher = hasher.clone();
        let hash = move || {
            for (buffer, read) in next {
                hasher.update(&buffer[..read]);
                // There is no receiver any more once the file was read.
                let _ = back.send(buffer);
            }
            hasher
        };
        let thread = Builder::new().name("sha256".to_owned()).spawn_scoped(scope, hash).ok()?;
        Some(Self { full, spare, thread })
    }

    /// Takes the first bytes of the buffer, and leaves another in its place. If the thread has panicked, `finish` does too.
    fn update(&self, buffer: &mut Vec<u8>, read: usize) {
        if let Ok(spare) = self.spare.recv() {
            let _ = self.full.send((std::mem::replace(buffer, spare), read));
        }
    }

    fn finish(self) -> sha2::Sha256 {
        drop(self.full);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Reads the whole file once, in constant memory: hashes, rows and what `rules` find, or whether a marker is blank. `alive` is
/// called at each read.
pub(super) fn hold(
    file: &mut impl Read,
    kind: Kind,
    rules: Option<Checker<'_>>,
    buffer: &mut Vec<u8>,
    alive: impl Fn(),
) -> io::Result<Held> {
    let mut reading = match (kind, rules) {
        (Kind::Data, Some(rules)) => Reading::Checked(Box::new(rules)),
        (Kind::Data, None) => Reading::Rows(RowCounter::default()),
        (Kind::Fin, _) => Reading::Marker { only_white_space: true },
    };
    let (mut size, mut blake3) = (0u64, blake3::Hasher::new());
    let sha256 = thread::scope(|scope| {
        let (mut hasher, mut beside) = (sha2::Sha256::new(), None::<Beside<'_>>);
        loop {
            let read = match file.read(buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            alive();
            let bytes = &buffer[..read];
            size += read as u64;
            blake3.update(bytes);
            reading.update(bytes);
            if let Some(beside) = &beside {
                beside.update(buffer, read);
                continue;
            }
            hasher.update(bytes);
            if read == buffer.len() && size >= LARGE {
                beside = Beside::begin(scope, &hasher, read);
            }
        }
        Ok(beside.map_or(hasher, Beside::finish))
    })?;
    let (sha256, blake3) = (Sha256::new(sha256.finalize().into()), Blake3(blake3.finalize().into()));
    let held = Held { size, sha256, blake3, rows: 0, only_white_space: true, checked: None };
    Ok(match reading {
        Reading::Rows(rows) => Held { rows: rows.finish(), ..held },
        Reading::Checked(rules) => {
            let checked = rules.finish();
            Held { rows: checked.rows_expected, checked: Some(checked), ..held }
        }
        Reading::Marker { only_white_space } => Held { only_white_space, ..held },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Facts;
    use std::ffi::OsStr;

    /// A file of rows, made as it is read, that counts what is asked of it.
    struct Counted {
        left: usize,
        given: u64,
        ends: u32,
    }

    const HEADER: &[u8] = b"Date\tEvar 1\tEvent 1\n";
    const ROW: &[u8] = b"11/20/2024\tred;\t1\n";

    impl io::Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let text = if self.given == 0 { HEADER } else { ROW };
            if self.left == 0 {
                self.ends += 1;
                return Ok(0);
            }
            self.left -= 1;
            buffer[..text.len()].copy_from_slice(text);
            self.given += text.len() as u64;
            Ok(text.len())
        }
    }

    fn checker(now: &jiff::ZonedDateTime) -> Checker<'_> {
        Checker::new(&Facts {
            file_name: OsStr::new("sales.txt"),
            extensions: &[],
            now,
            in_suite_zone: false,
            suite: None,
            data_source_id: None,
            max_size: 50_000_000,
            bytes_per_second: None,
            keep: 5,
        })
    }

    fn now() -> jiff::ZonedDateTime {
        "2026-11-24T12:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn one_pass_hashes_counts_and_checks() {
        let rows = 50_000_000 / ROW.len();
        let mut file = Counted { left: rows + 1, given: 0, ends: 0 };
        let signs = std::cell::Cell::new(0);
        let alive = || signs.set(signs.get() + 1);
        let held = hold(&mut file, Kind::Data, Some(checker(&now())), &mut vec![0; 4096], alive).unwrap();
        assert_eq!(signs.get(), rows + 1, "a sign of life for each read");
        assert_eq!((held.size, file.ends), (file.given, 1), "each byte is read once, and the end is met once");
        let checked = held.checked.unwrap();
        assert_eq!((held.rows, checked.rows_expected, checked.skipped.rows), (rows as u64, rows as u64, rows as u64));
        assert_eq!(checked.size, held.size);
    }

    /// P2: both hashes are of the same bytes, wherever they are made.
    #[test]
    fn p2_a_large_file_has_the_hashes_of_its_bytes() {
        let large = usize::try_from(LARGE).unwrap();
        for size in [large - 1, large, large + 1, 3 * large + 5] {
            let content: Vec<u8> = HEADER.iter().chain(ROW.iter().cycle()).copied().take(size).collect();
            let held =
                hold(&mut content.as_slice(), Kind::Data, Some(checker(&now())), &mut vec![0; 4096], || ()).unwrap();
            assert_eq!((held.size, held.rows), (size as u64, ((size - HEADER.len()).div_ceil(ROW.len())) as u64));
            assert_eq!(held.sha256, Sha256::new(sha2::Sha256::digest(&content).into()));
            assert_eq!(held.blake3, Blake3(blake3::hash(&content).into()));
        }
    }

    #[test]
    fn a_large_file_that_cannot_be_read_on_is_told() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the share is gone"))
            }
        }
        let mut file = io::repeat(b'x').take(2 * LARGE).chain(Broken);
        let held = hold(&mut file, Kind::Data, None, &mut vec![0; 4096], || ());
        assert_eq!(held.unwrap_err().to_string(), "the share is gone");
    }

    #[test]
    fn hash_and_rows_are_the_same_with_and_without_a_check() {
        let content = [b"# c\n".as_slice(), HEADER, ROW, b"\n", ROW].concat();
        let with = hold(&mut content.as_slice(), Kind::Data, Some(checker(&now())), &mut vec![0; 7], || ()).unwrap();
        let without = hold(&mut content.as_slice(), Kind::Data, None, &mut vec![0; 7], || ()).unwrap();
        assert!(with.checked.is_some() && without.checked.is_none());
        assert_eq!(Held { checked: None, ..with }, without);
        assert_eq!(without.rows, 2);
        let marker = hold(&mut content.as_slice(), Kind::Fin, Some(checker(&now())), &mut vec![0; 7], || ()).unwrap();
        assert_eq!((marker.rows, marker.only_white_space, marker.checked), (0, false, None));
    }
}
