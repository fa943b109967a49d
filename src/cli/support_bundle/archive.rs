//! A `.tar.gz` of a few texts. The format is that of POSIX (ustar), which is 512 bytes for each file: too little for a crate.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Size of a header, and of the blocks that a file is filled up to.
const BLOCK: usize = 512;
/// Permissions of each file: its owner alone reads it.
const MODE: &str = "0000600";

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    out: GzEncoder<W>,
    /// The folder that all files are in.
    folder: String,
    /// Time of each file in seconds since 1970.
    made_at: u64,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W, folder: &str, made_at: u64) -> Self {
        Self { out: GzEncoder::new(out, Compression::default()), folder: folder.to_owned(), made_at }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// The system's, or that the name has more than 100 bytes with the folder.
    pub(super) fn add(&mut self, name: &str, content: &str) -> io::Result<()> {
        let header = header(&format!("{}/{name}", self.folder), content.len(), self.made_at)?;
        self.out.write_all(&header)?;
        self.out.write_all(content.as_bytes())?;
        let rest = content.len() % BLOCK;
        self.out.write_all(&[0; BLOCK][..if rest == 0 { 0 } else { BLOCK - rest }])
    }

    /// Ends the archive, and gives back what it was written to.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()
    }
}

fn header(path: &str, size: usize, made_at: u64) -> io::Result<[u8; BLOCK]> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, length: usize, text: &str| {
        let place = header.get_mut(at..at + length).and_then(|field| field.get_mut(..text.len()));
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, format!("{text}: too long for an archive"));
        place.ok_or_else(too_long).map(|place| place.copy_from_slice(text.as_bytes()))
    };
    put(0, 100, path)?;
    put(100, 8, MODE)?;
    // Owner and group.
    put(108, 8, "0000000")?;
    put(116, 8, "0000000")?;
    put(124, 12, &format!("{size:011o}"))?;
    put(136, 12, &format!("{made_at:011o}"))?;
    // While it is summed up, the sum is spaces.
    put(148, 8, "        ")?;
    // A plain file.
    put(156, 1, "0")?;
    put(257, 8, "ustar\x0000")?;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn tar_reads_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar.gz");
        let mut archive = Archive::new(std::fs::File::create(&file).unwrap(), "folder", 1_700_000_000);
        let long = "x".repeat(1025);
        for (name, content) in
            [("empty.txt", ""), ("block.txt", &"y".repeat(512)), ("long.txt", &long), ("ü.txt", "ü\n")]
        {
            archive.add(name, content).unwrap();
        }
        assert!(archive.add(&"n".repeat(100), "").is_err());
        archive.finish().unwrap().sync_all().unwrap();
        let tar = |arguments: &[&str]| {
            let output = Command::new("tar").args(arguments).arg(&file).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let listed = tar(&["--quoting-style=literal", "-tzf"]);
        assert_eq!(listed, "folder/empty.txt\nfolder/block.txt\nfolder/long.txt\nfolder/ü.txt\n");
        assert!(tar(&["--utc", "-tvzf"]).contains("-rw------- 0/0            1025 2023-11-14 22:13"));
        tar(&["-xzf"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("folder/long.txt")).unwrap(), long);
        assert_eq!(std::fs::read_to_string(dir.path().join("folder/ü.txt")).unwrap(), "ü\n");
    }
}
