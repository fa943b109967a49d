//! `alerts test`: whether each receiver takes alerts, asked by the command itself.

use super::args::AlertsTest;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::run::runtime;
use super::settings;
use crate::adobe::{Budget, Client};
use crate::alert::{AlertSettings, Trial, send_test};
use crate::job::{Problem, printable};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// The shape of `--json`.
#[derive(Serialize)]
struct Object<'a> {
    receiver: &'a str,
    target: &'a str,
    taken: bool,
    answer: &'a str,
    remedy: Option<&'a str>,
}

pub(super) fn test(file: &Path, arguments: &AlertsTest, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    if config.alerts.is_empty() {
        let remedy = "add an [[alert]] section with `on` and a `command` or a `webhook`, then `datadrop alerts test`";
        return Err(Failure::failed(Problem::new("no receiver of alerts is configured", remedy)));
    }
    // Receivers are not part of Adobe's API: no permit is spent.
    let budget = Arc::new(Budget::new(None, false));
    let client = Client::new(&config.api, budget).map_err(|error| Failure::new(Exit::Usage, error.problem()))?;
    let alerts = AlertSettings::new(&config, Arc::new(client));
    let trials = runtime()?.block_on(send_test(alerts, settings::now()));
    if arguments.json {
        let objects: Vec<Object<'_>> = trials.iter().map(object).collect();
        output.line(&serde_json::to_string_pretty(&objects)?)?;
    } else {
        for Trial { receiver, target, answer } in &trials {
            let end = match answer {
                Ok(answer) => format!("took the test alert: {answer}"),
                Err(problem) => format!("did not take the test alert: {problem}"),
            };
            output.words_line(&printable(&format!("{receiver} ({target}) {end}")))?;
        }
    }
    Ok(Exit::all(trials.iter().all(|trial| trial.answer.is_ok())))
}

fn object(trial: &Trial) -> Object<'_> {
    let (answer, remedy) = match &trial.answer {
        Ok(answer) => (answer, None),
        Err(problem) => (&problem.what, problem.remedy.as_deref()),
    };
    Object { receiver: &trial.receiver, target: &trial.target, taken: trial.answer.is_ok(), answer, remedy }
}
