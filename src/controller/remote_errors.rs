//! What errors of registries and git remotes mean to a user: reason and disposition.

use std::time::Duration;

use super::error::Disposition;
use crate::api::v1alpha1::Reason;
use crate::git::error as git;
use crate::git::error::{PathError, SshError, TokenError, TransportError};
use crate::registry;

/// How long to wait for a server that asks to slow down and does not say for how long.
const DEFAULT_RATE_LIMIT_WAIT: Duration = Duration::from_mins(1);

/// The longest wait that a server may ask for; beyond that it is asked again anyway.
const LONGEST_RATE_LIMIT_WAIT: Duration = Duration::from_hours(1);

fn wait(asked: Option<Duration>) -> Disposition {
    Disposition::RetryAfter(
        asked
            .unwrap_or(DEFAULT_RATE_LIMIT_WAIT)
            .min(LONGEST_RATE_LIMIT_WAIT),
    )
}

/// The reason of a registry's error.
pub(super) fn registry_reason(error: &registry::Error) -> Reason {
    use registry::Error as E;
    match error {
        E::InvalidRegistry { .. } | E::LinkLocal { .. } => Reason::HostNotAllowed,
        E::Certificates { .. } => Reason::InvalidSecret,
        E::Connect { .. }
        | E::PlainHttp { .. }
        | E::Interrupted { .. }
        | E::Timeout { .. }
        | E::ServerError { .. } => Reason::RegistryUnavailable,
        E::Tls { .. } => Reason::RegistryCertificateInvalid,
        E::Unauthorized { .. } | E::NoToken { .. } => Reason::RegistryUnauthorized,
        E::Forbidden { .. } => Reason::RegistryForbidden,
        E::RepositoryNotFound { .. } => Reason::RepositoryNotFound,
        E::TagNotFound { .. } => Reason::TagNotFound,
        E::RateLimited { .. } => Reason::RegistryRateLimited,
        E::UnexpectedStatus { .. }
        | E::InvalidChallenge { .. }
        | E::UnsupportedChallenge { .. }
        | E::UntrustedRealm { .. }
        | E::InsideRealm { .. }
        | E::ForeignChallenge { .. }
        | E::InsideRedirect { .. }
        | E::InvalidRedirect { .. }
        | E::TooManyRedirects { .. }
        | E::InvalidLink { .. }
        | E::ForeignLink { .. }
        | E::TooManyPages { .. }
        | E::TooManyTags { .. }
        | E::RepeatedPage { .. }
        | E::BodyTooLarge { .. }
        | E::InvalidBody { .. }
        | E::DigestMismatch { .. }
        | E::ContentMismatch { .. } => Reason::RegistryInvalidResponse,
    }
}

/// What is done about a registry's error. A wrong credential or a missing repository can be
/// mended on the other side, so nearly everything is tried again.
pub(super) fn registry_disposition(error: &registry::Error) -> Disposition {
    use registry::Error as E;
    match error {
        E::InvalidRegistry { .. } | E::LinkLocal { .. } => Disposition::Stall,
        E::RateLimited { retry_after, .. } => wait(*retry_after),
        E::ServerError {
            retry_after: Some(after),
            ..
        } => wait(Some(*after)),
        E::Certificates { .. }
        | E::Connect { .. }
        | E::PlainHttp { .. }
        | E::Interrupted { .. }
        | E::Timeout { .. }
        | E::ServerError {
            retry_after: None, ..
        }
        | E::Tls { .. }
        | E::Unauthorized { .. }
        | E::NoToken { .. }
        | E::Forbidden { .. }
        | E::RepositoryNotFound { .. }
        | E::TagNotFound { .. }
        | E::UnexpectedStatus { .. }
        | E::InvalidChallenge { .. }
        | E::UnsupportedChallenge { .. }
        | E::UntrustedRealm { .. }
        | E::InsideRealm { .. }
        | E::ForeignChallenge { .. }
        | E::InsideRedirect { .. }
        | E::InvalidRedirect { .. }
        | E::TooManyRedirects { .. }
        | E::InvalidLink { .. }
        | E::ForeignLink { .. }
        | E::TooManyPages { .. }
        | E::TooManyTags { .. }
        | E::RepeatedPage { .. }
        | E::BodyTooLarge { .. }
        | E::InvalidBody { .. }
        | E::DigestMismatch { .. }
        | E::ContentMismatch { .. } => Disposition::Retry,
    }
}

/// The reason of a git remote's error.
pub(super) fn git_reason(error: &git::Error) -> Reason {
    use git::Error as E;
    match error {
        E::Transport { source, .. } => transport_reason(source),
        E::Protocol { .. } | E::Pack { .. } | E::MalformedTree { .. } | E::ObjectMissing { .. } => {
            Reason::GitInvalidResponse
        }
        E::EmptyRepository { .. } | E::BranchNotFound { .. } | E::NoDefaultBranch { .. } => {
            Reason::BranchNotFound
        }
        E::Path { source, .. } => match source {
            PathError::Symlink
            | PathError::Submodule
            | PathError::Directory
            | PathError::File
            | PathError::FileAndDirectory => Reason::UnsafePath,
            PathError::LfsPointer | PathError::Filtered | PathError::TooLarge => {
                Reason::InvalidTarget
            }
        },
        E::TooManyFiles { .. } => Reason::InvalidTarget,
        E::Draft { .. } => Reason::InvalidSpec,
        E::ForeignCommits { .. } => Reason::ForeignCommits,
        E::PushRejected { .. } => Reason::PushRejected,
        E::LostRace { .. } => Reason::LostRace,
    }
}

/// What is done about a git remote's error.
pub(super) fn git_disposition(error: &git::Error) -> Disposition {
    use git::Error as E;
    match error {
        E::Transport { source, .. } => transport_disposition(source),
        E::Protocol { .. }
        | E::Pack { .. }
        | E::MalformedTree { .. }
        | E::ObjectMissing { .. }
        | E::LostRace { .. } => Disposition::Retry,
        E::EmptyRepository { .. }
        | E::BranchNotFound { .. }
        | E::NoDefaultBranch { .. }
        | E::Path { .. }
        | E::TooManyFiles { .. }
        | E::Draft { .. }
        | E::ForeignCommits { .. }
        | E::PushRejected { .. } => Disposition::Stall,
    }
}

fn transport_reason(error: &TransportError) -> Reason {
    use TransportError as E;
    match error {
        E::PlainHttp => Reason::InvalidSpec,
        E::LinkLocal => Reason::HostNotAllowed,
        E::CaCertificates(_) | E::ClientCertificate(_) | E::Proxy | E::Credential(_) => {
            Reason::InvalidSecret
        }
        E::Token(error) => token_reason(error),
        E::Client(_)
        | E::Resolve(_)
        | E::Connect(_)
        | E::Timeout
        | E::Interrupted(_)
        | E::ServerError { .. } => Reason::GitUnavailable,
        E::Tls(_) => Reason::GitCertificateInvalid,
        E::Unauthorized { .. } => Reason::GitUnauthorized,
        E::Forbidden => Reason::GitForbidden,
        E::RepositoryNotFound => Reason::GitRepositoryNotFound,
        E::RateLimited { .. } => Reason::GitRateLimited,
        E::UnexpectedStatus { .. }
        | E::Redirected { .. }
        | E::ContentType { .. }
        | E::TooLarge { .. } => Reason::GitInvalidResponse,
        E::Ssh(error) => ssh_reason(error),
    }
}

fn ssh_reason(error: &SshError) -> Reason {
    use SshError as E;
    match error {
        E::HostKey(_) => Reason::GitHostKeyInvalid,
        E::Connect(_) | E::Interrupted(_) => Reason::GitUnavailable,
        E::Unauthorized { .. } => Reason::GitUnauthorized,
        E::Refused { .. } => Reason::GitForbidden,
        E::Negotiation(_) | E::NotGit { .. } => Reason::GitInvalidResponse,
    }
}

fn token_reason(error: &TokenError) -> Reason {
    use TokenError as E;
    match error {
        E::Request(source) => transport_reason(source),
        E::Unauthorized | E::NoInstallation => Reason::GitUnauthorized,
        E::Sign => Reason::InvalidSecret,
        E::Malformed => Reason::GitInvalidResponse,
    }
}

fn transport_disposition(error: &TransportError) -> Disposition {
    use TransportError as E;
    match error {
        E::PlainHttp | E::LinkLocal | E::Redirected { .. } => Disposition::Stall,
        E::RateLimited { retry_after } => wait(*retry_after),
        E::Token(TokenError::Request(source)) => transport_disposition(source),
        E::CaCertificates(_)
        | E::ClientCertificate(_)
        | E::Proxy
        | E::Token(_)
        | E::Ssh(_)
        | E::Credential(_)
        | E::Client(_)
        | E::Resolve(_)
        | E::Connect(_)
        | E::Timeout
        | E::Interrupted(_)
        | E::ServerError { .. }
        | E::Tls(_)
        | E::Unauthorized { .. }
        | E::Forbidden
        | E::RepositoryNotFound
        | E::UnexpectedStatus { .. }
        | E::ContentType { .. }
        | E::TooLarge { .. } => Disposition::Retry,
    }
}
