//! Where words go: data to standard output, everything else to standard error.

use super::commands_to_paste::Commands;
use anstream::AutoStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};

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
