//! Reads `registries.conf`, the old updater's file about registries, and finds what it says about
//! a repository.
//!
//! Every key of that file is read as the old updater read it; what it took silently and could not
//! mean is refused here, with the line. This module opens nothing: a certificate authority's file
//! and the places of credentials are names here, and who calls looks behind them.

mod credential;
mod prefix;
mod problem;
mod read;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::image::Repository;

pub use credential::CredentialSource;
pub(crate) use credential::is_object_name;
pub use prefix::Prefix;
pub use problem::{Fault, Problem, Problems, Warning};

/// The largest file that is read, in bytes: a `ConfigMap` holds no more.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most registries of one file.
pub const MAX_REGISTRIES: usize = 1000;

/// The registries of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistriesConf {
    /// In the order of the file.
    pub registries: Vec<Registry>,
    /// What was read and has no effect, or another one than its author may think.
    pub warnings: Vec<Warning>,
}

/// What the file says about one registry, or about a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// `name`: free text, for messages.
    pub name: String,
    /// `prefix`: the repositories that are meant. Without one, those whose names give no registry.
    pub prefix: Option<Prefix>,
    /// `api_url`: where the API is, with the path that stands before `/v2/`; `http` or `https`,
    /// without a user, a query or a fragment.
    pub api_url: Url,
    /// `credentials`: where the credential is.
    pub credentials: Option<CredentialSource>,
    /// `credsexpire`: how long a credential that was read is used; `None` until it is refused.
    pub credentials_expire: Option<Duration>,
    /// `insecure`: takes any certificate.
    pub insecure: bool,
    /// `ca_file`: a file with certificate authorities to trust besides the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// `ca_data`: such authorities themselves.
    pub ca_data: Option<String>,
    /// `defaultns`: the namespace of repositories whose path has one part.
    pub default_namespace: Option<String>,
    /// `limit`: the most requests a second; `None` when it is missing, zero or negative.
    pub limit: Option<NonZeroU32>,
    /// `default`: serves the repositories whose names give no registry.
    pub is_default: bool,
}

impl RegistriesConf {
    /// Reads a file; an empty one names no registry.
    ///
    /// All problems are reported at once, in the order of the lines.
    pub fn parse(file: &[u8]) -> Result<Self, Problems> {
        read::file(file)
    }

    /// What is said about a repository: by the entry with the longest prefix, and for Docker Hub,
    /// whose name images may leave out, else by the default entry, else by the one without a
    /// prefix.
    pub fn find(&self, repository: &Repository) -> Option<&Registry> {
        let by_prefix = self.registries.iter().filter_map(|registry| {
            let prefix = registry.prefix.as_ref()?;
            prefix.covers(repository).then_some((prefix, registry))
        });
        let longest = by_prefix.max_by_key(|(prefix, _)| prefix.as_str().len());
        if let Some((_, registry)) = longest {
            return Some(registry);
        }
        if !repository.is_docker_hub() {
            return None;
        }
        let mut registries = self.registries.iter();
        registries
            .find(|registry| registry.is_default)
            .or_else(|| self.registries.iter().find(|it| it.prefix.is_none()))
    }
}

impl Registry {
    /// The path that this registry is asked for.
    ///
    /// `defaultns` stands before a path of one part; Docker Hub's own default, `library`, is such
    /// a path in its one spelling, so it gives way.
    pub fn path_of(&self, repository: &Repository) -> String {
        let path = repository.path();
        let name = if repository.is_docker_hub() {
            path.strip_prefix("library/").unwrap_or(path)
        } else {
            path
        };
        match &self.default_namespace {
            Some(namespace) if !name.contains('/') => format!("{namespace}/{name}"),
            Some(_) | None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
