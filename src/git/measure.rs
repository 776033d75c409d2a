//! What operations on a remote are counted as.

use super::error::{Error, UpdateError};
use super::transport::TransportError;
use super::update::Receipt;
use crate::metrics::GitOutcome;

pub(super) fn read<T>(result: &Result<T, Error>) -> GitOutcome {
    match result {
        Ok(_) => GitOutcome::Read,
        Err(error) => failure(error),
    }
}

pub(super) fn update<E: std::error::Error + 'static>(
    result: &Result<Receipt, UpdateError<E>>,
) -> GitOutcome {
    match result {
        Ok(Receipt::UpToDate { .. }) => GitOutcome::Unchanged,
        Ok(Receipt::Pushed { .. }) => GitOutcome::Pushed,
        Err(UpdateError::Git(error)) => failure(error),
        Err(UpdateError::Build { .. } | UpdateError::Decide(_)) => GitOutcome::Invalid,
    }
}

fn failure(error: &Error) -> GitOutcome {
    match error {
        Error::Transport {
            source:
                TransportError::Unauthorized { .. }
                | TransportError::Forbidden
                | TransportError::RepositoryNotFound,
            ..
        }
        | Error::PushRejected { .. } => GitOutcome::Refused,
        Error::Transport { .. }
        | Error::Protocol { .. }
        | Error::Pack { .. }
        | Error::MalformedTree { .. }
        | Error::ObjectMissing { .. } => GitOutcome::Unreachable,
        Error::LostRace { .. } => GitOutcome::LostRace,
        Error::EmptyRepository { .. }
        | Error::BranchNotFound { .. }
        | Error::NoDefaultBranch { .. }
        | Error::Path { .. }
        | Error::TooManyFiles { .. }
        | Error::Draft { .. }
        | Error::ForeignCommits { .. } => GitOutcome::Invalid,
    }
}
