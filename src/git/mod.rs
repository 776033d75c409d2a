//! Reads and writes files of a git remote without a git binary, a clone or a work tree.
//!
//! ```text
//! remote ─► session ─► transport   one request, one bounded answer: over http, or over ssh
//!    │         ├─────► protocol    what the bytes of a request and an answer mean
//!    │         ├─────► pack        objects out of packs and into them
//!    │         └─────► store       what was seen of the last heads, kept between updates
//!    └─► locate · edit · commit    pure: paths to objects, new trees, a new commit
//! ```
//!
//! An update asks for the branch's tip, fetches what it lacks of the trees and files on the paths it
//! is about, as little as the server can be made to send, builds one commit on that tip in memory and
//! pushes it. The server's compare-and-swap decides
//! races; every doubt is settled by asking for the tip again, never by the wording of an answer.
//!
//! Refused here: following symbolic links, entering submodules, sending a credential to any host but
//! the remote's, and force-pushing over a commit that is not ours.

mod authorization;
mod commit;
mod edit;
pub mod error;
mod github_app;
#[doc(hidden)]
pub mod hostile;
mod http;
mod locate;
mod measure;
mod object;
pub mod options;
mod pack;
mod protocol;
pub mod remote;
mod resolver;
mod session;
pub mod signing;
mod ssh;
mod store;
mod transport;
mod tree;
pub mod update;
