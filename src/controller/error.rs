//! Why a reconciliation stopped, and what the operator does about it.

use std::sync::Arc;
use std::time::Duration;

use image_update_core::argocd::{PlaceError, SourceError};
use image_update_core::causes;
use image_update_core::image::Repository;
use image_update_core::remote::{RemoteUrl, RemoteUrlError, RepoPathError};

use super::conditions::Health;
use super::once::LoginError;
use super::remote_errors::{git_disposition, git_reason, registry_disposition, registry_reason};
use crate::api::v1alpha1::Reason;
use crate::api::validate::Problems;
use crate::argocd;
use crate::git::error as git;
use crate::registry::conf::CredentialError;
use crate::registry::{self, MAX_QUESTION};
use crate::request_error::RequestError;
use crate::write_back::git_credentials::CredentialsError;
use crate::write_back::job;

/// What is said of an ImageWatch whose first scan has not ended.
pub(super) const NO_TAGS: &str = "has no tags yet";

/// Why a reconciliation stopped. One variant per thing a user would do differently.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The spec says something that can't be carried out.
    #[error("{0}")]
    InvalidSpec(Problems),

    /// The author of commits can't stand in one.
    #[error("spec.writeBack.git.commit.author can't be used")]
    InvalidAuthor(#[source] git::DraftError),

    /// A host is outside of what the operator may reach.
    #[error("{host} is not among the operator's --allowed-hosts")]
    HostNotAllowed {
        /// The host.
        host: String,
    },

    /// An object that the spec names is not there.
    #[error("{kind} {name} is not there; create it in this namespace")]
    ObjectNotFound {
        /// The object's kind.
        kind: &'static str,
        /// The object's name.
        name: String,
    },

    /// An object of the cluster could not be read.
    #[error("could not read {kind} {name}")]
    ReadObject {
        /// The object's kind.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// What the API server said.
        #[source]
        source: RequestError,
    },

    /// A Secret does not hold what it should.
    #[error("Secret {name} can't be used")]
    InvalidSecret {
        /// The Secret's name.
        name: String,
        /// What is missing or wrong.
        #[source]
        problem: SecretProblem,
    },

    /// The operator's own file about registries names a credential that can't be had.
    #[error("the credential that registries.conf names for {registry} can't be used")]
    RegistriesCredential {
        /// The entry's name.
        registry: String,
        /// Why.
        #[source]
        source: CredentialError,
    },

    /// Nor can the Secret that it names. Which one that is, is nobody's business but the operator's.
    #[error(
        "the Secret that registries.conf names for {registry} can't be used; the operator's log \
         says why"
    )]
    RegistriesSecret {
        /// The entry's name.
        registry: String,
    },

    /// A program of the person who calls gives no credential.
    #[error("no credential could be had for {host}")]
    Login {
        /// The registry or remote.
        host: String,
        /// Why.
        #[source]
        source: LoginError,
    },

    /// There is no cluster, so no Application can be written.
    #[error(
        "Application {application} is not written: its parameters are in a cluster, and there is \
         none here\n\
         hint: let the operator write them, or write to git (writeBack.git)"
    )]
    NoCluster {
        /// `namespace/name`.
        application: String,
    },

    /// An ImageWatch that the spec names is not there.
    #[error("ImageWatch {name} is not there")]
    WatchNotFound {
        /// Name, with the namespace if it is another one.
        name: String,
    },

    /// An ImageWatch of another namespace does not let this one refer to it.
    #[error(
        "ImageWatch {name} does not grant access to namespace {namespace}; its accessFrom must select it"
    )]
    AccessDenied {
        /// Namespace and name of the watch.
        name: String,
        /// The namespace that asked.
        namespace: String,
    },

    /// An ImageWatch was not scanned since the operator started, or since it names its repository.
    #[error("ImageWatch {name} {NO_TAGS}{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    WatchNotReady {
        /// Name of the watch.
        name: String,
        /// Why it will not have any soon; `None` while its first scan is under way.
        why: Option<NoTags>,
    },

    /// The tags of a repository could not be listed, or a digest not looked up; the error names
    /// the repository.
    #[error(transparent)]
    Registry(Arc<registry::Error>),

    /// More tags pass the filters than builds are compared.
    #[error(
        "{repository}: newestBuild would have to look at {count} images, at most {MAX_QUESTION}; \
         narrow tags.allow"
    )]
    TooManyBuilds {
        /// The repository.
        repository: Repository,
        /// How many tags pass.
        count: usize,
    },

    /// The remote could not be read or written, or the commit not be made; the error names it.
    #[error(transparent)]
    WriteBack(job::Error),

    /// The cluster has no Argo CD, or the operator may not list Applications.
    #[error(
        "Argo CD's Applications can't be listed; install Argo CD, let the operator list \
         applications.argoproj.io, or leave spec.applications out"
    )]
    ApplicationsUnavailable,

    /// The policy's selectors match nothing.
    #[error(
        "spec.applications selects no Application; check names and labels, and for other namespaces \
         than the policy's own whether the operator runs with --application-namespaces for them"
    )]
    NoApplication,

    /// The policy names Applications of other namespaces and must not.
    #[error(
        "spec.applications names namespaces; only policies in namespace {argocd}, Argo CD's own, may \
         select Applications of others"
    )]
    ApplicationsOutOfReach {
        /// Argo CD's namespace.
        argocd: String,
    },

    /// An Application's source can't be written.
    #[error("Application {application} can't be written: {problem}")]
    ApplicationPlace {
        /// `namespace/name`.
        application: String,
        /// Why.
        problem: PlaceProblem,
    },

    /// The address or the branch of a source can't be used.
    #[error("the source {address} of an Application can't be written: {problem}")]
    SourceAddress {
        /// The address, as the Application has it.
        address: String,
        /// Why.
        problem: String,
    },

    /// A target's path can't be used.
    #[error("the target {path:?} can't be used")]
    TargetPath {
        /// The path, as the policy has it.
        path: String,
        /// Why.
        #[source]
        problem: RepoPathError,
    },

    /// A Secret of the policy is not for a remote that an Application names.
    #[error(transparent)]
    SecretScope(ScopeProblem),

    /// Argo CD's credentials can't be used.
    #[error(transparent)]
    ArgocdCredentials(ArgocdProblem),

    /// What Argo CD knows of remotes could not be read; the error says what of it.
    #[error(transparent)]
    ArgocdRepositories(argocd::repositories::ReadError),

    /// An Application could not be written; the error names it.
    #[error(transparent)]
    Application(argocd::error::Error),

    /// What was written to an Application does not stay there.
    #[error(
        "Application {application} is put back whenever it is written; what generates it, such as \
         an ApplicationSet, owns its parameters\n\
         hint: write where they come from (writeBack.git), or have the owner ignore them"
    )]
    PutBack {
        /// `namespace/name`.
        application: String,
    },

    /// Another policy, the older one, writes the same field.
    #[error("{holder} writes {image} in {path} already; change or remove one of the two")]
    Conflict {
        /// The older policy, without its name if it is of another namespace.
        holder: String,
        /// The image's name in the target.
        image: String,
        /// The target's path.
        path: String,
    },
}

/// Why an Application's source can't be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlaceProblem {
    /// No source is meant.
    #[error(transparent)]
    Source(SourceError),
    /// It is not in git, or follows no branch.
    #[error(transparent)]
    Place(PlaceError),
    /// The path can't be used.
    #[error(transparent)]
    Path(RepoPathError),
    /// Argo CD has not said yet what the source is.
    #[error("Argo CD has not said yet what its source is; set helm, kustomize or plugin on it")]
    UnknownType,
    /// Plain manifests have no overrides.
    #[error("its source is plain manifests, which have no parameters to override")]
    NoOverrides,
}

/// Why a Secret is not shown to a remote that an Application names.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScopeProblem {
    /// The Secret says where it belongs, and that is elsewhere.
    #[error(
        "Secret {secret} is not shown to {remote}, which is not below the Secret's key url\n\
         hint: correct that key, or name the repository in writeBack.git.repository"
    )]
    Elsewhere {
        /// The Secret's name.
        secret: String,
        /// The remote.
        remote: RemoteUrl,
    },
    /// The Secret does not say where it belongs, and it can't be everywhere.
    #[error(
        "Secret {secret} is shown to nobody: Applications name {one} and {other}, which are on two \
         servers, and nothing says which of them it is for\n\
         hint: add key url to the Secret, with the address below which remotes are shown it, or name \
         the repository in writeBack.git.repository"
    )]
    SeveralServers {
        /// The Secret's name.
        secret: String,
        /// A remote.
        one: RemoteUrl,
        /// One on another server.
        other: RemoteUrl,
    },
}

/// Why Argo CD's credentials can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgocdProblem {
    /// The policy is not of Argo CD's namespace.
    #[error(
        "credentials.argocd is for policies of Argo CD's namespace; name a Secret in          credentials.secretRef, or start the operator with --argocd-credentials=all"
    )]
    OtherNamespace,
    /// The policy is of another namespace, and nothing says which project it is about.
    #[error(
        "outside of Argo CD's namespace, credentials.argocd is for policies with applications;          name a Secret in credentials.secretRef"
    )]
    NoApplication,
    /// The Application's project does not permit the remote.
    #[error("AppProject {project} does not permit {remote}; add it to its sourceRepos")]
    Project {
        /// The project.
        project: String,
        /// The remote.
        remote: RemoteUrl,
    },
    /// The Application's project is not for its namespace.
    #[error(
        "AppProject {project} is not for Applications of namespace {namespace}; add it to its \
         sourceNamespaces"
    )]
    ProjectNamespace {
        /// The project.
        project: String,
        /// The Application's namespace.
        namespace: String,
    },
    /// Argo CD has nothing for the remote.
    #[error(
        "Argo CD has no repository Secret for {remote}, and none with the address of a folder          above it; schemes and hosts have to be the same"
    )]
    NoSecret {
        /// The remote.
        remote: RemoteUrl,
    },
}

/// What is wrong with a Secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretProblem {
    /// A key is missing.
    #[error("it has no key {key}")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A key does not hold text.
    #[error("key {key} is not UTF-8 text")]
    NotText {
        /// The key.
        key: &'static str,
    },
    /// It is a docker configuration without an entry for the registry.
    #[error("it has no entry for {registry}")]
    OtherRegistry {
        /// The registry.
        registry: String,
    },
    /// A registry credential can't be read.
    #[error(transparent)]
    Credential(registry::credentials::Error),
    /// It says not how a git remote is asked.
    #[error(transparent)]
    GitCredentials(CredentialsError),
    /// The address that it is for can't be read.
    #[error("key url is not the address of a git server, or of a folder on one: {0}")]
    Address(RemoteUrlError),
    /// None of the keys that may hold a signing key is there.
    #[error("it has none of the keys {}", .keys.join(", "))]
    NoSigningKey {
        /// The keys.
        keys: &'static [&'static str],
    },
    /// The signing key can't sign.
    #[error(transparent)]
    SigningKey(git::SigningKeyError),
}

/// Why a watch will not have tags soon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTags {
    /// Somebody said so.
    #[error("it is suspended, and not scanned until it is resumed")]
    Suspended,
    /// What its status says of the last scan.
    #[error("{0}")]
    Failed(String),
}

/// What the operator does about an error: requeue, condition, event and metric follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Nothing will change until somebody changes the object or what it refers to; it is looked
    /// at again at its interval.
    Stall,
    /// Worth trying again, with exponential back-off.
    Retry,
    /// The other side said when.
    RetryAfter(Duration),
    /// The operator itself will be told when it can go on.
    Wait,
}

impl Error {
    /// What the operator does about it.
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::InvalidSpec(_)
            | Self::InvalidAuthor(_)
            | Self::HostNotAllowed { .. }
            | Self::AccessDenied { .. }
            | Self::ApplicationsOutOfReach { .. }
            | Self::ArgocdCredentials(
                ArgocdProblem::OtherNamespace | ArgocdProblem::NoApplication,
            )
            | Self::TooManyBuilds { .. }
            | Self::PutBack { .. }
            | Self::NoCluster { .. }
            | Self::Conflict { .. } => Disposition::Stall,
            Self::WatchNotFound { .. }
            | Self::WatchNotReady { .. }
            | Self::NoApplication
            | Self::ApplicationPlace { .. }
            | Self::SourceAddress { .. }
            | Self::TargetPath { .. } => Disposition::Wait,
            Self::ObjectNotFound { .. }
            | Self::ReadObject { .. }
            | Self::InvalidSecret { .. }
            | Self::RegistriesCredential { .. }
            | Self::RegistriesSecret { .. }
            | Self::Login { .. }
            | Self::ApplicationsUnavailable
            | Self::SecretScope(_)
            | Self::ArgocdCredentials(
                ArgocdProblem::Project { .. }
                | ArgocdProblem::ProjectNamespace { .. }
                | ArgocdProblem::NoSecret { .. },
            )
            | Self::ArgocdRepositories(_)
            | Self::Application(_) => Disposition::Retry,
            Self::Registry(source) => registry_disposition(source),
            Self::WriteBack(source) => match source {
                job::Error::Git(source) => git_disposition(source),
                job::Error::Message(_) | job::Error::Branch(_) => Disposition::Stall,
                job::Error::Interrupted => Disposition::Retry,
            },
        }
    }

    /// The reason of conditions, events and metrics.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::InvalidSpec(_)
            | Self::InvalidAuthor(_)
            | Self::TargetPath { .. }
            | Self::TooManyBuilds { .. } => Reason::InvalidSpec,
            Self::HostNotAllowed { .. } => Reason::HostNotAllowed,
            Self::ObjectNotFound { .. }
            | Self::ArgocdCredentials(ArgocdProblem::NoSecret { .. }) => Reason::SecretNotFound,
            Self::InvalidSecret { .. }
            | Self::RegistriesCredential { .. }
            | Self::RegistriesSecret { .. }
            | Self::Login { .. } => Reason::InvalidSecret,
            Self::WatchNotFound { .. } => Reason::WatchNotFound,
            Self::AccessDenied { .. } | Self::ApplicationsOutOfReach { .. } => Reason::AccessDenied,
            Self::SecretScope(_)
            | Self::ArgocdCredentials(
                ArgocdProblem::OtherNamespace
                | ArgocdProblem::NoApplication
                | ArgocdProblem::Project { .. }
                | ArgocdProblem::ProjectNamespace { .. },
            ) => Reason::CredentialsDenied,
            Self::WatchNotReady { .. } => Reason::WatchNotReady,
            Self::Registry(source) => registry_reason(source),
            Self::WriteBack(source) => match source {
                job::Error::Git(source) => git_reason(source),
                job::Error::Message(_) | job::Error::Branch(_) => Reason::InvalidSpec,
                job::Error::Interrupted => Reason::GitUnavailable,
            },
            Self::Conflict { .. } => Reason::Conflict,
            Self::ApplicationsUnavailable | Self::NoCluster { .. } => {
                Reason::ApplicationsUnavailable
            }
            Self::PutBack { .. } => Reason::PutBack,
            Self::NoApplication => Reason::NoApplication,
            Self::ApplicationPlace { .. } | Self::SourceAddress { .. } => Reason::InvalidSource,
            Self::Application(argocd::error::Error::Conflict { .. }) => Reason::ApplicationConflict,
            Self::ReadObject { .. } | Self::ArgocdRepositories(_) | Self::Application(_) => {
                Reason::ClusterAccessFailed
            }
        }
    }

    /// Whether an object is not there, or not for whoever asks.
    pub(super) fn is_unreadable(&self) -> bool {
        let Self::ReadObject { source, .. } = self else {
            return matches!(self, Self::ObjectNotFound { .. });
        };
        source.code() == Some(403)
    }

    /// The condition that follows.
    pub(super) fn health(&self) -> Health {
        match self.disposition() {
            Disposition::Stall => Health::Stalled,
            Disposition::Retry | Disposition::RetryAfter(_) | Disposition::Wait => Health::Retrying,
        }
    }

    /// The error with its causes, in one line: it is a column of `kubectl get`.
    pub(super) fn chain(&self) -> String {
        causes::in_one_line(self)
    }
}
