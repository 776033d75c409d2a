//! Why an object is in the state it is in: the one list of reasons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reason of a condition, an event, a metric label or an image's state.
///
/// Bounded, stable, and each documented in `docs/spec`.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
pub enum Reason {
    /// All is well.
    Succeeded,
    /// The object is not looked at because it says `suspend`.
    Suspended,
    /// A change was committed and pushed.
    Updated,
    /// The change is decided but not written, because the policy says `dryRun`.
    DryRun,
    /// The first look at the object is under way.
    Progressing,
    /// The spec can't be carried out as it is written.
    InvalidSpec,
    /// The spec can't be read at all.
    Undecodable,
    /// A Secret or ServiceAccount is not there.
    SecretNotFound,
    /// A Secret lacks what it should hold, or can't be read.
    InvalidSecret,
    /// The operator may not read an object of the cluster, or the API server did not answer.
    ClusterAccessFailed,
    /// The ImageWatch that a policy refers to is not there.
    WatchNotFound,
    /// The ImageWatch belongs to another namespace and does not grant access, or the policy names
    /// Applications of other namespaces without being in Argo CD's.
    AccessDenied,
    /// The credentials are not for this remote, or those of Argo CD not for this policy.
    CredentialsDenied,
    /// The ImageWatch has no list of tags yet.
    WatchNotReady,
    /// The host is outside what `--allowed-hosts` permits.
    HostNotAllowed,
    /// The registry refused the credential (401).
    RegistryUnauthorized,
    /// The registry's answer was "forbidden" (403).
    RegistryForbidden,
    /// The registry has no such repository.
    RepositoryNotFound,
    /// The registry has no such tag.
    TagNotFound,
    /// The registry asked to come back later (429).
    RegistryRateLimited,
    /// The registry could not be reached, or answered with a server error.
    RegistryUnavailable,
    /// The registry's certificate is not trusted.
    RegistryCertificateInvalid,
    /// The registry's answer can't be used.
    RegistryInvalidResponse,
    /// No tag passes the policy's filters and strategy.
    NoCandidate,
    /// A better tag is not yet as old as the policy's `minimumAge` asks.
    TooYoung,
    /// The best tag has no image for one of the policy's `platforms`, and neither has any other
    /// that may be written.
    PlatformMissing,
    /// The best tag is older than the current one.
    DowngradeRefused,
    /// The git remote refused the credential (401, or the SSH key).
    GitUnauthorized,
    /// The git remote's answer was "forbidden" (403), or it ended the SSH session.
    GitForbidden,
    /// There is no such git repository, or the credential can't see it.
    GitRepositoryNotFound,
    /// The branch is not there.
    BranchNotFound,
    /// The git remote could not be reached, or answered with a server error.
    GitUnavailable,
    /// The git remote asked to come back later (429).
    GitRateLimited,
    /// The git remote's certificate is not trusted.
    GitCertificateInvalid,
    /// The git remote's SSH key is not the one in `known_hosts`, or not known.
    GitHostKeyInvalid,
    /// The git remote's answer can't be used.
    GitInvalidResponse,
    /// The branch to push to is behind its base and holds commits that are not the operator's.
    ForeignCommits,
    /// What the operator wrote was taken back in git.
    RevertedInGit,
    /// The git remote refused the push: a protected branch, a hook, a quota.
    PushRejected,
    /// Others pushed to the branch each time before we could.
    LostRace,
    /// The file to write is not there.
    TargetNotFound,
    /// The path leads through a symlink or submodule, or is no plain file.
    UnsafePath,
    /// The file to write is not what its target says, so it is left as it is.
    InvalidTarget,
    /// An older policy writes the same field of the same file.
    Conflict,
    /// The policy selects no Application.
    NoApplication,
    /// The cluster does not have Argo CD's kinds.
    ApplicationsUnavailable,
    /// The Application's source can't be written: none fits, several fit, or it follows no branch.
    InvalidSource,
    /// What the operator wrote to the Application was taken back by somebody.
    RevertedInApplication,
    /// The Application does not run the image.
    NotLive,
    /// The Application was not written, because others changed it all the time.
    ApplicationConflict,
    /// Annotations of argocd-image-updater on the Application say something that can't be meant, or
    /// that has no effect here. An event of the Application, and a condition of this type on the
    /// policy that was made from them.
    InvalidAnnotations,
    /// argocd-image-updater runs in the cluster. An event of its Lease or Deployment, never of a
    /// policy.
    OldUpdaterRunning,
    /// There are `ImageUpdater` objects of argocd-image-updater. An event of one of them, never of a
    /// policy.
    ImageUpdaterIgnored,
    /// What was written to the Application was put back three times: something owns its parameters.
    PutBack,
    /// A notification could not be sent. An event, never the reason of a condition.
    NotificationFailed,
}

impl Reason {
    /// The CamelCase text, as it stands in conditions and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Suspended => "Suspended",
            Self::Updated => "Updated",
            Self::DryRun => "DryRun",
            Self::Progressing => "Progressing",
            Self::InvalidSpec => "InvalidSpec",
            Self::Undecodable => "Undecodable",
            Self::SecretNotFound => "SecretNotFound",
            Self::InvalidSecret => "InvalidSecret",
            Self::ClusterAccessFailed => "ClusterAccessFailed",
            Self::WatchNotFound => "WatchNotFound",
            Self::AccessDenied => "AccessDenied",
            Self::CredentialsDenied => "CredentialsDenied",
            Self::WatchNotReady => "WatchNotReady",
            Self::HostNotAllowed => "HostNotAllowed",
            Self::RegistryUnauthorized => "RegistryUnauthorized",
            Self::RegistryForbidden => "RegistryForbidden",
            Self::RepositoryNotFound => "RepositoryNotFound",
            Self::TagNotFound => "TagNotFound",
            Self::RegistryRateLimited => "RegistryRateLimited",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::RegistryCertificateInvalid => "RegistryCertificateInvalid",
            Self::RegistryInvalidResponse => "RegistryInvalidResponse",
            Self::NoCandidate => "NoCandidate",
            Self::TooYoung => "TooYoung",
            Self::PlatformMissing => "PlatformMissing",
            Self::DowngradeRefused => "DowngradeRefused",
            Self::GitUnauthorized => "GitUnauthorized",
            Self::GitForbidden => "GitForbidden",
            Self::GitRepositoryNotFound => "GitRepositoryNotFound",
            Self::BranchNotFound => "BranchNotFound",
            Self::GitUnavailable => "GitUnavailable",
            Self::GitRateLimited => "GitRateLimited",
            Self::GitCertificateInvalid => "GitCertificateInvalid",
            Self::GitHostKeyInvalid => "GitHostKeyInvalid",
            Self::GitInvalidResponse => "GitInvalidResponse",
            Self::ForeignCommits => "ForeignCommits",
            Self::RevertedInGit => "RevertedInGit",
            Self::PushRejected => "PushRejected",
            Self::LostRace => "LostRace",
            Self::TargetNotFound => "TargetNotFound",
            Self::UnsafePath => "UnsafePath",
            Self::InvalidTarget => "InvalidTarget",
            Self::Conflict => "Conflict",
            Self::NoApplication => "NoApplication",
            Self::ApplicationsUnavailable => "ApplicationsUnavailable",
            Self::InvalidSource => "InvalidSource",
            Self::RevertedInApplication => "RevertedInApplication",
            Self::NotLive => "NotLive",
            Self::ApplicationConflict => "ApplicationConflict",
            Self::InvalidAnnotations => "InvalidAnnotations",
            Self::OldUpdaterRunning => "OldUpdaterRunning",
            Self::ImageUpdaterIgnored => "ImageUpdaterIgnored",
            Self::PutBack => "PutBack",
            Self::NotificationFailed => "NotificationFailed",
        }
    }
}
