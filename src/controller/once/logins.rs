//! The credentials of the person who calls: those named for a host, then docker's and git's own. They
//! serve where an object has none, and are shown only to the host that they are for.

use image_update_core::image::Repository;
use image_update_core::remote::RemoteUrl;

use crate::controller::error::Error;
use crate::git;
use crate::git::credential_helper;
use crate::program::ProgramError;
use crate::registry;
use crate::registry::docker::{DockerConfig, DockerError};

/// What a person has.
#[derive(Default)]
pub struct Logins {
    /// Credentials of registries, by `host` or `host:port`.
    pub registries: Vec<(String, registry::Credential)>,
    /// Credentials of git's servers, by `host` or `host:port`.
    pub remotes: Vec<(String, git::options::Credential)>,
    /// The docker configuration, with the programs that it names.
    pub docker: Option<DockerConfig>,
    /// Whether git's helpers are asked.
    pub asks_git: bool,
}

/// Why a person's credential can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// By docker's configuration.
    #[error(transparent)]
    Docker(DockerError),
    /// By git's helpers.
    #[error("could not run git credential fill")]
    Git(#[source] ProgramError),
}

impl Logins {
    /// As whom the registry of a repository is asked.
    pub(in crate::controller) async fn registry(
        &self,
        repository: &Repository,
    ) -> Result<Option<registry::Credential>, Error> {
        let host = repository.registry();
        if let Some((_, named)) = self.registries.iter().find(|(of, _)| of == host) {
            return Ok(Some(named.clone()));
        }
        let Some(docker) = &self.docker else {
            return Ok(None);
        };
        docker
            .find(repository)
            .await
            .map_err(|source| Error::Login {
                host: host.to_owned(),
                source: LoginError::Docker(source),
            })
    }

    /// As whom a remote is asked.
    pub(in crate::controller) async fn remote(
        &self,
        remote: &RemoteUrl,
    ) -> Result<Option<git::options::Credential>, Error> {
        let host = credential_helper::host(remote);
        if let Some((_, named)) = self.remotes.iter().find(|(of, _)| *of == host) {
            return Ok(Some(named.clone()));
        }
        if !self.asks_git {
            return Ok(None);
        }
        let found = credential_helper::find(remote).await;
        found.map_err(|source| Error::Login {
            host,
            source: LoginError::Git(source),
        })
    }
}
