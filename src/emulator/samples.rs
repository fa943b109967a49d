//! Files to try datadrop with, made here: every name and number in them is invented.

mod files;

use crate::job::Kind;
use jiff::civil::Date;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// One file that [`write_samples`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name in the folder.
    pub file_name: String,
    /// Data file or marker.
    pub kind: Kind,
    /// What to expect of it, in one line.
    pub note: &'static str,
}

/// What fills one data file.
type Fill = fn(&mut dyn Write, Date) -> io::Result<()>;

/// Writes the samples into `dir`, each marker after its data file, dates shortly before `today`.
///
/// # Errors
/// If a file cannot be written; those before it stay.
pub fn write_samples(dir: &Path, today: Date) -> io::Result<Vec<Sample>> {
    let plan: [(&str, Fill, bool, &str); 6] = [
        ("callcentre.txt", files::call_centre, true, "calls by centre and day: success, every row processed"),
        ("returns.txt", files::returns, true, "returned orders by transactionID: success, every row processed"),
        (
            "paid-search.txt",
            files::paid_search,
            false,
            "cost of paid search, Windows line ends: success, without marker",
        ),
        ("loyalty-points.txt", files::loyalty_points, true, "20 MB, streamed: success, every row processed"),
        ("shop-visits.txt", files::shop_visits, false, "two rows hold a semicolon, Adobe skips them: partial"),
        ("newsletter.txt", files::newsletter, false, "one row has a column less, Adobe rejects the file: failure"),
    ];
    let mut samples = Vec::new();
    for (file_name, fill, has_marker, note) in plan {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create(dir.join(file_name))?);
        fill(&mut file, today)?;
        file.flush()?;
        samples.push(Sample { file_name: file_name.to_owned(), kind: Kind::Data, note });
        if has_marker {
            let marker = format!("{}.fin", crate::job::stem(file_name));
            File::create(dir.join(&marker))?;
            let note = "its marker: sent after it, 0 rows";
            samples.push(Sample { file_name: marker, kind: Kind::Fin, note });
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::content::{Verdict, judge};
    use crate::job::RowCounter;

    #[test]
    fn each_sample_ends_as_its_note_says() {
        let dir = tempfile::tempdir().unwrap();
        let samples = write_samples(dir.path(), jiff::civil::date(2026, 11, 24)).unwrap();
        assert_eq!(samples.len(), 9);
        for sample in samples {
            let content = std::fs::read(dir.path().join(&sample.file_name)).unwrap();
            let mut counter = RowCounter::default();
            counter.update(&content);
            let (rows, verdict) = (counter.finish(), judge(&sample.file_name, &content));
            let expected = match (sample.kind, sample.note) {
                (Kind::Fin, _) => content.is_empty() && verdict == Verdict::Rows(0),
                (Kind::Data, note) if note.ends_with("failure") => matches!(verdict, Verdict::Fails(_)),
                (Kind::Data, note) if note.ends_with("partial") => verdict == Verdict::Rows(rows - 2),
                (Kind::Data, _) => verdict == Verdict::Rows(rows) && rows > 0,
            };
            assert!(expected, "{}: {rows} rows, {verdict:?}", sample.file_name);
            let longest = content.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap();
            assert!(longest <= 4096, "{}", sample.file_name);
        }
        let large = std::fs::metadata(dir.path().join("loyalty-points.txt")).unwrap().len();
        assert!((20_000_000..21_000_000).contains(&large), "{large}");
    }

    #[test]
    fn dates_lie_shortly_before_today() {
        let dir = tempfile::tempdir().unwrap();
        write_samples(dir.path(), jiff::civil::date(2026, 1, 2)).unwrap();
        let text = std::fs::read_to_string(dir.path().join("callcentre.txt")).unwrap();
        assert!(text.contains("\n12/31/2025\t"), "{text}");
        assert!(!text.contains("01/02/2026"), "today is not over yet");
    }
}
