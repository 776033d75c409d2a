//! How a command ends that is not done: what is wrong, whose it is to change, the way out.
//!
//! Every failure is told on standard error by one line `error: …` and, where there is one, a line
//! `hint: …`; standard output has data only. Nothing here knows a command.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use image_update_core::image::Excerpt;

/// The exit code of a command whose input is wrong, as clap and most programs have it.
const INPUT_WRONG: u8 = 2;

/// Why a command is not done.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hint: Option<Cow<'static, str>>,
}

/// Whose it is to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// The machine, the network or another server: 1.
    Failed,
    /// Whoever called: the flags, or a file that they name: 2.
    InputWrong,
}

impl Failure {
    /// The flags, or what they name, cannot be used.
    pub(super) fn input(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::InputWrong,
            error: error.into(),
            hint: None,
        }
    }

    /// It could not be done.
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Failed,
            error: error.into(),
            hint: None,
        }
    }

    /// The value of a flag cannot be used.
    pub(super) fn flag(flag: &str, value: &str, error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        Self::input(error.context(format!("{flag} {}", Excerpt::new(value))))
    }

    /// Says what it is about, before the error.
    pub(super) fn about(self, subject: impl fmt::Display) -> Self {
        let subject = subject.to_string();
        Self {
            error: self.error.context(subject),
            ..self
        }
    }

    /// Says what to do about it.
    pub(super) fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Tells it, and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let Self { exit, error, hint } = self;
        let chain = chain(&error);
        // Errors of templates bring their own hint on a second line.
        let (message, own_hint) = match chain.split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (chain.as_str(), None),
        };
        tell("error", message);
        if let Some(hint) = hint.as_deref().or(own_hint) {
            tell("hint", hint);
        }
        match exit {
            Exit::Failed => ExitCode::FAILURE,
            Exit::InputWrong => ExitCode::from(INPUT_WRONG),
        }
    }
}

/// A command that says no more about its failure failed.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

/// Writes a line to standard error: `warning: …`. What cannot be told is not told.
pub(super) fn warn(message: &str) {
    tell("warning", message);
}

/// Writes `kind: message` to standard error, on one line whatever the message holds.
pub(super) fn tell(kind: &str, message: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{kind}: {}", one_line(message)).ok();
}

/// The error and its causes. A cause that the message before it ends with is not repeated.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Line breaks become blanks, and other control characters, which act on a terminal, are left out.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {source}")]
    struct SaysItsCause {
        source: std::fmt::Error,
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::Error::new(SaysItsCause {
            source: std::fmt::Error,
        });
        let error = error.context("subject");
        assert_eq!(
            chain(&error),
            format!("subject: outer: {}", std::fmt::Error)
        );
    }

    #[test]
    fn a_message_is_one_line_that_does_nothing_to_a_terminal() {
        assert_eq!(one_line("a\nb\u{1b}[31mc\r"), "a b[31mc");
    }
}
