//! Sample files for trying datadrop. Every name and number in them is invented.

use super::chance::Random;
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
    /// What datadrop and Adobe should do with it, in one line.
    pub note: &'static str,
}

/// Writes the content of one data file.
type Fill = fn(&mut dyn Write, Date) -> io::Result<()>;

/// Writes the samples into `dir`, each marker after its data file, with dates shortly before `today`.
///
/// # Errors
/// If a file cannot be written. Those before it stay.
pub fn write_samples(dir: &Path, today: Date) -> io::Result<Vec<Sample>> {
    let plan: [(&str, Fill, bool, &str); 6] = [
        ("callcentre.txt", call_centre, true, "calls by centre and day: success, every row processed"),
        ("returns.txt", returns, true, "returned orders by transactionID: success, every row processed"),
        ("paid-search.txt", paid_search, false, "cost of paid search, Windows line ends: success, without marker"),
        ("loyalty-points.txt", loyalty_points, true, "20 MB, streamed: success, every row processed"),
        ("shop-visits.txt", shop_visits, false, "two rows hold a semicolon, Adobe skips them: partial"),
        ("newsletter.txt", newsletter, false, "one row has a column less, Adobe rejects the file: failure"),
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

// The content of each sample. Each has the date first, tabs, MM/DD/YYYY, and a dimension and a metric in every row.

/// Returns the day that is `back` days before today, in Adobe's form. Yesterday is 1.
fn day(today: Date, back: u64) -> String {
    let span = jiff::Span::new().days(i64::try_from(back).unwrap_or(0));
    let date = today.saturating_sub(span);
    format!("{:02}/{:02}/{:04}", date.month(), date.day(), date.year())
}

/// Formats `cents` as an amount.
fn amount(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn call_centre(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(11);
    out.write_all(b"# calls and orders by call centre, one row a day\n")?;
    out.write_all(b"# Date\tCall centre\tCalls\tTalk minutes\tOrder value\n")?;
    out.write_all(b"Date\tEvar 12\tEvent 41\tEvent 42\tEvent 43\n")?;
    for back in (1..=14).rev() {
        let date = day(today, back);
        for centre in ["Lyon Part-Dieu", "Leipzig", "Porto", "Gda\u{144}sk"] {
            let calls = 40 + random.below(220);
            let minutes = calls * (3 + random.below(4));
            writeln!(out, "{date}\t{centre}\t{calls}\t{minutes}\t{}", amount(calls * (900 + random.below(1600))))?;
        }
    }
    Ok(())
}

fn returns(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(12);
    out.write_all(b"Date\ttransactionID\tEvar 30\tProduct\tQuantity\tPrice\tEvent 51\n")?;
    let reasons = ["too small", "too large", "damaged", "changed mind", "late"];
    for number in 0..120u64 {
        let date = day(today, 1 + (119 - number) / 10);
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let reason = reasons[usize::try_from(random.below(5)).unwrap_or(0)];
        let (product, quantity) = (1000 + random.below(250), 1 + random.below(3));
        let price = amount(quantity * (990 + 100 * random.below(140)));
        writeln!(
            out,
            "{date}/{hour:02}/{minute:02}/{second:02}\tweb{}\t{reason}\tSKU-{product}\t{quantity}\t{price}\t1",
            881_000 + number
        )?;
    }
    Ok(())
}

fn paid_search(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(13);
    out.write_all(b"date\ttracking code\tevent 1\tevent 2\tevent 3\r\n")?;
    for back in (1..=30).rev() {
        let date = day(today, back);
        for code in ["ppc|brand|de", "ppc|brand|fr", "ppc|generic|de", "ppc|generic|fr"] {
            let impressions = 4000 + random.below(22_000);
            let clicks = impressions / (18 + random.below(30));
            let cost = amount(clicks * (25 + random.below(60)));
            write!(out, "{date}/00/00/00\t{code}\t{impressions}\t{clicks}\t{cost}\r\n")?;
        }
    }
    Ok(())
}

/// Writes a file that is large enough to show streaming, with 60 days.
fn loyalty_points(out: &mut dyn Write, today: Date) -> io::Result<()> {
    const SIZE: usize = 20_000_000;
    let mut random = Random::new(14);
    let header = "Date\tEvar 7\tEvar 8\tEvent 20\tEvent 21\n";
    out.write_all(header.as_bytes())?;
    let days: Vec<String> = (1..=60).rev().map(|back| day(today, back)).collect();
    let tiers = ["bronze", "silver", "gold"];
    let mut written = header.len();
    let mut member = 0u64;
    let mut row = Vec::with_capacity(80);
    while written < SIZE {
        // The days are in order: the written share of the file decides the share of the days.
        let date = days.get(written * days.len() / SIZE).map_or("", String::as_str);
        let tier = tiers[usize::try_from(random.below(3)).unwrap_or(0)];
        let points = 1 + random.below(5000);
        row.clear();
        writeln!(row, "{date}\tmember-{member:07}\t{tier}\t{points}\t{}.{:02}", points / 20, points % 20 * 5)?;
        out.write_all(&row)?;
        written += row.len();
        member += 1;
    }
    Ok(())
}

fn shop_visits(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(15);
    out.write_all(b"Date\tEvar 15\tEvar 16\tEvent 60\n")?;
    for back in (1..=10).rev() {
        let date = day(today, back);
        for shop in ["Harbour Street", "Old Market", "Station"] {
            // A value that a person might type into a form.
            let department = if back % 6 == 2 && shop == "Station" { "shoes;running" } else { "shoes" };
            writeln!(out, "{date}\t{shop}\t{department}\t{}", 80 + random.below(400))?;
        }
    }
    Ok(())
}

fn newsletter(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(16);
    out.write_all(b"Date\tEvar 22\tEvent 70\tEvent 71\n")?;
    for back in (1..=12).rev() {
        let date = day(today, back);
        let sent = 9000 + random.below(3000);
        if back == 5 {
            // A row from an export that lost a value.
            writeln!(out, "{date}\tweekly offers\t{sent}")?;
        } else {
            writeln!(out, "{date}\tweekly offers\t{sent}\t{}", sent / (9 + random.below(6)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::content::{Verdict, judge};

    #[test]
    fn each_sample_ends_as_its_note_says() {
        let dir = tempfile::tempdir().unwrap();
        let samples = write_samples(dir.path(), jiff::civil::date(2026, 11, 24)).unwrap();
        assert_eq!(samples.len(), 9);
        for sample in samples {
            let content = std::fs::read(dir.path().join(&sample.file_name)).unwrap();
            let (rows, verdict) = judge(&sample.file_name, &content);
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
    fn dates_are_shortly_before_today() {
        let dir = tempfile::tempdir().unwrap();
        write_samples(dir.path(), jiff::civil::date(2026, 1, 2)).unwrap();
        let text = std::fs::read_to_string(dir.path().join("callcentre.txt")).unwrap();
        assert!(text.contains("\n12/31/2025\t"), "{text}");
        assert!(!text.contains("01/02/2026"), "today is not over yet");
    }
}
