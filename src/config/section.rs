//! Takes the keys of a section one by one, each with its type; what is left over at the end is unknown.
//!
//! Not `serde`: that stops at the first error, and a person who wrote five wrong lines wants to hear of five.

use super::given::{Given, kind_name, parse_duration, parse_size, show};
use super::problems::{ENVIRONMENT, PREFIX, Place, Report, Wrong, nearest, wrong};
use crate::job::Problem;
use config::{Map, Value, ValueKind};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use strum::VariantNames;

/// A table of the layered configuration.
pub(super) type Table = Map<String, Value>;

/// One section, while its keys are taken.
///
/// The accessors give `None` for a key that is absent or wrong; wrong ones are in the report then.
#[derive(Debug)]
pub(super) struct Section<'r> {
    report: &'r mut Report,
    /// `in [api]`, for suggestions.
    heading: String,
    /// `api`, `account[0]`, or empty for the top level.
    path: String,
    /// What stands before the key where it is named: `api.`, `account "callcentre": `.
    label: String,
    table: Table,
    /// It is no table at all, which is said already: nothing more is to be said of its keys.
    broken: bool,
    asked: Vec<&'static str>,
    taken: HashMap<&'static str, (Place, Option<String>)>,
}

impl<'r> Section<'r> {
    /// `heading` is where the section's keys belong (`in [api]`), `path` is where it is, `label` goes before its keys.
    pub(super) fn new(report: &'r mut Report, heading: &str, path: &str, label: String, table: Table) -> Self {
        Self {
            report,
            heading: heading.to_owned(),
            path: path.to_owned(),
            label,
            table,
            broken: false,
            asked: Vec::new(),
            taken: HashMap::new(),
        }
    }

    /// Opens `[name]`; the value must be a table.
    pub(super) fn open(report: &'r mut Report, name: &str, value: Option<Value>) -> Self {
        let empty = || Some(Table::new());
        let table = value.map_or_else(empty, |value| table_of(report, name, name, &format!("[{name}]"), value));
        let broken = table.is_none();
        let table = table.unwrap_or_default();
        Self { broken, ..Self::new(report, &format!("in [{name}]"), name, format!("{name}."), table) }
    }

    pub(super) fn report(&mut self) -> &mut Report {
        self.report
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The key as it is named in problems: `api.timeout`.
    pub(super) fn named(&self, key: &str) -> String {
        format!("{}{key}", self.label)
    }

    /// Whether the key is set, by whatever layer.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key) || self.taken.contains_key(key)
    }

    /// Whether the value is what datadrop itself says, not a person.
    pub(super) fn is_default(&self, key: &str) -> bool {
        self.place(key).source == "default"
    }

    /// Whether the value is a text that begins so.
    pub(super) fn starts_with(&self, key: &str, start: &str) -> bool {
        self.table
            .get(key)
            .is_some_and(|value| matches!(&value.kind, ValueKind::String(text) if text.starts_with(start)))
    }

    /// Where the key's value came from.
    pub(super) fn place(&self, key: &str) -> Place {
        match (self.taken.get(key), self.table.get(key)) {
            (Some((place, _)), _) => place.clone(),
            (None, Some(value)) => self.report.place(&self.path_of(key), origin_of(value)),
            (None, None) => self.report.place_of_missing(&self.path),
        }
    }

    /// Takes the value as it is.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// Takes the key and reads its value; the one way to it for all accessors.
    pub(super) fn take<T>(&mut self, key: &'static str, read: impl FnOnce(Given<'_>) -> Result<T, Wrong>) -> Option<T> {
        self.take_as(key, show, read)
    }

    /// The same, for a value that is or may hold a secret: it is never shown.
    pub(super) fn take_hidden<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Given<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.take_as(key, |_| None, read)
    }

    fn take_as<T>(
        &mut self,
        key: &'static str,
        show: impl FnOnce(&ValueKind) -> Option<String>,
        read: impl FnOnce(Given<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let place = self.place(key);
        let value = self.raw(key)?;
        let from_variable = value.origin() == Some(ENVIRONMENT);
        let shown = show(&value.kind);
        self.taken.insert(key, (place, shown));
        match read(Given::new(&value.kind, from_variable)) {
            Ok(read) => Some(read),
            Err(wrong) => {
                self.blame(key, wrong);
                None
            }
        }
    }

    /// Reports what is wrong with a key that was taken before, or is missing.
    pub(super) fn blame(&mut self, key: &str, wrong: Wrong) {
        if self.broken {
            return;
        }
        let value = self.taken.get(key).and_then(|(_, shown)| shown.clone());
        self.report.add(self.place(key), self.named(key), value, wrong);
    }

    /// Reports the key if it is absent.
    pub(super) fn require(&mut self, key: &'static str, remedy: &str) {
        if !self.has(key) {
            self.asked.push(key);
            self.blame(key, wrong("this key is required", remedy));
        }
    }

    /// A word for one of the type's choices.
    pub(super) fn word<T: FromStr + VariantNames>(&mut self, key: &'static str) -> Option<T> {
        self.take(key, |given| {
            let expected = || format!("expected one of {}", T::VARIANTS.join(", "));
            let text = given.text().map_err(|_| wrong(expected(), "write one of these words, in quotes"))?;
            text.parse().map_err(|_| {
                let remedy = nearest(text, T::VARIANTS.iter().copied()).map_or_else(
                    || "write one of these words, or remove the line for the default".to_owned(),
                    |near| format!("did you mean \"{near}\"?"),
                );
                wrong(expected(), remedy)
            })
        })
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, key: &'static str) -> Option<bool> {
        self.take(key, |given| {
            given.truth().ok_or_else(|| wrong("expected true or false", "write true or false, without quotes"))
        })
    }

    /// A whole number in this range.
    pub(super) fn whole(&mut self, key: &'static str, range: RangeInclusive<i64>, remedy: &str) -> Option<i64> {
        self.take(key, |given| {
            let number = given.whole().ok_or_else(|| wrong("not a whole number", remedy))?;
            let too = if number < *range.start() { "too small" } else { "too large" };
            if range.contains(&number) { Ok(number) } else { Err(wrong(too, remedy)) }
        })
    }

    /// A number that may have a fraction, at least `least`.
    pub(super) fn fraction(&mut self, key: &'static str, least: f64, remedy: &str) -> Option<f64> {
        self.take(key, |given| {
            let number = given.fraction().ok_or_else(|| wrong("not a number", remedy))?;
            if !number.is_finite() {
                return Err(wrong("not a number to reckon with", remedy));
            }
            if number < least { Err(wrong("too small", remedy)) } else { Ok(number) }
        })
    }

    /// A time that is not zero.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.take(key, |given| {
            let remedy = "write a number with a unit, such as \"300ms\", \"15s\", \"5m\" or \"7d\"";
            let duration = time(&given, remedy)?;
            if duration.is_zero() { Err(wrong("this time must not be zero", remedy)) } else { Ok(duration) }
        })
    }

    /// A time, or zero for ever.
    pub(super) fn duration_or_ever(&mut self, key: &'static str) -> Option<Duration> {
        self.take(key, |given| {
            let remedy = "write a number with a unit, such as \"30d\", or 0 for ever";
            if given.whole() == Some(0) { Ok(Duration::ZERO) } else { time(&given, remedy) }
        })
    }

    /// A size in bytes, at least 1.
    pub(super) fn size(&mut self, key: &'static str) -> Option<u64> {
        self.take(key, |given| {
            let remedy = "write a size such as \"50 MB\", or a whole number of bytes";
            let size = match (given.text(), given.whole()) {
                (Ok(text), _) => parse_size(text).map_err(|message| wrong(message, remedy))?,
                (Err(_), Some(bytes)) => u64::try_from(bytes).map_err(|_| wrong("not a size", remedy))?,
                (Err(_), None) => return Err(wrong("not a size", remedy)),
            };
            if size == 0 { Err(wrong("no file would be small enough", remedy)) } else { Ok(size) }
        })
    }

    /// Ends the section: reports each key that was not taken as unknown.
    pub(super) fn finish(self) {
        let mut left: Vec<(&String, &Value)> = self.table.iter().collect();
        left.sort_by_key(|(key, _)| *key);
        for (key, value) in left {
            let place = self.report.place(&self.path_of(key), origin_of(value));
            self.report.add_unknown(place, &self.heading, format!("{}{key}", self.label), key.clone());
        }
        self.report.add_known(&self.heading, self.asked);
    }
}

fn time(given: &Given<'_>, remedy: &str) -> Result<Duration, Wrong> {
    match given.text() {
        Ok(text) => parse_duration(text).map_err(|message| wrong(message, remedy)),
        Err(_) if given.whole().is_some() => Err(wrong("a number without a unit", remedy)),
        Err(_) => Err(wrong("not a duration", remedy)),
    }
}

/// The origin of a value; of a table, that of what is in it: merging leaves tables without.
fn origin_of(value: &Value) -> Option<&str> {
    let inside = || if let ValueKind::Table(table) = &value.kind { table.values().next() } else { None };
    value.origin().or_else(|| inside().and_then(origin_of))
}

/// The table that a value should be; a problem if it is none.
pub(super) fn table_of(report: &mut Report, path: &str, label: &str, header: &str, value: Value) -> Option<Table> {
    let place = report.place(path, origin_of(&value));
    if let ValueKind::Table(table) = value.kind {
        return Some(table);
    }
    let message = format!("this must be a section, and is {}", kind_name(&value.kind));
    let remedy = if place.source.starts_with("environment") {
        format!("name a key of the section too, as in {PREFIX}SECTION__KEY")
    } else {
        format!("write {header} on a line of its own, and its keys below")
    };
    report.add(place, label.to_owned(), None, wrong(message, remedy));
    None
}

/// What counts in addition to the keys.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    pub(super) file: Option<PathBuf>,
    /// Whether files with secrets must be readable.
    pub(super) check_secrets: bool,
    /// Whether there must be an `[[account]]`.
    pub(super) accounts_required: bool,
    pub(super) variables: Map<String, String>,
    pub(super) state_directory: Option<String>,
    pub(super) credentials_directory: Option<PathBuf>,
    pub(super) warnings: Vec<Problem>,
}

impl Surroundings {
    pub(super) fn new(
        file: Option<&Path>,
        check_secrets: bool,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut this =
            Self { file: file.map(Path::to_owned), check_secrets, accounts_required: true, ..Self::default() };
        for (name, value) in env {
            // systemd gives a list when the unit names several.
            if name == "STATE_DIRECTORY" {
                this.state_directory = value.split(':').next().filter(|first| !first.is_empty()).map(str::to_owned);
            } else if name == "CREDENTIALS_DIRECTORY" && !value.is_empty() {
                this.credentials_directory = Some(PathBuf::from(value));
            } else if name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
                this.variables.insert(name, value);
            } else if let Some(rest) = name.strip_prefix("DATADROP_").filter(|rest| rest.contains("__")) {
                this.warnings.push(Problem::new(
                    format!("environment variable {name} is not read"),
                    format!("did you mean {PREFIX}{rest}?"),
                ));
            }
        }
        this
    }

    /// The secret that systemd passes, if it does.
    pub(super) fn systemd_secret(&self) -> Option<PathBuf> {
        self.credentials_directory.as_ref().map(|dir| dir.join("client_secret")).filter(|file| file.exists())
    }
}
