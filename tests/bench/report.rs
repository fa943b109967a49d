//! The results: a table, JSON and a chart.

use super::contestant::Kind;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Colours of the contestants in the chart.
const COLOURS: [&str; 4] = ["#d62728", "#1f77b4", "#2ca02c", "#7f7f7f"];

pub struct Report {
    began: jiff::Timestamp,
    load: String,
    rows: Vec<Row>,
}

struct Row {
    workload: String,
    /// With its unit.
    measure: &'static str,
    /// One value a round, by contestant.
    values: [Vec<f64>; 4],
}

impl Row {
    fn median(&self, kind: Kind) -> Option<f64> {
        let mut values = self.values[kind as usize].clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(upper, values[middle - 1]) })
    }

    /// datadrop's share of what the other has.
    fn ratio(&self, to: Kind) -> Option<f64> {
        let (own, other) = (self.median(Kind::Datadrop)?, self.median(to)?);
        (other > 0.0).then_some(own / other)
    }
}

impl Report {
    pub fn new() -> Self {
        Self { began: jiff::Timestamp::now(), load: load(), rows: Vec::new() }
    }

    pub fn add(&mut self, workload: &str, measure: &'static str, kind: Kind, value: f64) {
        let is_it = |row: &Row| row.workload == workload && row.measure == measure;
        let index = self.rows.iter().position(is_it).unwrap_or_else(|| {
            self.rows.push(Row { workload: workload.to_owned(), measure, values: Default::default() });
            self.rows.len() - 1
        });
        self.rows[index].values[kind as usize].push(value);
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let peers = &Kind::ALL[1..];
        let mut header = vec!["workload".to_owned(), "measure".to_owned(), "n".to_owned()];
        header.extend(Kind::ALL.iter().map(|kind| kind.name().to_owned()));
        header.extend(peers.iter().map(|kind| format!("/ {}", kind.name())));
        table.set_header(header);
        for row in &self.rows {
            let rounds = row.values.iter().map(Vec::len).max().unwrap_or(0);
            let mut cells = vec![row.workload.clone(), row.measure.to_owned(), rounds.to_string()];
            cells.extend(Kind::ALL.iter().map(|kind| row.median(*kind).map_or("-".to_owned(), short)));
            cells.extend(
                peers.iter().map(|kind| row.ratio(*kind).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))),
            );
            table.add_row(cells);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Writes `PATH.json` and `PATH.svg`.
    pub fn write(&self, path: &Path) {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let by_kind = |value: &dyn Fn(Kind) -> Value| -> Value {
                    Kind::ALL.iter().map(|kind| (kind.name().to_owned(), value(*kind))).collect()
                };
                json!({ "workload": row.workload, "measure": row.measure,
                        "median": by_kind(&|kind| json!(row.median(kind))),
                        "rounds": by_kind(&|kind| json!(row.values[kind as usize])),
                        "ratio": by_kind(&|kind| json!(row.ratio(kind))) })
            })
            .collect();
        let all = json!({ "began": self.began.to_string(), "ended": jiff::Timestamp::now().to_string(),
                          "cores": std::thread::available_parallelism().unwrap().get(),
                          "load_before": self.load, "load_after": load(), "version": env!("CARGO_PKG_VERSION"), "rows": rows });
        fs::write(path.with_extension("json"), serde_json::to_string_pretty(&all).unwrap()).unwrap();
        fs::write(path.with_extension("svg"), self.chart()).unwrap();
        eprintln!("load before: {}; after: {}", self.load, load());
        eprintln!("written: {} and .svg", path.with_extension("json").display());
    }

    /// Draws bars for each measure, relative to its largest value.
    fn chart(&self) -> String {
        let mut bars = String::new();
        let mut y = 30;
        for row in &self.rows {
            let largest = Kind::ALL.iter().filter_map(|kind| row.median(*kind)).fold(f64::MIN_POSITIVE, f64::max);
            writeln!(bars, "<text x=\"8\" y=\"{}\">{}: {}</text>", y + 11, row.workload, row.measure).unwrap();
            for kind in Kind::ALL {
                let Some(value) = row.median(kind) else { continue };
                let (width, colour) = (value / largest * 400.0, COLOURS[kind as usize]);
                writeln!(
                    bars,
                    "<rect x=\"300\" y=\"{y}\" width=\"{width:.1}\" height=\"12\" fill=\"{colour}\"/>\
                     <text x=\"{:.1}\" y=\"{}\">{} {}</text>",
                    305.0 + width,
                    y + 11,
                    short(value),
                    kind.name()
                )
                .unwrap();
                y += 15;
            }
            y += 10;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"8\" y=\"18\">{}, load {}</text>\n{bars}</svg>\n",
            self.began.strftime("%Y-%m-%d %H:%M UTC"),
            self.load
        )
    }
}

/// Rounds to about three significant digits.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        1.0..10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The load of the machine over 1, 5 and 15 minutes.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
