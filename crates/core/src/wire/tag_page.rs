//! A page of a tag list.
//!
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags>

use std::borrow::Cow;

use serde::Deserialize;

/// Why a page can't be read: it is not the JSON it should be, perhaps cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its JSON cannot be read at line {line}, column {column}")]
pub struct Error {
    /// Counted from one.
    pub line: usize,
    /// Counted from one.
    pub column: usize,
}

/// The entries of a page, whatever they are. `null` is how registries written in Go spell "none";
/// a page without `tags` is no page.
pub fn parse(body: &[u8]) -> Result<Vec<Cow<'_, str>>, Error> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        tags: Tags<'a>,
    }
    /// Not an `Option` itself, so that a page without `tags` is refused.
    #[derive(Deserialize)]
    struct Tags<'a>(#[serde(borrow)] Option<Vec<Entry<'a>>>);
    /// Borrows; a `Vec<Cow<str>>` would not.
    #[derive(Deserialize)]
    struct Entry<'a>(#[serde(borrow)] Cow<'a, str>);

    let page: Page<'_> = serde_json::from_slice(body).map_err(|error| Error {
        line: error.line(),
        column: error.column(),
    })?;
    let entries = page.tags.0.unwrap_or_default();
    Ok(entries.into_iter().map(|entry| entry.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<&[&str]>) {
        let page = parse(body.as_bytes()).ok();
        let page: Option<Vec<&str>> = page
            .as_ref()
            .map(|tags| tags.iter().map(AsRef::as_ref).collect());
        assert_eq!(page.as_deref(), expected, "{body}");
    }

    #[test]
    fn only_a_page_of_tags_is_read() {
        check(
            r#"{"name": "a", "tags": ["1", "x y"]}"#,
            Some(&["1", "x y"]),
        );
        check(r#"{"tags": []}"#, Some(&[]));
        check(r#"{"tags": null}"#, Some(&[]));
        check(r#"{"name": "a"}"#, None);
        check(r#"{"tags": [1]}"#, None);
        check(r#"{"tags": ["1""#, None);
        check("[]", None);
    }
}
