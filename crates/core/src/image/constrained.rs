//! `image:constraint`, the form legacy annotations and the command line name an image in.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};
use super::reference::Parts;
use super::repository::{Repository, RepositoryError};

/// A repository with the text that says which of its tags are wanted: `ghcr.io/org/app:^1.2`.
///
/// What the constraint means is the strategy's business: a range of versions for semver, the
/// followed tag for digest. It is kept as it was written, blanks at its ends removed. A colon
/// before a slash belongs to a port, so `localhost:5000/x:^1.0` reads as it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstrainedReference {
    /// The repository.
    pub repository: Repository,
    /// The constraint, where one is written; never empty.
    pub constraint: Option<Box<str>>,
    /// The digest, where one is written.
    pub digest: Option<Digest>,
}

/// Why a text is not an image with a constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstrainedReferenceError {
    /// What stands before the constraint is not a repository.
    #[error("the repository is not valid")]
    Repository(#[source] RepositoryError),
    /// Nothing follows the colon.
    #[error("the constraint is missing: write one behind the colon, or leave out the colon")]
    EmptyConstraint,
    /// What follows the `@` is not a digest.
    #[error("the digest is not valid")]
    Digest(#[source] DigestError),
}

impl FromStr for ConstrainedReference {
    type Err = ConstrainedReferenceError;

    fn from_str(text: &str) -> Result<Self, ConstrainedReferenceError> {
        if text.contains("://") {
            return Err(ConstrainedReferenceError::Repository(
                RepositoryError::HasScheme,
            ));
        }
        let Parts { name, tag, digest } = Parts::split(text.trim());
        let digest = digest
            .map(Digest::from_str)
            .transpose()
            .map_err(ConstrainedReferenceError::Digest)?;
        let constraint = match tag.map(str::trim) {
            Some("") => return Err(ConstrainedReferenceError::EmptyConstraint),
            constraint => constraint.map(Box::from),
        };
        let repository =
            Repository::from_name(name).map_err(ConstrainedReferenceError::Repository)?;
        Ok(Self {
            repository,
            constraint,
            digest,
        })
    }
}

impl fmt::Display for ConstrainedReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            repository,
            constraint,
            digest,
        } = self;
        write!(formatter, "{repository}")?;
        if let Some(constraint) = constraint {
            write!(formatter, ":{constraint}")?;
        }
        if let Some(digest) = digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, repository: &str, constraint: Option<&str>) {
        let image: ConstrainedReference = text.parse().expect("the row's text is an image");
        assert_eq!(
            (image.repository.as_str(), image.constraint.as_deref()),
            (repository, constraint)
        );
    }

    #[test]
    fn a_port_is_not_a_constraint() {
        check(
            "localhost:5000/foo/bar:^1.0",
            "localhost:5000/foo/bar",
            Some("^1.0"),
        );
        check("registry:5000/foo:^1.0", "registry:5000/foo", Some("^1.0"));
        check("registry:5000/foo", "registry:5000/foo", None);
    }

    #[test]
    fn a_constraint_may_hold_what_a_tag_may_not() {
        check(
            "nginx:>=1.0 <2.0 || 3.x",
            "docker.io/library/nginx",
            Some(">=1.0 <2.0 || 3.x"),
        );
        check("nginx:~1", "docker.io/library/nginx", Some("~1"));
        check("nginx:latest", "docker.io/library/nginx", Some("latest"));
        check(" nginx: 1.x ", "docker.io/library/nginx", Some("1.x"));
    }

    #[test]
    fn the_bad_part_is_named() {
        let error = |text: &str| {
            text.parse::<ConstrainedReference>()
                .expect_err("the row is bad")
        };
        assert_eq!(error("nginx:"), ConstrainedReferenceError::EmptyConstraint);
        assert_eq!(
            error("nginx@sha256:1"),
            ConstrainedReferenceError::Digest(DigestError::WrongLength {
                algorithm: crate::image::Algorithm::Sha256,
                found: 1
            })
        );
        assert_eq!(
            error(":^1"),
            ConstrainedReferenceError::Repository(RepositoryError::Empty)
        );
        assert_eq!(
            error("oci://a:b@c/d:^1"),
            ConstrainedReferenceError::Repository(RepositoryError::HasScheme)
        );
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same_image(
            text in "((quay\\.io|localhost:5000)/)?[a-z]{1,9}(/[a-z0-9]{1,9})?(:[~^<>=0-9.x| ]{0,9})?",
        ) {
            if let Ok(image) = text.parse::<ConstrainedReference>() {
                prop_assert_eq!(image.to_string().parse(), Ok(image));
            }
        }
    }
}
