//! Reads the file of an upload, and verifies that it is the promised one (DESIGN A2).

use crate::folder::directory::{Directory, Entry, EntryType};
use crate::job::{Blake3, FileIdentity, Promised, Writer};
use base64_simd::Out;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::mpsc;
use tokio::sync::mpsc::Sender;

/// Bytes of the file in one chunk. Each chunk wakes the transport once. The size is a multiple of three, so that base64
/// needs no padding in between.
const CHUNK: usize = 96 << 10;

/// Number of chunks between disk and network. Reading and sending overlap, and memory stays small.
pub(super) const CHUNKS_AHEAD: usize = 2;

/// A part of the body, or the reason why it ends.
pub(super) type Piece = Result<Chunk, FileFault>;

/// A part of the body. The first one includes the prefix. The tail is never part of a chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// This is the last chunk, and the bytes read are those of the promised file.
    pub(super) verified: bool,
}

/// Why the file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileFault {
    Changed(String),
    Gone,
    Unreadable(String),
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        // This is not an enum of datadrop: a new version of Rust may add kinds.
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            return Self::Gone;
        }
        Self::Unreadable(error.to_string())
    }
}

/// How the body encodes the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Unchanged.
    Raw,
    /// Base64, padded, in one line.
    Base64,
}

impl Encoding {
    /// Returns how many bytes of the body these bytes of the file take.
    pub(super) fn length(self, bytes: u64) -> u64 {
        match self {
            Self::Raw => bytes,
            Self::Base64 => bytes.div_ceil(3).saturating_mul(4),
        }
    }
}

/// Reads the file from start to end into `pieces`. Blocks. Stops if the receiver is gone. Returns the file, if it was
/// the promised one to its end.
pub(super) fn read(
    path: &Path,
    expected: &Promised,
    prefix: &[u8],
    encoding: Encoding,
    pieces: &Sender<Piece>,
) -> Option<Whole> {
    match Reading::open(path, expected, encoding).and_then(|reading| reading.run(prefix, pieces)) {
        Ok(whole) => whole,
        Err(fault) => {
            // A receiver that is gone already has its answer.
            let _ = pieces.blocking_send(Err(fault));
            None
        }
    }
}

/// A file that was read to its end, and is the promised one.
#[derive(Debug)]
pub(super) struct Whole {
    folder: Directory,
    file: File,
    expected: Promised,
}

impl Whole {
    /// Checks that the file is still the promised one, and that no process has it open for writing (DESIGN R5). Blocks.
    pub(super) fn is_still(&self) -> Result<(), FileFault> {
        is_promised(&Entry::of(&self.file)?, &self.expected)?;
        match self.folder.writer_of(&self.file) {
            Writer::Somebody => Err(FileFault::Changed("a program has it open for writing".to_owned())),
            Writer::Nobody | Writer::Unknown => Ok(()),
        }
    }
}

/// The buffers of one body. The transport gives each buffer back once its bytes have gone. A body therefore needs only
/// as many as are in flight at once, and does not clear one for each chunk.
struct Buffers {
    back: mpsc::Sender<Vec<u8>>,
    spare: mpsc::Receiver<Vec<u8>>,
}

impl Buffers {
    fn new() -> Self {
        let (back, spare) = mpsc::channel();
        Self { back, spare }
    }

    /// Returns a buffer of this length. It may still hold the bytes of an earlier chunk.
    fn take(&self, length: usize) -> Lent {
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        buffer.resize(length, 0);
        Lent { buffer, back: self.back.clone() }
    }
}

/// A buffer that is lent to the transport.
struct Lent {
    buffer: Vec<u8>,
    back: mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // If the reader has ended, this frees the buffer.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}

struct Reading {
    whole: Whole,
    encoding: Encoding,
    hasher: blake3::Hasher,
    left: u64,
    raw: Vec<u8>,
    buffers: Buffers,
}

impl Reading {
    fn open(path: &Path, expected: &Promised, encoding: Encoding) -> Result<Self, FileFault> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(FileFault::Gone) };
        let folder = Directory::open(folder)?;
        // Looked at before the open, so that another file in its place is not opened.
        let seen = folder.entry(name)?;
        is_promised(&seen, expected)?;
        let (file, entry) = folder.open_file(name, &seen)?;
        is_promised(&entry, expected)?;
        Ok(Self {
            whole: Whole { folder, file, expected: *expected },
            encoding,
            hasher: blake3::Hasher::new(),
            left: expected.identity.size,
            raw: Vec::new(),
            buffers: Buffers::new(),
        })
    }

    fn run(mut self, prefix: &[u8], pieces: &Sender<Piece>) -> Result<Option<Whole>, FileFault> {
        let mut start = prefix;
        loop {
            let bytes = self.next_chunk(std::mem::take(&mut start))?;
            let verified = self.left == 0;
            if verified {
                self.check_end()?;
            }
            if pieces.blocking_send(Ok(Chunk { bytes, verified })).is_err() {
                return Ok(None);
            }
            if verified {
                return Ok(Some(self.whole));
            }
        }
    }

    /// Returns `start`, followed by the next bytes of the file in the body's encoding.
    fn next_chunk(&mut self, start: &[u8]) -> Result<Bytes, FileFault> {
        let take = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        let length = usize::try_from(self.encoding.length(take as u64)).unwrap_or(usize::MAX);
        let mut chunk = self.buffers.take(start.len() + length);
        let (before, content) = chunk.buffer.split_at_mut(start.len());
        before.copy_from_slice(start);
        match self.encoding {
            Encoding::Raw => {
                fill(&mut self.whole.file, content)?;
                self.hasher.update(content);
            }
            Encoding::Base64 => {
                self.raw.resize(take, 0);
                fill(&mut self.whole.file, &mut self.raw)?;
                self.hasher.update(&self.raw);
                let room = content.len();
                // A reused buffer holds bytes that were sent before, so the encoder must fill it exactly.
                if base64_simd::STANDARD.encode(&self.raw, Out::from_slice(content)).len() != room {
                    return Err(FileFault::Unreadable("its base64 has another length".to_owned()));
                }
            }
        }
        self.left -= take as u64;
        Ok(Bytes::from_owner(chunk))
    }

    /// Checks that the file has ended, is still the same and has no writer, and that its bytes were the promised ones.
    fn check_end(&mut self) -> Result<(), FileFault> {
        match self.whole.file.read_exact(&mut [0]) {
            Ok(()) => return Err(FileFault::Changed("it is longer than it was".to_owned())),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error.into()),
        }
        self.whole.is_still()?;
        if Blake3(self.hasher.finalize().into()) != self.whole.expected.blake3 {
            return Err(FileFault::Changed("its bytes are not those that were hashed when it was ready".to_owned()));
        }
        Ok(())
    }
}

/// Checks that this is the promised file, unchanged.
fn is_promised(found: &Entry, promised: &Promised) -> Result<(), FileFault> {
    let changed = match found.entry_type {
        EntryType::Plain => difference(&found.identity, &promised.identity),
        EntryType::Link => Some("there is a symbolic link in its place now".to_owned()),
        EntryType::Directory | EntryType::Pipe | EntryType::Socket | EntryType::Device => {
            Some("it is not a plain file any more".to_owned())
        }
    };
    changed.map_or(Ok(()), |what| Err(FileFault::Changed(what)))
}

fn difference(now: &FileIdentity, promised: &FileIdentity) -> Option<String> {
    // If device or inode differ, the hash decides (DESIGN F2).
    if (now.device, now.inode) != (promised.device, promised.inode) && !now.looks_like(promised) {
        return Some("another file is in its place now".to_owned());
    }
    if now.size != promised.size {
        return Some(format!("its size is {} bytes, and was {}", now.size, promised.size));
    }
    (now.modified_ns != promised.modified_ns).then(|| "it was written to (its modification time differs)".to_owned())
}

/// Fills the buffer, or fails if the file ends before.
fn fill(file: &mut File, buffer: &mut [u8]) -> Result<(), FileFault> {
    file.read_exact(buffer).map_err(|error| {
        let is_shorter = error.kind() == ErrorKind::UnexpectedEof;
        if is_shorter { FileFault::Changed("it is shorter than it was".to_owned()) } else { error.into() }
    })
}

/// Returns the promise that matches a file as it is now.
#[cfg(test)]
pub(super) fn promised(path: &Path) -> Promised {
    let content = std::fs::read(path).unwrap();
    Promised { identity: crate::folder::directory::identity_at(path), blake3: Blake3(blake3::hash(&content).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use std::fs::{self, OpenOptions};

    fn read_all(path: &Path, expected: &Promised, encoding: Encoding) -> Result<Vec<u8>, FileFault> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        read(path, expected, b"<", encoding, &sender);
        drop(sender);
        let mut body = Vec::new();
        let mut verified = false;
        while let Some(piece) = receiver.blocking_recv() {
            assert!(!verified, "the verified chunk is the last");
            let chunk = piece?;
            body.extend_from_slice(&chunk.bytes);
            verified = chunk.verified;
        }
        assert!(verified);
        Ok(body)
    }

    #[test]
    fn sizes_around_a_chunk_come_out_whole_in_both_encodings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        for size in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 2] {
            let content: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            fs::write(&path, &content).unwrap();
            let promised = promised(&path);
            assert_eq!(read_all(&path, &promised, Encoding::Raw).unwrap()[1..], content);
            let encoded = read_all(&path, &promised, Encoding::Base64).unwrap();
            assert_eq!(BASE64_STANDARD.decode(&encoded[1..]).unwrap(), content);
        }
    }

    #[test]
    fn a_file_that_is_not_the_promised_one_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        fs::write(&path, "abc").unwrap();
        let promised = promised(&path);
        let fault = |path: &Path, expected: &Promised| match read_all(path, expected, Encoding::Raw) {
            Err(FileFault::Changed(why)) => why,
            other => panic!("{other:?}"),
        };

        let hash = Promised { blake3: Blake3([7; 32]), ..promised };
        assert_eq!(fault(&path, &hash), "its bytes are not those that were hashed when it was ready");
        fs::write(&path, "abcd").unwrap();
        assert_eq!(fault(&path, &promised), "its size is 4 bytes, and was 3");
        fs::write(folder.path().join("y.txt"), "abc").unwrap();
        fs::rename(folder.path().join("y.txt"), &path).unwrap();
        assert_eq!(fault(&path, &promised), "another file is in its place now");
        fs::remove_file(&path).unwrap();
        assert_eq!(read_all(&path, &promised, Encoding::Raw), Err(FileFault::Gone));
        std::os::unix::fs::symlink("y.txt", &path).unwrap();
        assert_eq!(fault(&path, &promised), "there is a symbolic link in its place now");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(fault(&path, &promised), "it is not a plain file any more");
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_never_verified() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        fs::write(&path, vec![b'x'; 3 * CHUNK]).unwrap();
        let promised = promised(&path);
        let run = |change: &dyn Fn(&File)| {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
            std::thread::scope(|scope| {
                scope.spawn(|| read(&path, &promised, &[], Encoding::Raw, &sender));
                let mut first = true;
                loop {
                    match receiver.blocking_recv().unwrap() {
                        Ok(chunk) => assert!(!chunk.verified),
                        Err(fault) => return fault,
                    }
                    if std::mem::take(&mut first) {
                        change(&OpenOptions::new().append(true).open(&path).unwrap());
                    }
                }
            })
        };
        let grown = run(&|mut file| io::Write::write_all(&mut file, b"y").unwrap());
        assert_eq!(grown, FileFault::Changed("it is longer than it was".to_owned()));
        let shrunk = run(&|file| file.set_len(2 * CHUNK as u64 + 5).unwrap());
        assert!(matches!(shrunk, FileFault::Changed(_)));
    }
}
