//! The credentials that `registries.conf` names, as far as no cluster is needed for them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use image_update_core::registries_conf::{CredentialSource, Registry};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::Registries;
use crate::program::{self, Call, ProgramError};
use crate::registry::Credential;

/// Reads environment variables: `None` for one that is not set, empty, or not text.
pub type Environment = fn(&str) -> Option<Zeroizing<String>>;

/// What programs said, by their paths.
pub(super) type Cached = HashMap<PathBuf, (Credential, Instant)>;

/// Where the credential of a registry comes from.
#[derive(Debug)]
pub enum Source {
    /// It has none.
    Nowhere,
    /// It is this one.
    Here(Credential),
    /// A Secret with a docker configuration.
    PullSecret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A field of a Secret.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
    },
}

/// Why there is no credential. No value is repeated, nor anything that a program said.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The variable is not there.
    #[error("the environment variable {name} is not set, or not text")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// It is something else.
    #[error("{origin} did not give user:password")]
    NotAPair {
        /// The variable or program.
        origin: CredentialSource,
    },
    /// Programs are not run unless that was asked for.
    #[error("{} is not run: that needs --allow-ext-credentials", .path.display())]
    ProgramsNotAllowed {
        /// The program.
        path: PathBuf,
    },
    /// The program failed.
    #[error("could not run {} for a credential", .path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProgramError,
    },
}

impl Registries {
    /// The credential of a registry, or the Secret that has it.
    ///
    /// What a program says is used for `credsexpire`, or until [`Self::refuse`].
    pub async fn credential(&self, registry: &Registry) -> Result<Source, CredentialError> {
        match &registry.credentials {
            None => Ok(Source::Nowhere),
            Some(CredentialSource::PullSecret { namespace, name }) => Ok(Source::PullSecret {
                namespace: namespace.clone(),
                name: name.clone(),
            }),
            Some(CredentialSource::Secret {
                namespace,
                name,
                field,
            }) => Ok(Source::Secret {
                namespace: namespace.clone(),
                name: name.clone(),
                field: field.clone(),
            }),
            Some(origin @ CredentialSource::Environment(name)) => {
                let value = (self.environment)(name);
                let value =
                    value.ok_or_else(|| CredentialError::NoVariable { name: name.clone() })?;
                pair(&value, origin).map(Source::Here)
            }
            Some(origin @ CredentialSource::Program(path)) => {
                let found = self.run_program(registry, origin, path).await;
                found.map(Source::Here)
            }
        }
    }

    /// Forgets what a program said, because the registry does not take it: it is run again.
    pub fn refuse(&self, registry: &Registry) {
        if let Some(CredentialSource::Program(path)) = &registry.credentials {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            cached.remove(path);
        }
    }

    async fn run_program(
        &self,
        registry: &Registry,
        origin: &CredentialSource,
        path: &PathBuf,
    ) -> Result<Credential, CredentialError> {
        if !self.runs_programs {
            return Err(CredentialError::ProgramsNotAllowed { path: path.clone() });
        }
        {
            let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((credential, time)) = cached.get(path)
                && registry
                    .credentials_expire
                    .is_none_or(|after| time.elapsed() < after)
            {
                return Ok(credential.clone());
            }
        }
        let said = program::run(path.as_os_str(), Call::default()).await;
        let said = said.map_err(|source| CredentialError::Program {
            path: path.clone(),
            source,
        })?;
        let credential = pair(&said, origin)?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.insert(path.clone(), (credential.clone(), Instant::now()));
        Ok(credential)
    }
}

fn pair(text: &str, origin: &CredentialSource) -> Result<Credential, CredentialError> {
    Credential::from_pair(text).ok_or_else(|| CredentialError::NotAPair {
        origin: origin.clone(),
    })
}
