//! The data days of a file: its rows and the sums of its metrics, before anything is sent.

use super::diagnostics::{number, verdict};
use crate::check::Checked;
use crate::job::Total;
use crate::status::{columns, counted};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// Days that a sentence names.
const NAMED: usize = 5;

/// The JSON shape of DESIGN §7.
#[derive(serde::Serialize)]
struct Object<'a> {
    file: &'a str,
    day: String,
    rows: u64,
    totals: Totals<'a>,
}

/// The sums of a day, in the order of the columns.
struct Totals<'a> {
    metrics: &'a [String],
    totals: &'a [Total],
}

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.metrics.len()))?;
        for (metric, total) in self.metrics.iter().zip(self.totals) {
            map.serialize_entry(metric, &total.sum.map(|sum| sum.to_string()))?;
        }
        map.end()
    }
}

/// An array with an object for each day of each file.
pub(super) fn json(files: &[(String, Checked)]) -> serde_json::Result<String> {
    let days = files.iter().flat_map(|(file, checked)| checked.days.all().iter().map(move |day| (file, checked, day)));
    let objects: Vec<Object<'_>> = days
        .map(|(file, checked, day)| Object {
            file,
            day: day.date.to_string(),
            rows: day.rows,
            totals: Totals { metrics: checked.days.metrics(), totals: &day.totals },
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&objects)?;
    text.push('\n');
    Ok(text)
}

/// A line for each day of a file, and what its sums lack.
pub(super) fn table(name: &str, checked: &Checked) -> String {
    let days = checked.days.all();
    let mut page = format!("{name}: {}\n", verdict(checked));
    if !days.is_empty() {
        let header: Vec<&str> =
            ["day", "rows"].into_iter().chain(checked.days.metrics().iter().map(String::as_str)).collect();
        let numbers: Vec<usize> = (1..header.len()).collect();
        let rows = days.iter().map(|day| {
            let sums = day.totals.iter().map(|total| total.sum.map_or_else(|| "?".to_owned(), |sum| sum.to_string()));
            [day.date.to_string(), day.rows.to_string()].into_iter().chain(sums).collect::<Vec<_>>()
        });
        page.push_str(&columns(&header, &numbers, rows));
    }
    for remark in remarks(checked) {
        page.push_str(&remark);
        page.push('\n');
    }
    page
}

/// What the sums lack, and what lowers them.
pub(super) fn remarks(checked: &Checked) -> Vec<String> {
    let mut remarks = Vec::new();
    let undated = checked.rows_of_no_day();
    if undated > 0 {
        let or_late = if checked.days.is_complete() { "" } else { ", or whose day is one too many" };
        let rows = counted(number(undated), "row");
        remarks.push(format!("of no day: {rows} whose date or fields datadrop cannot read{or_late}"));
    }
    if let Some(lines) = checked.skipped.in_words() {
        remarks.push(format!("in no sum: the rows with semicolons, which Adobe skips: {lines}"));
    }
    for (index, metric) in checked.days.metrics().iter().enumerate() {
        let on_days = |count: fn(&Total) -> u64| on_days(checked, index, count);
        if let Some((count, days)) = on_days(|total| total.left_out) {
            let values = if count == 1 {
                "1 value not written as a plain number".to_owned()
            } else {
                format!("{} not written as plain numbers", counted(number(count), "value"))
            };
            remarks.push(format!("{metric}: the sums leave out {values}: {days}"));
        }
        if let Some((count, days)) = on_days(|total| total.negative) {
            remarks.push(format!("{metric}: the sums include {}: {days}", counted(number(count), "negative amount")));
        }
        if let Some((_, days)) = on_days(|total| u64::from(total.sum.is_none())) {
            remarks.push(format!("{metric}: datadrop does not know sums of more than 38 digits: {days}"));
        }
    }
    remarks
}

/// How many there are of something of a metric in all, and on which days.
fn on_days(checked: &Checked, metric: usize, count: fn(&Total) -> u64) -> Option<(u64, String)> {
    let counts = checked.days.all().iter().map(|day| (day.date, day.totals.get(metric).map_or(0, count)));
    let days: Vec<(String, u64)> =
        counts.filter(|(_, count)| *count > 0).map(|(date, count)| (date.to_string(), count)).collect();
    let mut words: Vec<&str> = days.iter().take(NAMED).map(|(date, _)| date.as_str()).collect();
    let more = format!("{} more", days.len().saturating_sub(NAMED));
    if days.len() > NAMED {
        words.push(&more);
    }
    (!days.is_empty()).then(|| (days.iter().map(|(_, count)| count).sum(), words.join(", ")))
}
