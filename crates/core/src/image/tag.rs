//! A tag, as the OCI distribution specification allows it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A tag of an image: `1.2.3`, `latest`.
///
/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`, so always ASCII. Tags are ordered by their bytes. A clone
/// shares the text: a tag list is held once however many decisions refer to it.
///
/// Grammar: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The bytes a tag has at most.
    pub const MAX_LENGTH: usize = 128;

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A tag of text that was one before.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(text.into())
    }
}

/// Why a text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// There is no text.
    #[error("the tag is empty")]
    Empty,
    /// It has more than [`Tag::MAX_LENGTH`] bytes.
    #[error("the tag is longer than {} characters", Tag::MAX_LENGTH)]
    TooLong,
    /// A tag starts with a letter, a digit or `_`.
    #[error("a tag cannot start with {0:?}")]
    BadStart(char),
    /// A tag has letters, digits, `_`, `.` and `-`.
    #[error("a tag cannot hold {0:?}")]
    BadCharacter(char),
}

impl Tag {
    /// Whether `text` is a tag, for those who need none of its own.
    pub(super) fn check(text: &str) -> Result<(), TagError> {
        let first = text.chars().next().ok_or(TagError::Empty)?;
        if text.len() > Self::MAX_LENGTH {
            return Err(TagError::TooLong);
        }
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !is_word(first) {
            return Err(TagError::BadStart(first));
        }
        let bad = text
            .chars()
            .find(|&character| !is_word(character) && !".-".contains(character));
        match bad {
            Some(character) => Err(TagError::BadCharacter(character)),
            None => Ok(()),
        }
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        Self::check(text).map(|()| Self(text.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A set of tags can be asked with a `&str`.
impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), TagError>) {
        assert_eq!(
            text.parse::<Tag>()
                .map(|tag| assert_eq!(tag.as_str(), text)),
            expected
        );
    }

    #[test]
    fn letters_digits_and_three_marks_are_a_tag() {
        check("latest", Ok(()));
        check("_1.2-RC_3", Ok(()));
        check(&"a".repeat(128), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        check("", Err(TagError::Empty));
        check(&"a".repeat(129), Err(TagError::TooLong));
        check(".1", Err(TagError::BadStart('.')));
        check("-1", Err(TagError::BadStart('-')));
        check("1.0+1", Err(TagError::BadCharacter('+')));
        check("1 ", Err(TagError::BadCharacter(' ')));
        check("é", Err(TagError::BadStart('é')));
    }

    #[test]
    fn a_tag_list_of_millions_stays_small() {
        assert_eq!(size_of::<Tag>(), 16);
        assert_eq!(size_of::<Option<Tag>>(), 16);
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same_tag(text in "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}") {
            let tag: Tag = text.parse().expect("the generator follows the grammar");
            prop_assert_eq!(tag.to_string().parse(), Ok(tag));
        }

        #[test]
        fn any_text_is_a_tag_or_an_error(text in ".*") {
            let parsed = text.parse::<Tag>();
            prop_assert!(parsed.is_err() || parsed.is_ok_and(|tag| tag.as_str() == text));
        }
    }
}
