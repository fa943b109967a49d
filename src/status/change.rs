//! One line for one step of one job.

use super::format::{Here, pad, printable};
use crate::joblog::JobRow;
use anstyle::{AnsiColor, Style};

/// The colour of a state: green is done, red is lost without a person, yellow wants a look.
#[must_use]
pub fn state_style(state: &str) -> Style {
    match state {
        "success" => AnsiColor::Green.on_default(),
        "failure" | "rejected" => AnsiColor::Red.on_default(),
        "partial" | "held" | "unconfirmed" | "cancelled" => AnsiColor::Yellow.on_default(),
        "uploading" | "uploaded" | "processing" => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    }
}

/// Time, file, job, state and reason; with colours, which the output drops unless it goes to a terminal.
///
/// `width` is that of the column of files.
#[must_use]
pub fn change_line(job: &JobRow, at: &str, state: &str, reason: Option<&str>, width: usize, here: &Here) -> String {
    let file = pad(&printable(&format!("{}/{}", job.account, job.file_name)), width);
    let style = state_style(state);
    let head = format!("{}  {file}  job {:<4}  ", here.time_of_day(at), job.id);
    match reason {
        Some(reason) => format!("{head}{style}{state:<11}{style:#}  {}", printable(reason)),
        None => format!("{head}{style}{state}{style:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::{here, job};
    use super::*;

    #[test]
    fn a_line_tells_when_what_and_why() {
        let line = change_line(
            &job(17, "sales.txt"),
            "2026-11-23T10:31:20.000Z",
            "partial",
            Some("95 of 100 rows were processed"),
            22,
            &here(),
        );
        insta::assert_snapshot!(anstream::adapter::strip_str(&line).to_string(), @"11:31:20.000  callcentre/sales.txt    job 17    partial      95 of 100 rows were processed");
    }
}
