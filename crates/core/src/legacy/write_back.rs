//! Where the tags of an Application are written.

use super::annotations::{Annotations, Value};
use super::diagnostic::Problem;
use super::image::own_secret;
use super::keys;
use crate::argocd::{Application, SourceSelector, SourceType, choose};
use crate::image::Excerpt;
use crate::remote::{RemoteUrl, Scheme};
use crate::template::BranchForm;

/// Where tags are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteBackSettings {
    /// Into the Application's parameters.
    Argocd,
    /// Into a file in git.
    Git(GitSettings),
}

/// A file in git, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSettings {
    /// As whom.
    pub credentials: GitCredentials,
    /// The repository; `None` for the Application's.
    pub repository: Option<RemoteUrl>,
    /// The branches that are read and pushed to.
    pub branch: BranchForm,
    /// The file.
    pub target: TargetSettings,
}

/// As whom git is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitCredentials {
    /// As Argo CD itself.
    Argocd,
    /// With a Secret of the Application's namespace.
    Secret(String),
}

/// The file that is written. Paths are relative to the Application's source, or with a leading `/`
/// to the repository's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSettings {
    /// Argo CD's file of overrides; `None` for its usual place.
    Overrides(Option<String>),
    /// A file of Helm values.
    HelmValues(String),
    /// The folder of a kustomization.
    Kustomization(String),
}

/// Reads them. `None` if anything about them is wrong.
pub(super) fn parse(
    application: &Application,
    annotations: &mut Annotations<'_>,
) -> Option<WriteBackSettings> {
    let method = annotations.take_text(keys::WRITE_BACK_METHOD);
    let target = annotations.take_text(keys::WRITE_BACK_TARGET);
    let branch = annotations.take_text(keys::GIT_BRANCH);
    let repository = annotations.take_text(keys::GIT_REPOSITORY);
    let credentials = method.map_or(Ok(None), |value| {
        credentials(value.text, &application.namespace)
    });
    let credentials = match (method, credentials) {
        (Some(value), Err(problem)) => {
            annotations.report(value, problem);
            return None;
        }
        (_, Ok(Some(credentials))) => credentials,
        (_, _) => {
            for unused in [target, branch, repository].into_iter().flatten() {
                annotations.report(unused, Problem::NeedsGit);
            }
            return Some(WriteBackSettings::Argocd);
        }
    };
    // Each is read before any is missed, so that each problem is told at once.
    let target = match target {
        Some(value) => told(value, read_target(value.text, application), annotations),
        None => Some(TargetSettings::Overrides(None)),
    };
    let unset = BranchForm {
        base: None,
        push: None,
    };
    let branch = match branch {
        Some(value) => told(
            value,
            value.text.parse().map_err(Problem::Branch),
            annotations,
        ),
        None => Some(unset),
    };
    let repository = match repository {
        Some(value) => told(value, read_repository(value.text), annotations).map(Some),
        None => Some(None),
    };
    Some(WriteBackSettings::Git(GitSettings {
        credentials,
        repository: repository?,
        branch: branch?,
        target: target?,
    }))
}

/// The value, or `None` once its problem is noted.
fn told<T>(
    value: Value<'_>,
    result: Result<T, Problem>,
    annotations: &mut Annotations<'_>,
) -> Option<T> {
    result
        .map_err(|problem| annotations.report(value, problem))
        .ok()
}

/// `None`: nothing is written to git.
fn credentials(text: &str, namespace: &str) -> Result<Option<GitCredentials>, Problem> {
    let unknown = || Problem::Method(Excerpt::new(text));
    match text {
        "argocd" => Ok(None),
        "git" | "git:repocreds" => Ok(Some(GitCredentials::Argocd)),
        _ => {
            let secret = text.strip_prefix("git:secret:").ok_or_else(unknown)?;
            let name = own_secret(secret, namespace)?.ok_or_else(unknown)?;
            Ok(Some(GitCredentials::Secret(name)))
        }
    }
}

fn read_repository(text: &str) -> Result<RemoteUrl, Problem> {
    let url: RemoteUrl = text.parse().map_err(Problem::Repository)?;
    match url.scheme() {
        Scheme::Https | Scheme::Ssh => Ok(url),
        // It has to be said aloud, which no annotation does.
        Scheme::Http => Err(Problem::PlainHttp),
    }
}

/// Any other word is the path of an override file, or of Helm values, from the root.
fn read_target(text: &str, application: &Application) -> Result<TargetSettings, Problem> {
    let (form, path) = match text.split_once(':') {
        Some((form, path)) => (form, Some(path).filter(|path| !path.is_empty())),
        None => (text, None),
    };
    match form {
        "kustomization" => {
            let path = inside(path.unwrap_or("."), application, SourceType::Kustomize)?;
            Ok(TargetSettings::Kustomization(path))
        }
        "helmvalues" => {
            let path = inside(path.unwrap_or("values.yaml"), application, SourceType::Helm)?;
            Ok(TargetSettings::HelmValues(path))
        }
        _ => {
            let path = format!("/{}", text.trim_start_matches('/'));
            let path = inside(&path, application, SourceType::Helm)?;
            let file = path.rsplit('/').next().unwrap_or_default();
            let is_yaml = [".yaml", ".yml"].iter().any(|it| file.ends_with(it));
            match file {
                "kustomization.yaml" | "kustomization.yml" | "Kustomization" => {
                    Err(Problem::OverrideIsKustomization)
                }
                _ if is_yaml && !file.starts_with(".argocd-source") => {
                    Ok(TargetSettings::HelmValues(path))
                }
                _ => Ok(TargetSettings::Overrides(Some(path))),
            }
        }
    }
}

/// The path without `..`, which policies do not take. One that leaves the source's folder becomes
/// one from the root.
fn inside(path: &str, application: &Application, wanted: SourceType) -> Result<String, Problem> {
    /// The longest path a target may have, in characters.
    const MAX_PATH_CHARACTERS: usize = 1024;
    if path.chars().count() > MAX_PATH_CHARACTERS {
        let limit = MAX_PATH_CHARACTERS;
        return Err(Problem::TooLong { limit });
    }
    if !path.split('/').any(|part| part == "..") {
        return Ok(path.to_owned());
    }
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        let chosen = choose(application, &SourceSelector::Inferred, &[wanted]);
        let chosen = chosen.map_err(|_| Problem::TargetPath)?;
        format!("{}/{path}", chosen.source.path)
    };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(Problem::TargetPath)?;
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
