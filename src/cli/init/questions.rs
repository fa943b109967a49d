//! Asking a person at the terminal, where flags have not answered already.

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

/// The longest secret, in bytes.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Asks for the answers, at a terminal or from options.
pub(super) struct Questions<'a> {
    output: &'a mut Output,
    is_terminal: bool,
}

impl<'a> Questions<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self { output, is_terminal: io::stdin().is_terminal() }
    }

    /// Somebody can be asked.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A line for the person, if there is one.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Failure> {
        if self.is_terminal {
            self.output.note(line)?;
        }
        Ok(())
    }

    /// The answer that was given by the flag, or the one that is given now. An empty answer takes the proposal.
    pub(super) fn text(
        &mut self,
        what: &str,
        flag: &str,
        given: Option<&str>,
        proposal: Option<&str>,
    ) -> Result<String, Failure> {
        match (given, proposal) {
            (Some(given), _) => return Ok(given.to_owned()),
            (None, Some(proposal)) if !self.is_terminal => return Ok(proposal.to_owned()),
            (None, None) if !self.is_terminal => {
                return Err(Failure::new(Exit::Usage, format!("the {what} is not given; name it with {flag}")));
            }
            (None, _) => {}
        }
        let shown = proposal.map(|proposal| format!(" [{proposal}]")).unwrap_or_default();
        loop {
            let answer = self.line(&format!("{what}{shown}: "))?;
            match (answer.trim(), proposal) {
                ("", Some(proposal)) => return Ok(proposal.to_owned()),
                ("", None) => {}
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
    }

    /// One of several: the only one, or the one that is chosen.
    pub(super) fn choice<'t, T>(
        &mut self,
        what: &str,
        flag: &str,
        things: &'t [T],
        labels: Vec<String>,
        key: impl Fn(&T) -> String,
    ) -> Result<&'t T, Failure> {
        if let [only] = things {
            self.say(&format!("{what}: {} (there is no other)", key(only)))?;
            return Ok(only);
        }
        if !self.is_terminal {
            let message = format!("which {what}? Name it with {flag}; there are: {}", labels.join(", "));
            return Err(Failure::new(Exit::Usage, message));
        }
        for label in labels {
            self.say(&format!("  {label}"))?;
        }
        loop {
            let answer = self.line(&format!("{what}, one of these: "))?;
            if let Some(chosen) = things.iter().find(|thing| key(thing) == answer.trim()) {
                return Ok(chosen);
            }
        }
    }

    /// The client secret: from the file, from standard input (`-`), or typed unseen.
    pub(super) fn secret(&mut self, file: Option<&Path>) -> Result<SecretString, Failure> {
        let text = match file {
            Some(file) if file != Path::new("-") => {
                let unreadable = |error: io::Error| {
                    Failure::new(Exit::Usage, format!("{}: cannot be read: {error}", file.display()))
                };
                read(File::open(file).map_err(unreadable)?).map_err(unreadable)?
            }
            Some(_) if !self.is_terminal => read(io::stdin()).map_err(|error| {
                Failure::new(Exit::Usage, format!("the secret cannot be read from standard input: {error}"))
            })?,
            None if !self.is_terminal => {
                let why =
                    "the client secret is not given; name a file with --client-secret-file, or - for standard input";
                return Err(Failure::new(Exit::Usage, why));
            }
            Some(_) | None => {
                let _unseen = Unseen::start();
                let text = self.line("client secret (it is not shown): ")?;
                self.say("")?;
                text
            }
        };
        let secret = text.trim_matches(['\r', '\n', ' ', '\t']);
        if secret.is_empty() || secret.contains(char::is_control) {
            let why = "the client secret is empty or has several lines; give nothing but the secret";
            return Err(Failure::new(Exit::Usage, why));
        }
        Ok(secret.into())
    }

    fn line(&mut self, prompt: &str) -> Result<String, Failure> {
        self.output.prompt(prompt)?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Failure::failed("no answer; nothing was written"));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn read(source: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LONGEST_SECRET).read_to_string(&mut text)?;
    Ok(text)
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Unseen(Option<Termios>);

impl Unseen {
    fn start() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut unseen = before.clone();
            unseen.local_modes -= LocalModes::ECHO;
            // A terminal that cannot hide what is typed is still one to type at.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &unseen);
        }
        Self(before)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
