//! Globs as Go's `filepath.Match` reads them on Unix.
//!
//! A bad glob is refused when it is read, even where no text would make Go look at the bad part.

use std::fmt;
use std::str::{Chars, FromStr};

/// A shell pattern: `*-rc*`, `1.2?`, `[0-9]*`, `[^a]`.
///
/// `*` is any text and `?` any one character, both without `/`. A class holds characters and
/// ranges and is negated by `^` (not by `!`). A backslash takes the next character as it is. The
/// whole text must match.
///
/// Rules: <https://pkg.go.dev/path/filepath#Match>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    tokens: Vec<Token>,
}

/// Why a text is not a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It has more than [`Glob::MAX_LENGTH`] bytes.
    #[error("the glob is longer than {} characters", Glob::MAX_LENGTH)]
    TooLong,
    /// Nothing follows a backslash.
    #[error("the glob ends in a backslash")]
    DanglingBackslash,
    /// A `[` has no `]`.
    #[error("the glob has a [ without its ]")]
    UnclosedClass,
    /// A class has nothing in it, or an unescaped `-` or `]` where a character is due.
    #[error(
        "the glob has a class that is empty or has a stray - or ]: escape them with a backslash"
    )]
    BadClass,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Any text without `/`.
    Star,
    /// One character that is not `/`.
    AnyCharacter,
    Literal(char),
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// The bytes a glob has at most.
    pub const MAX_LENGTH: usize = 256;

    /// Whether the whole text matches. Takes at most the product of both lengths in steps.
    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text.chars();
        // The last star, and the text it may give back to what follows it.
        let mut retry: Option<(&[Token], Chars<'_>)> = None;
        loop {
            if let [Token::Star, after @ ..] = tokens {
                tokens = after;
                retry = Some((after, rest.clone()));
                continue;
            }
            let mut ahead = rest.clone();
            match (tokens, ahead.next()) {
                ([], None) => return true,
                ([token, after @ ..], Some(character)) if token.takes(character) => {
                    (tokens, rest) = (after, ahead);
                    continue;
                }
                _ => {}
            }
            let Some((after, taken)) = &mut retry else {
                return false;
            };
            if taken.next().is_none_or(|character| character == '/') {
                return false;
            }
            (tokens, rest) = (*after, taken.clone());
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::AnyCharacter => character != '/',
            Self::Literal(literal) => *literal == character,
            Self::Class { is_negated, ranges } => {
                ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&character))
                    != *is_negated
            }
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(GlobError::TooLong);
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '*' => Token::Star,
                '?' => Token::AnyCharacter,
                '\\' => Token::Literal(rest.next().ok_or(GlobError::DanglingBackslash)?),
                '[' => parse_class(&mut rest)?,
                literal => Token::Literal(literal),
            });
        }
        Ok(Self {
            text: text.into(),
            tokens,
        })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// Reads a class behind its `[`, up to and with its `]`.
fn parse_class(rest: &mut Chars<'_>) -> Result<Token, GlobError> {
    let is_negated = take(rest, '^');
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && take(rest, ']') {
            return Ok(Token::Class { is_negated, ranges });
        }
        let low = parse_class_character(rest)?;
        let high = if take(rest, '-') {
            parse_class_character(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// Takes the character off the front, if it is there.
fn take(rest: &mut Chars<'_>, expected: char) -> bool {
    let mut ahead = rest.clone();
    let is_there = ahead.next() == Some(expected);
    if is_there {
        *rest = ahead;
    }
    is_there
}

fn parse_class_character(rest: &mut Chars<'_>) -> Result<char, GlobError> {
    match rest.next() {
        Some('-' | ']') => Err(GlobError::BadClass),
        Some('\\') => rest.next().ok_or(GlobError::DanglingBackslash),
        Some(character) => Ok(character),
        None => Err(GlobError::UnclosedClass),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(glob: &str, matching: &[&str], others: &[&str]) {
        let parsed: Glob = glob.parse().expect("the row's glob parses");
        for text in matching {
            assert!(parsed.matches(text), "{glob} should match {text}");
        }
        for text in others {
            assert!(!parsed.matches(text), "{glob} should not match {text}");
        }
    }

    #[track_caller]
    fn check_refused(glob: &str, expected: GlobError) {
        assert_eq!(glob.parse::<Glob>(), Err(expected));
    }

    #[test]
    fn a_glob_matches_the_whole_text() {
        check("", &[""], &["a"]);
        check("abc", &["abc"], &["ab", "abcd", "xabc"]);
    }

    #[test]
    fn star_takes_any_text_without_a_slash() {
        check("*", &["", "a", "1.2.3"], &["a/b", "/"]);
        check("*-rc*", &["1.0-rc1", "-rc", "a-rc-rc"], &["1.0-r", "rc"]);
        check("a*b*c", &["abc", "aXbYc", "abbcc"], &["abcd", "ac"]);
        check("a**b", &["ab", "axb"], &["a"]);
        check("*/b", &["a/b"], &["a/c/b"]);
    }

    #[test]
    fn question_mark_takes_one_character() {
        check("1.?", &["1.2", "1.é"], &["1.", "1.22", "1./"]);
    }

    #[test]
    fn classes_have_ranges_and_a_caret() {
        check("[a-c]x", &["ax", "cx"], &["dx", "x"]);
        check("[^a]", &["b", "/"], &["a", ""]);
        check("[!a]", &["!", "a"], &["b"]);
        check("[0-9.]*", &["1.2", ".x"], &["v1"]);
        check("[b-a]", &[], &["a", "b"]);
        check("[a^]", &["a", "^"], &["b"]);
    }

    #[test]
    fn backslash_takes_the_next_as_it_is() {
        check("\\*", &["*"], &["a", "\\*"]);
        check("[\\]\\-]", &["]", "-"], &["\\"]);
        check("[a\\-z]", &["-", "z"], &["b"]);
    }

    #[test]
    fn bad_globs_are_refused_wherever_the_fault_is() {
        check_refused("a\\", GlobError::DanglingBackslash);
        check_refused("[\\", GlobError::DanglingBackslash);
        check_refused("[", GlobError::UnclosedClass);
        check_refused("[a", GlobError::UnclosedClass);
        check_refused("[^", GlobError::UnclosedClass);
        check_refused("[a-", GlobError::UnclosedClass);
        check_refused("[]", GlobError::BadClass);
        check_refused("[^]", GlobError::BadClass);
        check_refused("[]a]", GlobError::BadClass);
        check_refused("[-a]", GlobError::BadClass);
        check_refused("[a-]", GlobError::BadClass);
        check_refused("a-very-long-start[a-b-c]", GlobError::BadClass);
        check_refused(&"a".repeat(257), GlobError::TooLong);
    }

    #[test]
    fn many_stars_do_not_explode() {
        let glob = "a*".repeat(100);
        check(
            &glob,
            &[&"a".repeat(128)],
            &[&format!("{}b/", "a".repeat(128))],
        );
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_itself_alone(text in "[a-c*?\\[\\]^-]{0,6}", other in "[a-c*]{0,6}") {
            let escaped: String = text.chars().flat_map(|character| ['\\', character]).collect();
            let glob: Glob = escaped.parse().expect("every character is escaped");
            prop_assert!(glob.matches(&text));
            prop_assert_eq!(glob.matches(&other), text == other);
        }

        #[test]
        fn a_star_may_stand_for_any_middle(start in "[a-z]{0,4}", middle in "[a-z]{0,4}", end in "[a-z]{0,4}") {
            let glob: Glob = format!("{start}*{end}").parse().expect("letters and a star");
            prop_assert!(glob.matches(&format!("{start}{middle}{end}")), "{}", glob);
        }
    }
}
