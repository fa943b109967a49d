//! `status`.

use super::args::StatusArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings::{self, here};
use crate::joblog::{OpenError, Reader, Standing, is_running};
use crate::status::{RECENT, printable, status_json, status_page, status_report};
use std::path::Path;

pub(super) fn run(file: &Path, arguments: &StatusArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    let standing = match Reader::open(&config.state_dir) {
        Ok(reader) => reader.standing(settings::now().before(RECENT), settings::now())?,
        // Before the first start there is nothing to read, and that is a state too.
        Err(error @ OpenError::None(_)) => {
            output.message(&error.to_string())?;
            Standing::default()
        }
        Err(error) => return Err(error.into()),
    };
    let running = is_running(&config.state_dir);
    let report = status_report(&config, running, standing, settings::now());
    if arguments.json {
        output.data(&status_json(&report)?)?;
    } else {
        output.words(&status_page(&report, &here()))?;
        if !running {
            output.words_line(&format!(
                "\nno service uses the state directory {}; if a service runs, it has another: compare `state_dir` in {} with the \
                 configuration that it reads (`systemctl cat datadrop`)",
                printable(&report.state_dir),
                printable(&file.display().to_string())
            ))?;
        }
    }
    Ok(Exit::Done)
}
