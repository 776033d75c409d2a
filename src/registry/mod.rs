//! Asks registries which tags a repository has, which manifest a tag names and what it was built
//! for.
//!
//! Reads only: it never pushes, and it decides nothing about the tags it finds.
//!
//! `oci-client` gives this module the media types of manifests. Its `Client` is not used, because
//! it cannot be given what the operator promises: it follows no `Link`, so a listing ends after
//! one page and looks complete; it keeps response headers to itself, and with them
//! `Retry-After`; it reads bodies without a bound; and it builds its own HTTP client, so a
//! resolver that refuses link-local addresses cannot be put in.
//!
//! # What is promised
//!
//! * A listing is whole or an error, never a part of one.
//! * Whatever a registry sends, time, memory and the number of requests are bounded.
//! * A credential goes to the registry and to the token server it names over TLS, and nowhere
//!   else: not over a redirect, not to the host of a `Link`, not into an error.
//! * Link-local addresses, where clouds keep credentials of machines, are never asked. A proxy
//!   resolves names itself: behind one, only addresses written out are refused.

pub mod access;
pub mod conf;
pub mod credentials;
pub mod docker;
pub mod error;
pub mod remark;

mod answer;
mod authorization;
mod build_cache;
mod build_folder;
mod builds;
mod client;
mod digest;
mod document;
mod endpoint;
mod exchange;
mod inside;
mod listed;
mod manifest;
mod pace;
mod refusal;
mod retry;
mod session;
mod tags;
mod token;
mod transport;

pub use access::{Access, AccessKey};
pub use builds::{Builds, MAX_QUESTION, Question};
pub use client::Client;
pub use credentials::Credential;
pub use error::Error;
pub use listed::Listed;
pub use pace::HostPace;
pub use tags::{SkippedTags, TagList};
