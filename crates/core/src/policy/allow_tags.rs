//! The legacy `allow-tags` value.

use super::filter::strip_regexp_keyword;
use super::regexp::{Regexp, RegexpError};
use crate::image::Excerpt;

/// Why an `allow-tags` value is not valid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AllowTagsError {
    /// It is neither `any` nor starts with `regexp:`.
    #[error("{0} does not say which tags to allow: expected any, or regexp: and a pattern")]
    UnknownForm(Excerpt),
    /// What follows `regexp:` is not valid.
    #[error("the regular expression of the tags to allow is not valid")]
    Regexp(#[source] RegexpError),
}

/// Reads the value of the `allow-tags` annotation: nothing or `any` for all tags, or
/// `regexp:<pattern>`; the words in any case.
///
/// The predecessor took any other value as "no tag", which looked like an image without updates.
pub fn parse_allow_tags(text: &str) -> Result<Option<Regexp>, AllowTagsError> {
    if text.is_empty() || text.eq_ignore_ascii_case("any") {
        return Ok(None);
    }
    let pattern = strip_regexp_keyword(text)
        .ok_or_else(|| AllowTagsError::UnknownForm(Excerpt::new(text)))?;
    pattern.parse().map(Some).map_err(AllowTagsError::Regexp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Result<Option<&str>, AllowTagsError>) {
        let parsed = parse_allow_tags(text);
        let parsed = parsed
            .as_ref()
            .map(|allow| allow.as_ref().map(Regexp::as_str));
        assert_eq!(parsed, expected.as_ref().copied());
    }

    #[test]
    fn nothing_and_any_allow_all() {
        check("", &Ok(None));
        check("any", &Ok(None));
        check("Any", &Ok(None));
    }

    #[test]
    fn regexp_is_the_rest_as_it_is() {
        check("regexp:^v[0-9]:x", &Ok(Some("^v[0-9]:x")));
        check("REGEXP: a", &Ok(Some(" a")));
        check("regexp:", &Ok(Some("")));
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in ["^v1", "glob:*", "regexp", " any"] {
            check(text, &Err(AllowTagsError::UnknownForm(Excerpt::new(text))));
        }
        check(
            "regexp:(",
            &Err(AllowTagsError::Regexp(RegexpError::UnpairedParenthesis)),
        );
    }
}
