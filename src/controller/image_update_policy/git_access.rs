//! How a policy's remotes are asked: by a Secret of its own namespace, or by what Argo CD has for
//! each remote.
//!
//! Argo CD's credentials are for the policies of its own namespace; for others only if the operator
//! was started so, and then for Applications whose project permits the remote. Which remotes a Secret
//! of the policy is for, [`secret_scope`] says.

use std::borrow::Cow;
use std::collections::BTreeSet;

use image_update_core::remote::{RemotePrefix, RemoteUrl};
use image_update_core::secret::SecretData;

use super::destinations::Destination;
use super::secret_scope;
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate::{CredentialsModel, GitModel};
use crate::argocd::repositories::Forbidden;
use crate::config::ArgocdCredentials;
use crate::controller::context::Context;
use crate::controller::error::{ArgocdProblem, Error, ScopeProblem, SecretProblem};
use crate::controller::status::names;
use crate::git::options::RemoteOptions;
use crate::write_back::git_credentials;

/// The key by which Argo CD's Secrets ask not to verify a server.
const INSECURE_KEY: &str = "insecure";

/// How the remotes of a policy are asked.
pub(super) enum GitAccess {
    /// All in the same way.
    Same(Box<Same>),
    /// As Argo CD asks each.
    Argocd {
        /// Plain HTTP and untrusted certificates are allowed.
        insecure: bool,
    },
}

/// How remotes are asked that are asked in the same way.
pub(super) struct Same {
    options: RemoteOptions,
    /// The Secret that says so, and what it is for, if it is not for all that there are.
    only: Option<(String, RemotePrefix)>,
}

/// Reads what goes for all remotes of a policy, which are those of its `destinations`.
pub(super) async fn of_policy(
    policy: &ImageUpdatePolicy,
    git: &GitModel,
    destinations: &[Destination],
    context: &Context,
) -> Result<GitAccess, Error> {
    let namespace = names(&policy.metadata).0;
    let insecure = git.insecure;
    let anonymous = RemoteOptions {
        insecure,
        ..RemoteOptions::default()
    };
    let same = match &git.credentials {
        CredentialsModel::Anonymous => Same {
            options: anonymous,
            only: None,
        },
        CredentialsModel::Secret(name) => {
            let secret = context.secrets.secret(&context.kube, namespace, name);
            match secret.await {
                Ok(secret) => {
                    let url = secret_scope::url(&secret.data);
                    let options = read(secret.name, secret.data, insecure, context).await?;
                    // The policy's author has said where the Secret goes, or it proves nothing.
                    let is_for_all = git.url.is_some() || !options.has_proof();
                    let remotes = destinations.iter().filter_map(Destination::remote);
                    let only = if is_for_all {
                        None
                    } else {
                        secret_scope::of(name, url.as_deref(), remotes)?
                    };
                    let only = only.map(|prefix| (name.clone(), prefix));
                    Same { options, only }
                }
                // Whoever calls need not have the cluster's Secrets: their own logins serve.
                Err(error) if context.caller.is_some() && error.is_unreadable() => Same {
                    options: anonymous,
                    only: None,
                },
                Err(error) => return Err(error),
            }
        }
        CredentialsModel::Argocd => {
            let is_own = namespace == context.application_scope.argocd;
            if !is_own && context.argocd_credentials != ArgocdCredentials::All {
                return Err(Error::ArgocdCredentials(ArgocdProblem::OtherNamespace));
            }
            return Ok(GitAccess::Argocd { insecure });
        }
    };
    Ok(GitAccess::Same(Box::new(same)))
}

impl GitAccess {
    /// How the remote of a destination is asked.
    pub(super) async fn options(
        &self,
        policy: &ImageUpdatePolicy,
        destination: &Destination,
        remote: &RemoteUrl,
        context: &Context,
    ) -> Result<Cow<'_, RemoteOptions>, Error> {
        let insecure = match self {
            Self::Same(same) => {
                if let Some((secret, prefix)) = &same.only
                    && !prefix.covers(remote)
                {
                    return Err(Error::SecretScope(ScopeProblem::Elsewhere {
                        secret: secret.clone(),
                        remote: remote.clone(),
                    }));
                }
                return with_login(Cow::Borrowed(&same.options), remote, context).await;
            }
            Self::Argocd { insecure } => *insecure,
        };
        let namespace = names(&policy.metadata).0;
        let members = members(destination, context);
        let projects: BTreeSet<&String> = members.iter().map(|(project, _)| project).collect();
        let is_own = namespace == context.application_scope.argocd;
        if projects.is_empty() && !is_own {
            return Err(Error::ArgocdCredentials(ArgocdProblem::NoApplication));
        }
        let argocd = &context.argocd_repositories;
        let argocd = argocd
            .get(&context.kube, &context.application_scope.argocd)
            .await?;
        // Without a cluster the projects may not be known; the remote has the last word.
        let judged = members.iter().filter(|_| context.caller.is_none());
        for (project, namespace) in judged {
            argocd
                .permits(project, namespace, remote)
                .map_err(|forbidden| denied(forbidden, project, namespace, remote))?;
        }
        // What is for one project is not for what two write together.
        let project = projects.first().filter(|_| projects.len() == 1);
        let options = match argocd.secret(remote, project.map(|it| it.as_str())) {
            Some(data) => {
                let name = format!("of Argo CD for {remote}");
                read(name, data, insecure, context).await?
            }
            None if context.caller.is_some() => RemoteOptions {
                insecure,
                ..RemoteOptions::default()
            },
            None => {
                let remote = remote.clone();
                return Err(Error::ArgocdCredentials(ArgocdProblem::NoSecret { remote }));
            }
        };
        with_login(Cow::Owned(options), remote, context).await
    }
}

/// The same options, with the login of the person who calls where they have no credential.
async fn with_login<'a>(
    options: Cow<'a, RemoteOptions>,
    remote: &RemoteUrl,
    context: &Context,
) -> Result<Cow<'a, RemoteOptions>, Error> {
    let Some(caller) = context
        .caller
        .as_ref()
        .filter(|_| options.credential.is_none())
    else {
        return Ok(options);
    };
    let credential = caller.logins.remote(remote).await?;
    Ok(match credential {
        Some(_) => Cow::Owned(RemoteOptions {
            credential,
            ..options.into_owned()
        }),
        None => options,
    })
}

/// The projects that the Applications whose files a destination has say they are of, each with the
/// namespaces of those Applications.
fn members(destination: &Destination, context: &Context) -> BTreeSet<(String, String)> {
    let keys = destination.application_keys();
    let keys = keys.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    keys.filter_map(|key| context.applications.get(&key))
        .map(|it| (it.facts.project.clone(), it.facts.namespace.clone()))
        .collect()
}

fn denied(forbidden: Forbidden, project: &str, namespace: &str, remote: &RemoteUrl) -> Error {
    let project = project.to_owned();
    Error::ArgocdCredentials(match forbidden {
        Forbidden::Namespace => ArgocdProblem::ProjectNamespace {
            project,
            namespace: namespace.to_owned(),
        },
        Forbidden::Remote => ArgocdProblem::Project {
            project,
            remote: remote.clone(),
        },
    })
}

/// Reads the data of the Secret `name`.
async fn read(
    name: String,
    mut data: SecretData,
    insecure: bool,
    context: &Context,
) -> Result<RemoteOptions, Error> {
    if insecure {
        // The policy says the same.
        data.remove(INSECURE_KEY);
    }
    let clock = context.clock.reader();
    // Opening an encrypted key is made slow on purpose.
    let read = tokio::task::spawn_blocking(move || git_credentials::read(&data, clock));
    let read = read
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let options = read.map_err(|error| Error::InvalidSecret {
        name,
        problem: SecretProblem::GitCredentials(error),
    })?;
    for (host, port) in options.named_hosts() {
        if !context.allowed_hosts.allows(&host, port) {
            return Err(Error::HostNotAllowed { host });
        }
    }
    Ok(RemoteOptions {
        insecure,
        ..options
    })
}
