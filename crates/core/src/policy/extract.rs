//! Extracting the part of a tag that a strategy orders by.

use std::borrow::Cow;

use regex::CaptureLocations;

use super::regexp::{Regexp, RegexpError};
use crate::image::Excerpt;

/// A pattern and what to make of its groups.
///
/// With `^main-[0-9a-f]+-(?P<ts>\d+)$` and `$ts`, the tag `main-3f2c-1700000000` is ordered as
/// `1700000000`. A tag the pattern is not found in is no candidate.
///
/// The value is a template of Go's `regexp.Expand`: `$1`, `$name`, `${1}x` and `$$`. A name is as
/// long as it can be, so `$1x` means the group `1x`. A group that took no part is empty. Unlike in
/// Go, a group that does not exist is an error.
///
/// Template rules: <https://pkg.go.dev/regexp#Regexp.Expand>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    pattern: Regexp,
    value: Vec<Part>,
}

/// Why a pattern and a value do not make an [`Extract`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExtractError {
    /// The pattern is not valid.
    #[error("the pattern to extract is not valid")]
    Pattern(#[source] RegexpError),
    /// The value has more than [`Extract::MAX_VALUE_LENGTH`] bytes.
    #[error(
        "the value to extract is longer than {} characters",
        Extract::MAX_VALUE_LENGTH
    )]
    TooLong,
    /// The value names a group the pattern does not have.
    #[error(
        "the value to extract names the group {0}, which the pattern does not have \
         (write ${{1}}x for group 1 followed by an x)"
    )]
    UnknownGroup(Excerpt),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Group(usize),
}

impl Extract {
    /// The bytes a value has at most.
    pub const MAX_VALUE_LENGTH: usize = 256;

    /// Reads a pattern and a value.
    pub fn new(pattern: &str, value: &str) -> Result<Self, ExtractError> {
        let pattern: Regexp = pattern.parse().map_err(ExtractError::Pattern)?;
        if value.len() > Self::MAX_VALUE_LENGTH {
            return Err(ExtractError::TooLong);
        }
        let value = parse_value(value, &pattern)?;
        Ok(Self { pattern, value })
    }

    /// What the strategy orders the text by, if the pattern is found in it.
    pub fn apply<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        self.apply_with(text, &mut self.buffer())
    }

    /// Room for [`Self::apply_with`].
    pub(super) fn buffer(&self) -> CaptureLocations {
        self.pattern.group_buffer()
    }

    /// As [`Self::apply`], with room that is used again.
    pub(super) fn apply_with<'t>(
        &self,
        text: &'t str,
        groups: &mut CaptureLocations,
    ) -> Option<Cow<'t, str>> {
        if !self.pattern.find_groups(text, groups) {
            return None;
        }
        let group = |number| {
            groups
                .get(number)
                .map_or("", |(start, end)| &text[start..end])
        };
        if let [Part::Group(number)] = self.value[..] {
            return Some(Cow::Borrowed(group(number)));
        }
        let expanded = self.value.iter().map(|part| match part {
            Part::Literal(literal) => literal,
            Part::Group(number) => group(*number),
        });
        Some(Cow::Owned(expanded.collect()))
    }
}

fn parse_value(text: &str, pattern: &Regexp) -> Result<Vec<Part>, ExtractError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            literal.push('$');
            rest = escaped;
            continue;
        }
        let Some((name, after_name)) = split_name(after) else {
            // Go takes a dollar that names nothing as it is.
            literal.push('$');
            rest = after;
            continue;
        };
        let number = group_number(name, pattern)
            .ok_or_else(|| ExtractError::UnknownGroup(Excerpt::new(name)))?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal).into_boxed_str()));
        }
        parts.push(Part::Group(number));
        rest = after_name;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into_boxed_str()));
    }
    Ok(parts)
}

/// Takes `name` or `{name}` off the front.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let inside = braced.unwrap_or(text);
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let end = inside
        .find(|character| !is_word(character))
        .unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    let rest = if braced.is_some() {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    (!name.is_empty()).then_some((name, rest))
}

/// A number without a leading zero is a group's number, anything else its name.
fn group_number(name: &str, pattern: &Regexp) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && (name == "0" || !name.starts_with('0')) {
        return name
            .parse()
            .ok()
            .filter(|&number| number < pattern.group_count());
    }
    pattern.group_named(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, value: &str, text: &str, expected: Option<&str>) {
        let extract = Extract::new(pattern, value).expect("the row's pattern and value parse");
        assert_eq!(extract.apply(text).as_deref(), expected);
    }

    #[track_caller]
    fn check_unknown(pattern: &str, value: &str, name: &str) {
        let expected = ExtractError::UnknownGroup(Excerpt::new(name));
        assert_eq!(Extract::new(pattern, value), Err(expected));
    }

    #[test]
    fn groups_are_named_or_numbered() {
        check(
            r"^main-[0-9a-f]+-(?P<ts>\d+)$",
            "$ts",
            "main-3f2c-1700",
            Some("1700"),
        );
        check(r"^main-(\d+)$", "$1", "main-12", Some("12"));
        check(r"(\d+)\.(\d+)", "${2}.${1}", "v1.22", Some("22.1"));
        check(r"\d+", "$0", "build-12", Some("12"));
        check("(?P<1x>b)", "$1x", "abc", Some("b"));
    }

    #[test]
    fn a_tag_without_the_pattern_has_no_value() {
        check(r"^main-(\d+)$", "$1", "release-1", None);
        check(r"(.*)", "$1", "é", None);
    }

    #[test]
    fn a_group_that_took_no_part_is_empty() {
        check("(a)|(b)", "x$2", "a", Some("x"));
    }

    #[test]
    fn names_are_as_long_as_they_can_be() {
        check("(b)", "${1}x", "abc", Some("bx"));
        check("(b)", "$1-x", "abc", Some("b-x"));
        check_unknown("(b)", "$1x", "1x");
        check_unknown("(b)", "$1é", "1é");
    }

    #[test]
    fn a_group_that_does_not_exist_is_an_error() {
        check_unknown("(b)", "$2", "2");
        check_unknown("(b)", "$name", "name");
        check_unknown("(b)", "$01", "01");
        check_unknown("(b)", "$99999999999999999999", "99999999999999999999");
    }

    #[test]
    fn other_dollars_are_text() {
        check("(b)", "$$1", "b", Some("$1"));
        check("(b)", "$", "b", Some("$"));
        check("(b)", "$-${", "b", Some("$-${"));
        check("(b)", "${}${1", "b", Some("${}${1"));
        check("(b)", "", "b", Some(""));
    }

    #[test]
    fn faults_are_errors_before_any_tag_is_seen() {
        assert_eq!(
            Extract::new("(", ""),
            Err(ExtractError::Pattern(RegexpError::UnpairedParenthesis))
        );
        assert_eq!(
            Extract::new("", &"a".repeat(257)),
            Err(ExtractError::TooLong)
        );
    }
}
