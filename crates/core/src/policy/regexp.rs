//! Regular expressions as Go reads them, run by the `regex` crate.
//!
//! The patterns users bring were written for Go. Where the two libraries read a spelling
//! differently, the pattern is translated; where it cannot be, it is refused. It never matches
//! something else than the same pattern does in Go. The text it is run on is ASCII, as tags are.

mod class;
mod escape;
mod translate;

use std::fmt;
use std::str::FromStr;

use regex::{CaptureLocations, Regex, RegexBuilder};

use self::translate::Translation;

/// The bytes a compiled pattern may take.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// How deep groups may stand in groups.
const MAX_DEPTH: u32 = 100;

/// A regular expression of Go's syntax (RE2), which matches in linear time.
///
/// It is searched for anywhere in the text; `^` and `$` bind it to the ends.
///
/// Syntax: <https://pkg.go.dev/regexp/syntax>
#[derive(Clone, Debug)]
pub struct Regexp {
    text: Box<str>,
    compiled: Regex,
    /// Names of groups with their numbers. Go allows names the `regex` crate does not.
    names: Vec<(Box<str>, usize)>,
}

/// Why a text is not a regular expression.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegexpError {
    /// It has more than [`Regexp::MAX_LENGTH`] bytes.
    #[error("the pattern is longer than {} characters", Regexp::MAX_LENGTH)]
    TooLong,
    /// `*`, `+`, `?` or `{n}` has nothing before it to repeat.
    #[error("the pattern has {0:?} with nothing before it to repeat")]
    NothingToRepeat(char),
    /// A repetition is repeated: `a**`, `a{2}{3}`.
    #[error("the pattern repeats a repetition with {0:?}: put the first one into a group")]
    RepeatedRepetition(char),
    /// A repetition is above 1000, or its limits are the wrong way round.
    #[error("the pattern has a {{n,m}} that is out of order or above {MAX_REPEAT}", MAX_REPEAT = translate::MAX_REPEAT)]
    BadRepeat,
    /// A backslash with a character that means nothing, or with nothing.
    #[error("the pattern has an escape sequence that is not known")]
    BadEscape,
    /// A class in brackets is not closed or has a bad range.
    #[error("the pattern has a class in [] that is not closed or has a bad range")]
    BadClass,
    /// A `(?` that is no group or flag of Go's syntax, such as a look-around.
    #[error("the pattern has a (? that is neither a group nor one of the flags i, m, s and U")]
    BadGroup,
    /// Two groups have one name.
    #[error("the pattern has two groups of the same name")]
    DuplicateGroupName,
    /// A parenthesis stands alone.
    #[error("the pattern has a parenthesis without its pair")]
    UnpairedParenthesis,
    /// Compiled, it takes more memory than is allowed.
    #[error("the pattern takes too much memory: use smaller repetitions")]
    TooLarge,
    /// The `regex` crate refuses the translation.
    #[error("the pattern is not valid")]
    Refused(#[source] Box<regex::Error>),
}

impl Regexp {
    /// The bytes a pattern has at most.
    pub const MAX_LENGTH: usize = 1024;

    /// Whether the pattern is found anywhere in the text.
    ///
    /// The text must be ASCII: then Go's and the `regex` crate's character tables agree.
    pub fn is_match(&self, text: &str) -> bool {
        text.is_ascii() && self.compiled.is_match(text)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Room for [`Self::find_groups`], to be reused.
    pub(super) fn group_buffer(&self) -> CaptureLocations {
        self.compiled.capture_locations()
    }

    /// Finds the first match and notes where its groups are.
    pub(super) fn find_groups(&self, text: &str, groups: &mut CaptureLocations) -> bool {
        text.is_ascii() && self.compiled.captures_read(groups, text).is_some()
    }

    /// The number of a named group.
    pub(super) fn group_named(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|&(_, number)| number)
    }

    /// How many groups there are, the whole match included.
    pub(super) fn group_count(&self) -> usize {
        self.compiled.captures_len()
    }
}

/// Two patterns are equal when they are written alike.
impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Regexp {}

impl FromStr for Regexp {
    type Err = RegexpError;

    fn from_str(text: &str) -> Result<Self, RegexpError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(RegexpError::TooLong);
        }
        let Translation { pattern, names } = translate::translate(text)?;
        let compiled = RegexBuilder::new(&pattern)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES)
            .nest_limit(MAX_DEPTH)
            .build()
            .map_err(|error| {
                if matches!(error, regex::Error::CompiledTooBig(_)) {
                    RegexpError::TooLarge
                } else {
                    RegexpError::Refused(Box::new(error))
                }
            })?;
        Ok(Self {
            text: text.into(),
            compiled,
            names,
        })
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

#[cfg(test)]
mod tests;
