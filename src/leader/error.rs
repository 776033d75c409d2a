//! Why a Lease is not held, or not any more.

use std::time::Duration;

use crate::request_error::RequestError;

/// A Lease that was held is not any more: what only a leader may do has to end now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// Another has it.
    #[error("{holder} has taken the Lease {lease}; ending, so that nothing is written twice")]
    Taken {
        /// The Lease's name.
        lease: String,
        /// Who has it.
        holder: String,
    },
    /// It could not be renewed for so long that another may soon have it.
    #[error(
        "the Lease {lease} could not be renewed for {} s; ending, before another leads",
        after.as_secs()
    )]
    Deadline {
        /// The Lease's name.
        lease: String,
        /// For how long.
        after: Duration,
    },
    /// There was no Lease to be held.
    #[error("no Lease is held")]
    NeverHeld,
}

/// A Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server refused, or was not reached.
    #[error("could not {action} the Lease {lease}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// The Lease, as `namespace/name`.
        lease: String,
        /// What the API server said.
        #[source]
        source: RequestError,
    },
    /// The API server took its time.
    #[error("the API server did not answer about the Lease {lease} in time")]
    Timeout {
        /// The Lease, as `namespace/name`.
        lease: String,
    },
}
