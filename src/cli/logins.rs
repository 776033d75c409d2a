//! The flags that say how registries and git remotes are asked where no cluster has the credentials.
//!
//! A credential is named for a host, and its value is in the environment: it stands in no command line.
//! No message repeats one.

use std::path::{Path, PathBuf};

use clap::Args;
use image_update_core::wire::docker_config;

use super::failure::Failure;
use super::input;
use crate::config::{self, ArgocdCredentials};
use crate::controller::once::Logins;
use crate::git;
use crate::registry;
use crate::registry::conf::Registries;
use crate::registry::docker::DockerConfig;

/// How a pair is written.
const FORM_HINT: &str =
    "write HOST=env:NAME, and put user:password into the environment variable NAME";

/// Flags about registries, git remotes and Argo CD.
#[derive(Args, Debug)]
pub(super) struct LoginFlags {
    /// A file about registries, as argocd-image-updater has it: where their APIs are, how fast they
    /// may be asked, and credentials for objects that name none
    #[arg(long, env = "IMAGE_UPDATE_REGISTRIES_CONF_PATH", value_name = "FILE")]
    registries_conf_path: Option<PathBuf>,

    /// Runs the programs that `ext:` credentials of that file name
    #[arg(long, requires = "registries_conf_path")]
    allow_ext_credentials: bool,

    /// As whom a git server is asked where no Secret says so: `HOST=env:NAME`, where the environment
    /// variable NAME holds user:password. May be given again
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_CREDENTIALS",
        value_name = "HOST=env:NAME",
        value_delimiter = ','
    )]
    git_credentials: Vec<String>,

    /// The same for registries
    #[arg(
        long,
        env = "IMAGE_UPDATE_REGISTRY_CREDENTIALS",
        value_name = "HOST=env:NAME",
        value_delimiter = ','
    )]
    registry_credentials: Vec<String>,

    /// Asks neither the docker configuration nor git's credential helpers, which serve where nothing
    /// else says as whom a registry or a git server is asked
    #[arg(long)]
    no_user_credentials: bool,

    /// The namespace of Argo CD
    #[arg(
        long,
        env = "IMAGE_UPDATE_ARGOCD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "argocd"
    )]
    argocd_namespace: String,

    /// Which policies may use Argo CD's own repository credentials
    #[arg(
        long,
        env = "IMAGE_UPDATE_ARGOCD_CREDENTIALS",
        value_enum,
        default_value_t = ArgocdCredentials::Own
    )]
    argocd_credentials: ArgocdCredentials,
}

/// Why a text names no credential. The value is not repeated.
#[derive(Debug, thiserror::Error)]
enum NamedError {
    #[error("it is not HOST=env:NAME")]
    Form,
    #[error("the environment variable {0} is not set, or not text")]
    NoVariable(String),
    #[error("the environment variable {0} does not hold user:password")]
    NotAPair(String),
}

impl LoginFlags {
    /// The namespace of Argo CD.
    pub(super) fn argocd_namespace(&self) -> String {
        self.argocd_namespace.clone()
    }

    /// Which policies may use Argo CD's credentials.
    pub(super) fn argocd_credentials(&self) -> ArgocdCredentials {
        self.argocd_credentials
    }

    /// What the file about registries says.
    pub(super) fn registries(&self) -> Result<Registries, Failure> {
        let Some(path) = &self.registries_conf_path else {
            return Ok(Registries::none(config::variable));
        };
        let loaded = Registries::load(path, config::variable, self.allow_ext_credentials);
        loaded.map_err(|error| {
            Failure::input(error)
                .about("--registries-conf-path")
                .hint("mend it, or leave out --registries-conf-path")
        })
    }

    /// The credentials of the person who calls.
    pub(super) fn logins(&self) -> Result<Logins, Failure> {
        let registries = named("--registry-credentials", &self.registry_credentials)?;
        let remotes = named("--git-credentials", &self.git_credentials)?;
        let registry_credential = |(host, user, password): Named| {
            (host, registry::Credential::basic(user, password.as_str()))
        };
        let git_credential = |(host, user, password): Named| {
            let credential = git::options::Credential::basic(user, password.as_str());
            (host, credential)
        };
        Ok(Logins {
            registries: registries.into_iter().map(registry_credential).collect(),
            remotes: remotes.into_iter().map(git_credential).collect(),
            docker: self.docker()?,
            asks_git: !self.no_user_credentials,
        })
    }

    fn docker(&self) -> Result<Option<DockerConfig>, Failure> {
        let file = config::docker_config_file().filter(|path| path.exists());
        let Some(path) = file.filter(|_| !self.no_user_credentials) else {
            return Ok(None);
        };
        let content = input::read(Path::new(&path), docker_config::MAX_BYTES)?;
        Ok(Some(DockerConfig::new(content)))
    }
}

/// A host, a user and a password.
type Named = (String, String, zeroize::Zeroizing<String>);

fn named(flag: &str, texts: &[String]) -> Result<Vec<Named>, Failure> {
    let texts = texts.iter().filter(|text| !text.is_empty());
    let read = texts.map(|text| {
        parse(text, config::variable)
            .map_err(|error| Failure::input(error).about(flag.to_owned()).hint(FORM_HINT))
    });
    read.collect()
}

fn parse(text: &str, variable: registry::conf::Environment) -> Result<Named, NamedError> {
    let (host, source) = text.split_once('=').ok_or(NamedError::Form)?;
    let name = source.strip_prefix("env:").filter(|name| !name.is_empty());
    let name = name.filter(|_| !host.is_empty()).ok_or(NamedError::Form)?;
    let value = variable(name).ok_or_else(|| NamedError::NoVariable(name.to_owned()))?;
    let pair = value.trim_end_matches(['\r', '\n']).split_once(':');
    let pair = pair.filter(|(user, _)| !user.is_empty());
    let (user, password) = pair.ok_or_else(|| NamedError::NotAPair(name.to_owned()))?;
    let password = zeroize::Zeroizing::new(password.to_owned());
    Ok((host.to_owned(), user.to_owned(), password))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn variable(name: &str) -> Option<Zeroizing<String>> {
        let value = match name {
            "GOOD" => "robot:pa:ss\n",
            "TOKEN" => "secret-token",
            _ => return None,
        };
        Some(Zeroizing::new(value.to_owned()))
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str, &str), &str>) {
        let actual = parse(text, variable);
        let actual = actual.map(|(host, user, password)| format!("{host} {user} {}", *password));
        let expected = expected.map(|(host, user, password)| format!("{host} {user} {password}"));
        assert_eq!(
            actual.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_credential_is_for_a_host_and_its_value_in_the_environment() {
        check(
            "git.example:8443=env:GOOD",
            Ok(("git.example:8443", "robot", "pa:ss")),
        );
        check("git.example", Err("it is not HOST=env:NAME"));
        check("=env:GOOD", Err("it is not HOST=env:NAME"));
        check("git.example=robot:pass", Err("it is not HOST=env:NAME"));
        check(
            "git.example=env:NONE",
            Err("the environment variable NONE is not set, or not text"),
        );
    }

    #[test]
    fn what_is_no_pair_is_not_repeated() {
        check(
            "git.example=env:TOKEN",
            Err("the environment variable TOKEN does not hold user:password"),
        );
    }
}
