//! The flags that say how a registry is asked: as whom, trusting whom, for how long.
//!
//! Without any, it is asked as `docker pull` would: with the user's docker configuration. Programs
//! that keep passwords (credential helpers) are not run. No message repeats a credential, nor the
//! value of `--credentials`, which might be one by mistake.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use image_update_core::duration::{self, DurationError};
use image_update_core::image::Repository;
use image_update_core::wire::docker_config;

use super::failure::Failure;
use super::input::{self, ReadError};
use crate::config;
use crate::registry::conf::{Registries, Source};
use crate::registry::{Access, Credential};

/// Certificates are a few thousand bytes; a bundle of every public authority has 250,000.
const MAX_CERTIFICATE_BYTES: usize = 1024 * 1024;

const SECRET_HINT: &str =
    "save the Secret's .dockerconfigjson and name it with --docker-config FILE";

/// Flags about the registry.
#[derive(Args, Debug)]
pub(super) struct AccessFlags {
    /// As whom the registry is asked: `env:NAME`, where the environment variable NAME holds
    /// user:password. Unset: as the docker configuration says, else as anybody
    #[arg(long, value_name = "SOURCE", conflicts_with = "docker_config")]
    credentials: Option<String>,

    /// The docker configuration to use, such as the data of a pull secret. Unset:
    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,

    /// A file about registries, as argocd-image-updater has it: where their APIs are, and
    /// credentials where none is given here. Its Secrets are not read
    #[arg(long, value_name = "FILE")]
    registries_conf_path: Option<PathBuf>,

    /// Runs the programs that `ext:` credentials of that file name
    #[arg(long, requires = "registries_conf_path")]
    allow_ext_credentials: bool,

    /// Certificate authorities to trust besides the system's, as PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Accepts any certificate, and plain HTTP where the registry does not speak TLS
    #[arg(long)]
    insecure: bool,

    /// How long the registry may take to answer, all requests together: `30s`, `2m`
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    timeout: Duration,
}

/// Why a timeout is refused.
#[derive(Debug, thiserror::Error)]
enum TimeoutError {
    #[error("{0}")]
    Duration(DurationError),
    #[error("it must be longer than nothing")]
    Zero,
}

/// Why `--credentials` gives no credential. The value is not repeated.
#[derive(Debug, thiserror::Error)]
enum CredentialsError {
    #[error("--credentials names a Secret, and no cluster is asked here")]
    Secret,
    #[error("the file of --registries-conf-path names a Secret, and no cluster is asked here")]
    ConfiguredSecret,
    #[error("--credentials names a program, and none is run here")]
    Program,
    #[error("--credentials has a form that is not known")]
    UnknownForm,
    #[error("--credentials names an environment variable that is not set, or not text")]
    NoVariable,
    #[error("--credentials names an environment variable whose value is not user:password")]
    NotAPair,
}

fn timeout(text: &str) -> Result<Duration, TimeoutError> {
    let timeout = duration::parse(text).map_err(TimeoutError::Duration)?;
    if timeout.is_zero() {
        return Err(TimeoutError::Zero);
    }
    Ok(timeout)
}

impl AccessFlags {
    /// How `repository` is asked.
    pub(super) async fn access(&self, repository: &Repository) -> Result<Access, Failure> {
        let ca_pem = self.ca_file.as_deref().map(|path| {
            input::read(path, MAX_CERTIFICATE_BYTES)
                .map_err(|error| Failure::from(error).about("--ca-file"))
        });
        let mut access = Access {
            credential: self.given_credential(repository)?,
            ca_pem: ca_pem.transpose()?,
            client_identity_pem: None,
            configured: None,
            insecure: self.insecure,
            timeout: self.timeout,
        };
        self.configure(repository, &mut access).await?;
        if access.credential.is_none()
            && let Some(path) = config::docker_config_file().filter(|path| path.exists())
        {
            access.credential = in_docker_config(&path, repository)?;
        }
        Ok(access)
    }

    /// Lays over `access` what the file about registries says.
    async fn configure(&self, repository: &Repository, access: &mut Access) -> Result<(), Failure> {
        let Some(path) = &self.registries_conf_path else {
            return Ok(());
        };
        let about = |failure: Failure| failure.about("--registries-conf-path");
        let registries = Registries::load(path, config::variable, self.allow_ext_credentials);
        let registries = registries.map_err(|error| {
            about(Failure::input(error).hint("mend it, or leave out --registries-conf-path"))
        })?;
        let Some(registry) = registries.find(repository) else {
            return Ok(());
        };
        if access.credential.is_none() {
            let source = registries.credential(&registry).await;
            let source = source.map_err(|error| {
                about(Failure::failed(error).hint("or name another one with --credentials"))
            })?;
            access.credential = match source {
                Source::Nowhere => None,
                Source::Here(credential) => Some(credential),
                Source::PullSecret { .. } | Source::Secret { .. } => {
                    return Err(
                        Failure::input(CredentialsError::ConfiguredSecret).hint(SECRET_HINT)
                    );
                }
            };
        }
        registries.apply(registry, access);
        Ok(())
    }

    /// What the flags say.
    fn given_credential(&self, repository: &Repository) -> Result<Option<Credential>, Failure> {
        if let Some(source) = &self.credentials {
            let credential = named(source).map_err(|error| {
                let hint = match error {
                    CredentialsError::Secret | CredentialsError::ConfiguredSecret => SECRET_HINT,
                    CredentialsError::Program
                    | CredentialsError::UnknownForm
                    | CredentialsError::NoVariable
                    | CredentialsError::NotAPair => {
                        "write env:NAME, and put user:password into the environment variable NAME"
                    }
                };
                Failure::input(error).hint(hint)
            })?;
            return Ok(Some(credential));
        }
        if let Some(path) = &self.docker_config {
            return in_docker_config(path, repository)
                .map_err(|failure| failure.about("--docker-config"));
        }
        Ok(None)
    }
}

/// The credential of `env:NAME`, one of the old updater's forms; the others are told apart so that
/// a person learns what to do instead.
fn named(source: &str) -> Result<Credential, CredentialsError> {
    match source.split_once(':') {
        Some(("env", name)) => {
            let value = config::variable(name).ok_or(CredentialsError::NoVariable)?;
            Credential::from_pair(&value).ok_or(CredentialsError::NotAPair)
        }
        Some(("secret" | "pullsecret", _)) => Err(CredentialsError::Secret),
        Some(("ext", _)) => Err(CredentialsError::Program),
        _ => Err(CredentialsError::UnknownForm),
    }
}

/// What a docker configuration has for a repository.
fn in_docker_config(path: &Path, repository: &Repository) -> Result<Option<Credential>, Failure> {
    let config = input::read(path, docker_config::MAX_BYTES)
        .map_err(|error: ReadError| Failure::from(error))?;
    let auth = docker_config::find(&config, repository.registry(), repository.path())
        .with_context(|| input::shown(path))
        .map_err(|error| {
            Failure::input(error).hint("mend it, or log in again: docker login REGISTRY")
        })?;
    Ok(auth.map(Credential::from))
}
