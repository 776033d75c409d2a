//! The repositories an entry is about: those below a registry, or below a path of it.

use std::fmt;
use std::str::FromStr;

use super::problem::Fault;
use crate::image::{Excerpt, Repository};

/// What makes a repository of a prefix. Two parts, or Docker Hub would put `library` before them.
const PROBE: &str = "/a/b";

/// A registry, or a path of it: `ghcr.io`, `ghcr.io/org`, `localhost:5000`. Docker Hub and hosts
/// are spelled one way, as in a [`Repository`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(String);

impl Prefix {
    /// Whether a repository is meant. Parts of a path are compared whole: `ghcr.io/org` is not
    /// `ghcr.io/organisation`, whose credential may be somebody else's.
    pub fn covers(&self, repository: &Repository) -> bool {
        repository
            .as_str()
            .strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let invalid = || Fault::Prefix(Excerpt::new(text));
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let repository: Repository = format!("{trimmed}{PROBE}").parse().map_err(|_| invalid())?;
        let prefix = repository.as_str().strip_suffix(PROBE);
        // A name without a registry is one of Docker Hub, which it would have to say.
        let first = trimmed.split('/').next().unwrap_or_default();
        let names_its_registry = !repository.is_docker_hub() || first.contains('.');
        prefix
            .filter(|_| names_its_registry)
            .map(|prefix| Self(prefix.to_owned()))
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
