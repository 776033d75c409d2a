//! The docker configuration of a person, with the programs that it names: for commands only.
//!
//! A program is asked about one registry, and what it says is shown to that registry only.

use std::ffi::OsString;

use image_update_core::image::Repository;
use image_update_core::wire::docker_config::{self, Auth};
use tracing::warn;
use zeroize::Zeroizing;

use super::Credential;
use crate::program::{self, Call, ProgramError};

/// What programs that hold passwords are called, before their own name.
const PROGRAM_PREFIX: &str = "docker-credential-";

/// A docker configuration.
pub struct DockerConfig(Zeroizing<Vec<u8>>);

/// Why a docker configuration gives no credential.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The file, or what a program printed, can't be read.
    #[error("{0}")]
    Config(docker_config::Error),
    /// A program could not be run.
    #[error("could not run {program} for a credential")]
    Program {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
}

impl DockerConfig {
    /// Takes the content of a `config.json`.
    pub fn new(content: Vec<u8>) -> Self {
        Self(Zeroizing::new(content))
    }

    /// The credential for a repository: what the registry's own program says, else what is in the
    /// file, else what the program says that has all others.
    pub async fn find(&self, repository: &Repository) -> Result<Option<Credential>, DockerError> {
        let registry = repository.registry();
        let helpers = docker_config::helpers(&self.0, registry).map_err(DockerError::Config)?;
        if let Some(name) = &helpers.own {
            return ask(name, registry).await;
        }
        let found = docker_config::find(&self.0, registry, repository.path());
        if let Some(auth) = found.map_err(DockerError::Config)? {
            return Ok(Some(auth.into()));
        }
        match &helpers.store {
            Some(name) => ask(name, registry).await,
            None => Ok(None),
        }
    }
}

/// Asks a program. One that fails has nothing for the registry: they say so by failing.
async fn ask(name: &str, registry: &str) -> Result<Option<Credential>, DockerError> {
    let program = format!("{PROGRAM_PREFIX}{name}");
    let call = Call {
        arguments: &["get"],
        input: docker_config::helper_key(registry),
        ..Call::default()
    };
    match program::run(&OsString::from(&program), call).await {
        Ok(printed) => {
            let auth = docker_config::helper_answer(printed.as_bytes());
            let auth: Option<Auth> = auth.map_err(DockerError::Config)?;
            Ok(auth.map(Credential::from))
        }
        Err(ProgramError::Failed(status)) => {
            warn!(program, %status, "A docker credential helper has nothing for {registry}");
            Ok(None)
        }
        Err(source) => Err(DockerError::Program { program, source }),
    }
}

impl std::fmt::Debug for DockerConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DockerConfig(redacted)")
    }
}
