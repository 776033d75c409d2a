//! What a registry says about an error, made fit to be repeated.
//!
//! Whoever reads an error may not be who gave the credential, so words that repeat one are dropped.

use std::fmt;

use image_update_core::image::Excerpt;
use serde::Deserialize;

/// What the registry itself says about an error; often nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remark(Option<Excerpt>);

impl Remark {
    /// Takes the first message of an error document, unless it repeats one of the secrets.
    pub(super) fn from_body(body: &[u8], secrets: &[&str]) -> Self {
        let message = Document::first(body).and_then(|item| item.message);
        // A part of a secret is as good as the whole: an echo is dropped, not repaired.
        let message = message.filter(|message| !repeats(message, secrets));
        let excerpt = message.map(|message| Excerpt::new(message.trim()));
        Self(excerpt.filter(|excerpt| !excerpt.as_str().is_empty()))
    }

    /// Whether the first error of an error document has this code.
    pub(super) fn has_code(body: &[u8], code: &str) -> bool {
        Document::first(body).and_then(|item| item.code).as_deref() == Some(code)
    }
}

/// An error document:
/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes>.
#[derive(Deserialize)]
struct Document {
    errors: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    code: Option<String>,
    message: Option<String>,
}

impl Document {
    fn first(body: &[u8]) -> Option<Item> {
        let document: Self = serde_json::from_slice(body).ok()?;
        document.errors.into_iter().next()
    }
}

fn repeats(message: &str, secrets: &[&str]) -> bool {
    secrets
        .iter()
        .any(|secret| !secret.is_empty() && message.contains(secret))
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(excerpt) => write!(formatter, "; it says {excerpt}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_first_message() {
        check(
            r#"{"errors":[{"code":"X","message":"slow down"},{"message":"b"}]}"#,
            r#"; it says "slow down""#,
        );
    }

    #[test]
    fn says_nothing_without_a_message() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"errors":[]}"#,
            r#"{"errors":[{}]}"#,
            r#"{"errors":[{"message":" "}]}"#,
        ] {
            check(body, "");
        }
    }

    #[test]
    fn makes_a_message_harmless_and_short() {
        check(
            r#"{"errors":[{"message":"a\u001b[31mb\nc"}]}"#,
            r#"; it says "a[31mbc""#,
        );
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(5000));
        check(&long, &format!(r#"; it says "{}…""#, "x".repeat(80)));
    }

    #[test]
    fn drops_a_message_that_repeats_a_secret() {
        check(r#"{"errors":[{"message":"bad password hunter2"}]}"#, "");
    }

    #[track_caller]
    fn check(body: &str, expected: &str) {
        assert_eq!(
            Remark::from_body(body.as_bytes(), &["", "hunter2"]).to_string(),
            expected
        );
    }
}
