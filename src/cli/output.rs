//! Where words go: data to standard output, everything else to standard error; and the configuration in the commands among
//! them, so that they work when they are pasted.

use crate::job::Program;
use anstream::AutoStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Whether standard output is a pipe whose reader has gone. A command that waits would notice only when it next writes.
pub(super) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ends, Some(&at_once)).is_ok() && ends.iter().any(|end| end.revents().contains(PollFlags::ERR))
}

/// Both streams. Colours reach terminals only, and none if `NO_COLOR` is set.
pub(super) struct Output {
    data: AutoStream<io::Stdout>,
    messages: AutoStream<io::Stderr>,
    commands: Commands,
}

impl Output {
    /// `commands`: adapts the commands that messages name.
    pub(super) fn new(commands: Commands) -> Self {
        Self { data: AutoStream::auto(io::stdout()), messages: AutoStream::auto(io::stderr()), commands }
    }

    /// Data, as it is.
    pub(super) fn data(&mut self, text: &str) -> io::Result<()> {
        self.data.write_all(text.as_bytes())?;
        self.data.flush()
    }

    /// A line of data.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.data, "{text}")?;
        self.data.flush()
    }

    /// Data in words for people: commands in it name the configuration.
    pub(super) fn words(&mut self, text: &str) -> io::Result<()> {
        let text = self.commands.within(text).into_owned();
        self.data(&text)
    }

    /// A line of such words.
    pub(super) fn words_line(&mut self, text: &str) -> io::Result<()> {
        self.words(&format!("{text}\n"))
    }

    /// A message for the person at the terminal; each of its lines gets the name of the program.
    pub(super) fn message(&mut self, text: &str) -> io::Result<()> {
        let text = self.commands.within(text);
        text.lines().try_for_each(|line| writeln!(self.messages, "datadrop: {line}"))
    }

    /// A line about what goes on, to standard error as it is.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.messages, "{}", self.commands.within(text))
    }

    /// Asks for something; the answer stands behind it in the same line.
    pub(super) fn prompt(&mut self, text: &str) -> io::Result<()> {
        write!(self.messages, "{text}")?;
        self.messages.flush()
    }

    /// Columns and lines of the terminal that data goes to; `None` when it goes elsewhere.
    #[expect(clippy::unused_self, reason = "the size belongs to this stream")]
    pub(super) fn screen(&self) -> Option<(usize, usize)> {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        let size = tcgetwinsize(&stdout).ok()?;
        // Some terminals do not know their size and say zero.
        (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }
}

/// What stands behind `datadrop ` in a command that reads the configuration. The last is a command left open.
const READS_IT: [&str; 16] = [
    "accounts ",
    "alerts ",
    "coverage",
    "doctor",
    "drop ",
    "explain ",
    "init",
    "jobs ",
    "recover",
    "run",
    "service print",
    "status",
    "support-bundle",
    "template ",
    "verify",
    "…",
];
const PROGRAM: &str = "datadrop ";
/// What starts the daemon of the usual configuration. The longer one, which also names another way, comes first.
const STARTS: [&str; 2] = ["`systemctl start datadrop`, or `datadrop run`", "`systemctl start datadrop`"];

/// Names the configuration in commands, if it is not the usual one.
#[derive(Debug)]
pub(super) struct Commands(Option<String>);

impl Commands {
    /// For a command that was given this configuration.
    pub(super) fn reading(config: &Path) -> Self {
        let program = Program::reading(config);
        Self(program.as_str().strip_prefix(PROGRAM).map(|option| format!("{option} ")))
    }

    /// For one that reads none.
    pub(super) fn without_a_configuration() -> Self {
        Self(None)
    }

    /// The text with the configuration in each of its commands.
    pub(super) fn within<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(option) = &self.0 else { return Cow::Borrowed(text) };
        let text = STARTS.iter().fold(text.to_owned(), |text, start| text.replace(start, "`datadrop run`"));
        let mut named = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(PROGRAM) {
            let (before, behind) = rest.split_at(at + PROGRAM.len());
            named.push_str(before);
            if is_a_command(&rest[..at], behind) {
                named.push_str(option);
            }
            rest = behind;
        }
        named.push_str(rest);
        Cow::Owned(named)
    }
}

/// Whether `datadrop ` between these two is the beginning of a command, and not of a sentence, a path or another word.
fn is_a_command(before: &str, behind: &str) -> bool {
    let starts_a_word = !before.ends_with(|c: char| c.is_alphanumeric() || "/._-".contains(c));
    let reads = READS_IT.iter().any(|word| {
        behind.strip_prefix(word).is_some_and(|rest| {
            word.ends_with(|c: char| !c.is_ascii_alphabetic()) || !rest.starts_with(|c: char| c.is_alphanumeric())
        })
    });
    starts_a_word && reads
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use crate::job::USUAL_CONFIG;
    use clap::CommandFactory as _;

    fn named(config: &str, text: &str) -> String {
        Commands::reading(Path::new(config)).within(text).into_owned()
    }

    #[test]
    fn each_command_names_the_configuration_that_it_was_told_under() {
        for (text, expected) in [
            ("use `datadrop jobs retry 3`", "use `datadrop --config /x/d.toml jobs retry 3`"),
            (
                "datadrop jobs release 3 sends it, datadrop jobs cancel 3 gives it up",
                "datadrop --config /x/d.toml jobs release 3 sends it, datadrop --config /x/d.toml jobs cancel 3 gives it up",
            ),
            ("run `datadrop recover`", "run `datadrop --config /x/d.toml recover`"),
            ("(`sudo -u datadrop datadrop …`)", "(`sudo -u datadrop datadrop --config /x/d.toml …`)"),
            (
                "start it (`systemctl start datadrop`, or `datadrop run`)",
                "start it (`datadrop --config /x/d.toml run`)",
            ),
            ("until it is (`systemctl start datadrop`)", "until it is (`datadrop --config /x/d.toml run`)"),
        ] {
            assert_eq!(named("/x/d.toml", text), expected);
            assert_eq!(named(USUAL_CONFIG, text), text);
        }
        assert_eq!(named("/x y/d.toml", "datadrop doctor"), "datadrop --config '/x y/d.toml' doctor");
        assert!(named("d.toml", "datadrop doctor").starts_with("datadrop --config /"), "from any folder");
    }

    #[test]
    fn what_is_no_command_that_reads_it_stays_as_it_is() {
        for text in [
            "datadrop is running",
            "datadrop is not running: nothing is sent",
            "datadrop check sales.txt",
            "another datadrop is running with this state directory",
            "datadrop running since 10:00",
            "datadrop --config /y.toml jobs list",
            "/srv/datadrop jobs list",
            "its-datadrop doctor",
        ] {
            assert_eq!(named("/x/d.toml", text), text);
        }
    }

    #[test]
    fn every_command_is_known_to_read_it_or_not_to() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let reads = named("/x/d.toml", &format!("datadrop {name} print x")).contains("--config");
            let needs_none = ["check", "completions", "demo", "emulator", "man"].contains(&name);
            assert_eq!(reads, !needs_none, "{name}");
        }
    }
}
