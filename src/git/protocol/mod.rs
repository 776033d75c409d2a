//! What the bytes of git's protocol mean: requests are built here, answers read.
//!
//! Pure functions over byte strings that strangers wrote. They never panic and never connect.
//! Described by gitprotocol-v2(5), gitprotocol-pack(5) and gitprotocol-http(5).

pub(crate) mod capabilities;
pub(crate) mod fetch;
pub(crate) mod ls_refs;
pub(crate) mod packet;
pub(crate) mod push;

use image_update_core::wire::report_status::{RemoteText, ReportStatusError};

/// What we call ourselves in the protocol.
const AGENT: &str = concat!(
    "agent=",
    env!("CARGO_PKG_NAME"),
    "/",
    env!("CARGO_PKG_VERSION")
);

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The answer ends inside a line, or before the end it announced.
    #[error("the answer is incomplete")]
    Truncated,
    /// The framing is broken.
    #[error("the answer is not made of pkt-lines")]
    PacketLine,
    /// A line that has no meaning where it stands.
    #[error("the answer has an unexpected line where {expected} should be")]
    Unexpected {
        /// What should have been there.
        expected: &'static str,
    },
    /// The server speaks the first version of the protocol, and that without what we need of it.
    #[error("the server's git is too old: it lacks {lacks}")]
    TooOld {
        /// The name of the capability.
        lacks: &'static str,
    },
    /// The server has no refs to advertise.
    #[error("the server advertises no refs")]
    NoRefs,
    /// A hash that is neither SHA-1 nor SHA-256.
    #[error("the repository's object format is not known: {name}")]
    ObjectFormat {
        /// The server's name for it.
        name: RemoteText,
    },
    /// The server does not report what became of a push.
    #[error("the server does not support reports on a push")]
    NoReportStatus,
    /// The server's own error message.
    #[error("the server says: {text}")]
    Remote {
        /// The message.
        text: RemoteText,
    },
    /// The report on a push cannot be read.
    #[error("the report on the push cannot be read")]
    Report(#[source] ReportStatusError),
}
