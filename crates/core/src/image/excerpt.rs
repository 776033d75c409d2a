//! Outside text that goes into a message: made harmless and short, once, on the way in.
//!
//! It hides no secrets: text that may hold one must not become an excerpt.

use std::fmt;

use crate::text::visible;

/// The characters an excerpt shows at most.
const MAX_CHARACTERS: usize = 80;

/// A piece of somebody's input, fit to be shown in a message or a log.
///
/// Control characters and those that change the direction of text are left out, and what is
/// longer than 80 characters is cut and ends in `…`. [`Display`](fmt::Display) puts it in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Takes what can be shown of `text`.
    pub fn new(text: &str) -> Self {
        Self(visible(text, MAX_CHARACTERS).into_boxed_str())
    }

    /// The text without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(Excerpt::new(text).to_string(), shown);
    }

    #[test]
    fn plain_text_is_quoted() {
        check("latest", "\"latest\"");
    }

    #[test]
    fn control_and_direction_characters_are_left_out() {
        check("a\u{1b}[31m\nb\u{202e}c\u{0}", "\"a[31mbc\"");
    }

    #[test]
    fn long_text_is_cut() {
        check(&"a".repeat(80), &format!("\"{}\"", "a".repeat(80)));
        check(&"é".repeat(81), &format!("\"{}…\"", "é".repeat(80)));
    }
}
