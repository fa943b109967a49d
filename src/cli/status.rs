//! `status`.

use super::args::StatusArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings::{self, here};
use crate::joblog::{OpenError, Reader, Standing, is_running};
use crate::status::{RECENT, status_json, status_page, status_report};
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
    let report = status_report(&config, is_running(&config.state_dir), standing, settings::now());
    if arguments.json {
        output.data(&status_json(&report)?)?;
    } else {
        output.words(&status_page(&report, &here()))?;
    }
    Ok(Exit::Done)
}
