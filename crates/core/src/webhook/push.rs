//! A pushed tag.

use super::Error;
use crate::image::{Reference, Repository, Tag};

/// A tag that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The repositories that may be meant. Some registries can be addressed in several ways, and
    /// their webhooks do not say by which an image is pulled.
    pub repositories: Vec<Repository>,
    /// The tag.
    pub tag: Tag,
}

impl Push {
    /// A tag of `path` at `registry`.
    pub(super) fn new(registry: &str, path: &str, tag: &str) -> Result<Self, Error> {
        Self::of_any([(registry, path)], tag)
    }

    /// A tag of one of several spellings of a repository, as registry and path.
    pub(super) fn of_any<'a>(
        spellings: impl IntoIterator<Item = (&'a str, &'a str)>,
        tag: &str,
    ) -> Result<Self, Error> {
        let repositories: Result<Vec<_>, _> = spellings
            .into_iter()
            .map(|(registry, path)| repository(registry, path))
            .collect();
        Ok(Self {
            repositories: repositories?,
            tag: tag.parse().map_err(Error::Tag)?,
        })
    }

    /// The tag of a reference, `registry/path:tag`; `None` if it has none, as after a push by digest.
    /// `registry` replaces the reference's own.
    pub(super) fn of_reference(text: &str, registry: Option<&str>) -> Result<Option<Self>, Error> {
        let reference: Reference = with_lower_case_name(text)
            .parse()
            .map_err(Error::Reference)?;
        let Some(tag) = reference.tag else {
            return Ok(None);
        };
        let found = reference.repository;
        let repository = match registry {
            Some(registry) => repository(registry, found.path())?,
            None => found,
        };
        Ok(Some(Self {
            repositories: vec![repository],
            tag,
        }))
    }
}

/// Repositories are in lower case, but the accounts that some registries name them after are not.
fn repository(registry: &str, path: &str) -> Result<Repository, Error> {
    let path = path.trim_matches('/').to_ascii_lowercase();
    let text = format!("{}/{path}", host(registry));
    text.parse().map_err(Error::Repository)
}

/// The host, perhaps with a port, of what may be an address.
pub(super) fn host(text: &str) -> &str {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.split('/').next().unwrap_or_default()
}

/// The same with everything before tag and digest in lower case.
fn with_lower_case_name(reference: &str) -> String {
    let last_part = reference.rfind('/').map_or(0, |slash| slash + 1);
    let end = reference[last_part..]
        .find([':', '@'])
        .map_or(reference.len(), |at| last_part + at);
    format!(
        "{}{}",
        reference[..end].to_ascii_lowercase(),
        &reference[end..]
    )
}
