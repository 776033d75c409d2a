//! A reference: `registry/path[:tag][@digest]`.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};
use super::repository::{Repository, RepositoryError};
use super::tag::{Tag, TagError};

/// An image as a manifest names it: a repository, with a tag, a digest, both or neither.
///
/// Printing gives the one spelling of [`Repository`]. Nothing adds `latest` where no tag stands:
/// what is not written is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The tag, where one is written.
    pub tag: Option<Tag>,
    /// The digest, where one is written.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// What stands before tag and digest is not a repository.
    #[error("the repository is not valid")]
    Repository(#[source] RepositoryError),
    /// What follows the last colon is not a tag.
    #[error("the tag is not valid")]
    Tag(#[source] TagError),
    /// What follows the `@` is not a digest.
    #[error("the digest is not valid")]
    Digest(#[source] DigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        // First, because a URL's password must not become a part of another error.
        if text.contains("://") {
            return Err(ReferenceError::Repository(RepositoryError::HasScheme));
        }
        let Parts { name, tag, digest } = Parts::split(text);
        let digest = digest
            .map(Digest::from_str)
            .transpose()
            .map_err(ReferenceError::Digest)?;
        let tag = tag
            .map(Tag::from_str)
            .transpose()
            .map_err(ReferenceError::Tag)?;
        let repository = Repository::from_name(name).map_err(ReferenceError::Repository)?;
        Ok(Self {
            repository,
            tag,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            repository,
            tag,
            digest,
        } = self;
        write!(formatter, "{repository}")?;
        if let Some(tag) = tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// The parts of a reference's text, not checked yet.
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Splits at the first `@`, and before it at the first colon behind the last slash. A colon
    /// before a slash belongs to a port.
    pub(super) fn split(text: &'a str) -> Self {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest)),
            None => (text, None),
        };
        let last_part = text.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match text[last_part..].find(':') {
            Some(colon) => {
                let colon = last_part + colon;
                (&text[..colon], Some(&text[colon + 1..]))
            }
            None => (text, None),
        };
        Self { name, tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let reference: Reference = text.parse().expect("the row's text is a reference");
        assert_eq!(reference.to_string(), expected);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &ReferenceError) {
        assert_eq!(text.parse::<Reference>().as_ref(), Err(expected));
    }

    #[test]
    fn tag_and_digest_are_kept_as_written() {
        check("nginx", "docker.io/library/nginx");
        check("nginx:1.25", "docker.io/library/nginx:1.25");
        check("localhost:5000/x", "localhost:5000/x");
        check("localhost:5000/x:1", "localhost:5000/x:1");
        check(&format!("x.io/a@{DIGEST}"), &format!("x.io/a@{DIGEST}"));
        check(&format!("x.io/a:1@{DIGEST}"), &format!("x.io/a:1@{DIGEST}"));
    }

    #[test]
    fn the_bad_part_is_named() {
        check_refused("nginx:", &ReferenceError::Tag(TagError::Empty));
        check_refused("nginx:^1", &ReferenceError::Tag(TagError::BadStart('^')));
        check_refused(
            "nginx:1:2",
            &ReferenceError::Tag(TagError::BadCharacter(':')),
        );
        check_refused(
            "a@b",
            &ReferenceError::Digest(DigestError::UnknownAlgorithm),
        );
        check_refused(":1", &ReferenceError::Repository(RepositoryError::Empty));
    }

    #[test]
    fn a_password_is_never_repeated() {
        for text in ["https://user:hunter2@ghcr.io/x", "user:hunter2@ghcr.io/x"] {
            let error = text.parse::<Reference>().expect_err("this is a URL");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same_reference(
            text in "((quay\\.io|localhost:5000)/)?[a-z]{1,9}(/[a-z0-9]{1,9})?\
                     (:[A-Za-z0-9_][A-Za-z0-9._-]{0,9})?(@sha256:[0-9a-f]{64})?",
        ) {
            let reference: Reference = text.parse().expect("the generator follows the grammar");
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }
    }
}
