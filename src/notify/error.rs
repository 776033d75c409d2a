//! Why a notification was not sent.

use std::time::Duration;

use reqwest::StatusCode;

/// Why a notification was not sent. None of it says where it was to go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A key is missing.
    #[error("the key {key} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// What a key holds can't be used.
    #[error("the key {key} is not {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The address is none that may be asked.
    #[error("the host of the address is not one of --allowed-hosts")]
    HostNotAllowed,
    /// The address leads to a link-local one.
    #[error("the address leads to a link-local address, which is never contacted")]
    LinkLocal,
    /// There is no client for these certificates.
    #[error("no HTTP client can be made")]
    Client,
    /// There was no answer.
    #[error("the receiver can't be reached")]
    Unreachable,
    /// There was no answer in time.
    #[error("the receiver did not answer within 10 seconds")]
    Timeout,
    /// The receiver says no.
    #[error("the receiver answered {status}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
}

impl Error {
    /// Whether it may go better a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::HostNotAllowed
            | Self::LinkLocal
            | Self::Client => false,
        }
    }

    /// How long the receiver asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::HostNotAllowed
            | Self::LinkLocal
            | Self::Client
            | Self::Unreachable
            | Self::Timeout => None,
        }
    }
}
