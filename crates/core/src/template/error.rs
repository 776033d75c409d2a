//! What is wrong with a template, where, and what there is instead.

use std::fmt;

use gtmpl_ng::{ErrorContext, ExecError, ParseError};

use super::{MAX_OUTPUT_BYTES, MAX_TEMPLATE_BYTES};
use crate::text::visible;

/// The most of the engine's own words that is shown, in characters.
const LONGEST_MESSAGE: usize = 160;

/// Where in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The byte of the line, from 1.
    pub column: usize,
}

/// Why a template can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template itself is too long.
    #[error("the template has {length_bytes} bytes; at most {MAX_TEMPLATE_BYTES} are read")]
    TooLong {
        /// Its length.
        length_bytes: usize,
    },
    /// It is not Go's text/template.
    #[error("{}{message}", place(.at.as_ref()))]
    Syntax {
        /// Where, if the parser says so.
        at: Option<Position>,
        /// The parser's words.
        message: String,
    },
    /// It names something that there is not, or calls a function wrongly.
    #[error(
        "{}{message}\nhint: there are .AppName, .AppNamespace, .SHA256, .TargetKey, \
         .AppChanges (each with .Image .OldTag .NewTag) and \
         .Images (each with .Name .Alias .OldTag .NewTag)",
        place(.at.as_ref())
    )]
    Execution {
        /// Where.
        at: Option<Position>,
        /// The engine's words.
        message: String,
    },
    /// It writes too much, or loops too often.
    #[error(
        "{}the template does too much: it may write {MAX_OUTPUT_BYTES} bytes",
        place(.at.as_ref())
    )]
    TooMuch {
        /// Where.
        at: Option<Position>,
    },
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

impl From<&ErrorContext> for Position {
    fn from(context: &ErrorContext) -> Self {
        Self {
            line: context.line,
            column: context.col,
        }
    }
}

impl TemplateError {
    pub(super) fn syntax(error: &ParseError) -> Self {
        if let ParseError::WithContext(context, message) = error {
            return Self::Syntax {
                at: Some(context.into()),
                message: shown(message),
            };
        }
        Self::Syntax {
            at: None,
            message: shown(&error.to_string()),
        }
    }

    pub(super) fn execution(error: &ExecError) -> Self {
        let (at, message) = match error.as_structured() {
            Some(error) => (Some(Position::from(&error.context)), error.message.clone()),
            None => (None, error.to_string()),
        };
        if is_about_limits(error, &message) {
            return Self::TooMuch { at };
        }
        Self::Execution {
            at,
            message: shown(&message),
        }
    }
}

/// Whether a limit was hit. The engine wraps such errors into text, and each of them says
/// "allowed"; the tests hold on to that.
fn is_about_limits(error: &ExecError, message: &str) -> bool {
    matches!(
        error,
        ExecError::OutputTooLarge { .. }
            | ExecError::TooManyIterations { .. }
            | ExecError::RangeTooLong { .. }
            | ExecError::ValueTooLarge { .. }
    ) || message.ends_with(" allowed")
}

/// The engine's words, without the dump of all data that follows the name of a missing field.
fn shown(message: &str) -> String {
    let message = message.split(" in map[").next().unwrap_or_default();
    visible(message, LONGEST_MESSAGE)
}

fn place(at: Option<&Position>) -> String {
    at.map(|at| format!("{at}: ")).unwrap_or_default()
}
