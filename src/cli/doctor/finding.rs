//! What was found: one line for people, one object for programs.

use crate::job::Problem;
use crate::status::printable;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    fn style(self) -> Style {
        let colour = match self {
            Self::Ok => AnsiColor::Green,
            Self::Warn => AnsiColor::Yellow,
            Self::Fail => AnsiColor::Red,
        };
        colour.on_default()
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What kind of thing, in one word.
    pub(super) check: &'static str,
    /// Which one.
    pub(super) subject: String,
    pub(super) verdict: Verdict,
    /// What is the matter, and why.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), verdict: Verdict::Ok, message: message.into(), remedy: None }
    }

    pub(super) fn bad(
        verdict: Verdict,
        check: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check, subject: subject.into(), verdict, message: message.into(), remedy }
    }

    pub(super) fn of(verdict: Verdict, check: &'static str, subject: impl Into<String>, problem: Problem) -> Self {
        Self { check, subject: subject.into(), verdict, message: problem.what, remedy: problem.remedy }
    }

    /// The same with this remedy where it brings none of its own.
    pub(super) fn or_remedy(self, remedy: &str) -> Self {
        Self { remedy: self.remedy.or_else(|| Some(remedy.to_owned())), ..self }
    }

    /// One line, whatever names and answers hold.
    pub(super) fn line(&self) -> String {
        let style = self.verdict.style();
        let remedy = self.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        let rest = printable(&format!("{} {}: {}{remedy}", self.check, self.subject, self.message));
        format!("{style}{:<4}{style:#}  {rest}", self.verdict.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_where_why_and_what_to_do() {
        let problem = Problem::new("/x\n: it is one thing; or another", "make it one");
        let finding = Finding::of(Verdict::Fail, "folder", "a", problem);
        let line = anstream::adapter::strip_str(&finding.line()).to_string();
        assert_eq!(line, "FAIL  folder a: /x\\n: it is one thing; or another; make it one");
        let line = Finding::ok("folder", "a", "fine").or_remedy("none").line();
        assert!(line.ends_with("folder a: fine; none"), "{line}");
    }

    #[test]
    fn the_worst_is_the_greatest() {
        assert!(Verdict::Ok < Verdict::Warn && Verdict::Warn < Verdict::Fail);
        assert_eq!(serde_json::to_string(&Verdict::Fail).unwrap(), "\"fail\"");
    }
}
