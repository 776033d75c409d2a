//! Why a body can't be read.

use super::MAX_PUSHES;
use crate::image::{ReferenceError, RepositoryError, TagError};

/// Why a body can't be read. Nothing of the body is repeated but excerpts of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no JSON, or not that of the format.
    #[error("the body is not what this kind of webhook sends (line {line}, column {column})")]
    Json {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
    },
    /// Something inside the body is no Base64.
    #[error("{field} is not Base64")]
    Base64 {
        /// Where it stands.
        field: &'static str,
    },
    /// Something is missing that a push has.
    #[error("the body has no {field}")]
    Missing {
        /// Where it would stand.
        field: &'static str,
    },
    /// Neither the body nor the request's address says which registry it is.
    #[error("which registry is it? Add registry_url=HOST to the address of the webhook")]
    NoRegistry,
    /// What was pushed is no repository.
    #[error("the repository is not valid")]
    Repository(#[source] RepositoryError),
    /// What was pushed is no tag.
    #[error("the tag is not valid")]
    Tag(#[source] TagError),
    /// What was pushed is no reference.
    #[error("the reference is not valid")]
    Reference(#[source] ReferenceError),
    /// There are more pushes than [`MAX_PUSHES`].
    #[error("the body tells of more than {MAX_PUSHES} pushes")]
    TooManyPushes,
}
