//! What a probe sends: few and tiny files, each of which settles one question. Pure.

use crate::job::{MetricKind, SuiteFacts, UploadStyle, stem};
use jiff::civil::Date;
use std::fmt::Write as _;

/// Lines before the header of each data file.
pub(super) const COMMENTS: i64 = 4;
/// Data rows of the files by which rows are counted. With [`COMMENTS`] and the one line of the header, each sum of some of
/// them is another number.
pub(super) const COUNTED: i64 = 2;
/// Data rows of the file with a row that Adobe skips, that row included.
pub(super) const WITH_SKIPPED: i64 = 3;
/// Characters of the long name: file systems and databases often cut names at 128, 100 or 64.
const LONG: usize = 200;

/// What a file is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Whether the API accepts this kind of request, and which lines it counts.
    Style(UploadStyle),
    /// What becomes of a name.
    Name(&'static str),
    /// What a marker is for: this data file has one, and the others have none.
    Marked,
    /// Whether a row that Adobe skips is counted. It has a marker too.
    Skipped,
    /// The marker of a data file.
    Marker,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProbeFile {
    pub(super) name: String,
    pub(super) purpose: Purpose,
    pub(super) rows: i64,
    pub(super) content: String,
}

impl ProbeFile {
    /// Whether it is sent only where markers are sent: under PUT (DESIGN §5, `fin`).
    pub(super) fn needs_markers(&self) -> bool {
        matches!(self.purpose, Purpose::Marked | Purpose::Marker)
    }

    /// Whether this is the marker of `data`.
    pub(super) fn is_marker_of(&self, data: &Self) -> bool {
        self.purpose == Purpose::Marker && data.purpose != Purpose::Marker && stem(&self.name) == stem(&data.name)
    }
}

/// All files of one probe, in the order in which they are sent.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// With what each name and each value of the dimension begins.
    pub(super) prefix: String,
    /// The names of the columns: date, dimension, metric.
    pub(super) columns: [String; 3],
    /// The data day of each row.
    pub(super) day: Date,
    pub(super) files: Vec<ProbeFile>,
}

impl Plan {
    /// `digits` tell this probe from others.
    pub(super) fn new(digits: u32, suite: &SuiteFacts, day: Date) -> Self {
        let prefix = format!("datadrop-probe-{:06x}", digits & 0x00ff_ffff);
        let columns = columns(suite);
        let mut plan = Self { prefix, columns, day, files: Vec::new() };
        for style in UploadStyle::ALL {
            plan.add(style.as_str(), Purpose::Style(style), COUNTED);
        }
        for (words, what) in [
            ("CAPITALS", "capitals"),
            ("a blank", "a blank"),
            ("composed-\u{e9}", "a composed accent"),
            ("decomposed-e\u{301}", "a decomposed accent"),
        ] {
            plan.add(words, Purpose::Name(what), 1);
        }
        let long = "long-".repeat(LONG).chars().take(LONG - plan.prefix.len() - "-.txt".len()).collect::<String>();
        plan.add(&long, Purpose::Name("200 characters"), 1);
        plan.add("marked", Purpose::Marked, COUNTED);
        // Last: if Adobe fails it after all, a data source that stops on errors takes nothing behind it.
        plan.add("skipped", Purpose::Skipped, WITH_SKIPPED);
        plan
    }

    fn add(&mut self, words: &str, purpose: Purpose, rows: i64) {
        let name = format!("{}-{words}", self.prefix);
        let comment = "# sent by `datadrop doctor --probe` to learn how the API behaves\n";
        let mut content = comment.repeat(usize::try_from(COMMENTS).unwrap_or_default());
        content.push_str(&self.columns.join("\t"));
        for row in 1..=rows {
            // Adobe skips a row with a semicolon. All is ASCII: a report suite of one byte a character fails other files.
            let skipped = if purpose == Purpose::Skipped && row == rows { ";" } else { "" };
            let _ = write!(content, "\n{}\t{} {row}{skipped}\t1", self.day.strftime("%m/%d/%Y"), self.prefix);
        }
        content.push('\n');
        let is_marked = matches!(purpose, Purpose::Marked | Purpose::Skipped);
        self.files.push(ProbeFile { name: format!("{name}.txt"), purpose, rows, content });
        if is_marked {
            let name = format!("{name}.fin");
            self.files.push(ProbeFile { name, purpose: Purpose::Marker, rows: 0, content: String::new() });
        }
    }
}

/// The least that Adobe takes: date, a dimension, a metric. Those are enabled, as far as it is known which are. Adobe wants
/// events to be numeric or a currency, and lets others count.
fn columns(suite: &SuiteFacts) -> [String; 3] {
    let number = |id: &str, of: &str| id.to_ascii_lowercase().strip_prefix(of)?.parse::<u32>().ok();
    let evars = suite.dimensions.iter().flatten().filter_map(|dimension| number(&dimension.id, "evar"));
    let events = suite.metrics.iter().flatten();
    let events = events.filter_map(|metric| Some((metric.kind != MetricKind::Decimal, number(&metric.id, "event")?)));
    let evar = evars.min().unwrap_or(1);
    let event = events.min().map_or(1, |(_, event)| event);
    ["Date".to_owned(), format!("Evar {evar}"), format!("Event {event}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Checker, Code, Facts};
    use crate::job::{Dimension, Metric};
    use std::collections::HashSet;
    use std::ffi::OsStr;

    const DAY: Date = jiff::civil::date(2026, 11, 28);

    fn suite() -> SuiteFacts {
        let dimension = |id: &str| Dimension { id: id.to_owned(), name: id.to_owned() };
        let metric = |id: &str, kind| Metric { id: id.to_owned(), name: id.to_owned(), kind };
        SuiteFacts {
            dimensions: Some(["page", "evar12", "evar7"].map(dimension).into()),
            metrics: Some(vec![
                metric("event2", MetricKind::Counter),
                metric("orders", MetricKind::Decimal),
                metric("event43", MetricKind::Decimal),
                metric("event5", MetricKind::Decimal),
            ]),
            ..SuiteFacts::default()
        }
    }

    #[test]
    fn columns_are_enabled_and_take_decimals_where_it_is_known_which_do() {
        let columns = |suite: &SuiteFacts| Plan::new(1, suite, DAY).columns.join(",");
        assert_eq!(columns(&suite()), "Date,Evar 7,Event 5");
        assert_eq!(columns(&SuiteFacts::default()), "Date,Evar 1,Event 1");
        let counters = SuiteFacts { metrics: Some(suite().metrics.unwrap()[..1].to_vec()), ..suite() };
        assert_eq!(columns(&counters), "Date,Evar 7,Event 2");
    }

    /// A file that Adobe fails can halt the data source.
    #[test]
    fn the_check_finds_nothing_in_any_file_but_the_row_that_is_to_be_skipped() {
        let suite = suite();
        let now = "2026-11-30T00:00:00[UTC]".parse().unwrap();
        for file in Plan::new(0x00ab_cdef, &suite, DAY).files {
            let extensions = ["txt".to_owned()];
            let facts = Facts {
                file_name: OsStr::new(&file.name),
                extensions: &extensions,
                now: &now,
                in_suite_zone: true,
                suite: Some(&suite),
                data_source_id: Some(1),
                max_size: 10_000,
                bytes_per_second: None,
                keep: 9,
            };
            let mut check = Checker::new(&facts);
            check.update(file.content.as_bytes());
            let found = check.finish();
            let codes: Vec<Code> = found.findings.kept().iter().map(|finding| finding.code).collect();
            let expected = if file.purpose == Purpose::Skipped { vec![Code::Semicolon] } else { Vec::new() };
            assert_eq!(codes, expected, "{}: {:?}", file.name, found.findings);
            assert_eq!(i64::try_from(found.rows_expected), Ok(file.rows), "{}", file.name);
        }
    }

    #[test]
    fn names_are_unmistakable_and_each_shows_one_thing() {
        let plan = Plan::new(0xffab_cdef, &SuiteFacts::default(), DAY);
        let names: HashSet<&str> = plan.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names.len(), plan.files.len());
        assert!(names.iter().all(|name| name.starts_with("datadrop-probe-abcdef-")), "{names:?}");
        assert_eq!(names.iter().map(|name| name.chars().count()).max(), Some(LONG));
        let marked: Vec<&str> = plan
            .files
            .iter()
            .filter(|data| plan.files.iter().any(|marker| marker.is_marker_of(data)))
            .map(|data| data.name.as_str())
            .collect();
        assert_eq!(marked, ["datadrop-probe-abcdef-marked.txt", "datadrop-probe-abcdef-skipped.txt"]);
    }
}
