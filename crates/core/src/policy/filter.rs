//! Which tags a strategy gets to see, and as what.

use std::fmt;
use std::str::FromStr;

use super::decision::Rule;
use super::extract::Extract;
use super::glob::{Glob, GlobError};
use super::regexp::{Regexp, RegexpError};

/// Rules on the text of a tag, applied before the strategy looks: allow, then ignore, then
/// extract. The default lets every tag through as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only tags this is found in.
    pub allow: Option<Regexp>,
    /// No tag that matches one of these.
    pub ignore: Vec<Pattern>,
    /// What to order by instead of the whole tag. Strategies that do not order by text (newest
    /// build, digest) take no notice.
    pub extract: Option<Extract>,
}

impl Filter {
    /// The rule that keeps the tag out, if one does.
    pub(super) fn refuses(&self, tag: &str) -> Option<Rule> {
        if self
            .allow
            .as_ref()
            .is_some_and(|allow| !allow.is_match(tag))
        {
            return Some(Rule::NotAllowed);
        }
        self.ignore
            .iter()
            .any(|pattern| pattern.matches(tag))
            .then_some(Rule::Ignored)
    }
}

/// A pattern of an ignore list: a glob, or `regexp:` and a regular expression.
///
/// The keyword may be in any case. No tag holds a colon, so no glob is lost to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Must match the whole tag.
    Glob(Glob),
    /// Must be found in the tag.
    Regexp(Regexp),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// The glob is not valid.
    #[error("the glob is not valid")]
    Glob(#[source] GlobError),
    /// What follows `regexp:` is not valid.
    #[error("the regular expression is not valid")]
    Regexp(#[source] RegexpError),
}

impl Pattern {
    /// Whether the tag matches.
    pub fn matches(&self, tag: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(tag),
            Self::Regexp(regexp) => regexp.is_match(tag),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match strip_regexp_keyword(text) {
            Some(pattern) => pattern
                .parse()
                .map(Self::Regexp)
                .map_err(PatternError::Regexp),
            None => text.parse().map(Self::Glob).map_err(PatternError::Glob),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => write!(formatter, "{glob}"),
            Self::Regexp(regexp) => write!(formatter, "regexp:{regexp}"),
        }
    }
}

/// What follows `regexp:`, in whatever case that is.
pub(super) fn strip_regexp_keyword(text: &str) -> Option<&str> {
    let (keyword, pattern) = text.split_once(':')?;
    keyword.eq_ignore_ascii_case("regexp").then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, tag: &str, expected: bool) {
        let parsed: Pattern = pattern.parse().expect("the row's pattern parses");
        assert_eq!(parsed.matches(tag), expected);
        assert_eq!(parsed.to_string().parse(), Ok(parsed));
    }

    #[test]
    fn a_glob_matches_all_and_a_regexp_any_part() {
        check("rc", "1-rc1", false);
        check("*rc*", "1-rc1", true);
        check("regexp:rc", "1-rc1", true);
        check("Regexp:^rc", "1-rc1", false);
    }

    #[test]
    fn a_bad_pattern_is_an_error() {
        assert_eq!(
            "[".parse::<Pattern>(),
            Err(PatternError::Glob(GlobError::UnclosedClass))
        );
        assert_eq!(
            "regexp:a**".parse::<Pattern>(),
            Err(PatternError::Regexp(RegexpError::RepeatedRepetition('*')))
        );
    }
}
