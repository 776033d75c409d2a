//! Edits of YAML files that leave every other byte as it is.
//!
//! A file is parsed into a tree whose nodes know their bytes ([`document`]); a value is found by
//! its path ([`path`], [`mapping`]); a step replaces, inserts or removes ([`edit`]) and is done
//! by splicing bytes; the result is parsed again and has to say the same but for the step
//! ([`verify`]). There is no emitter, so there is nothing that could reformat.
//!
//! What readers of YAML 1.1 and 1.2 understand differently is refused, never guessed: the files
//! are read by Helm, Argo CD and kustomize, which do not agree.

mod document;
mod edit;
mod error;
mod insert;
mod layout;
mod mapping;
mod path;
mod remove;
mod render;
mod replace;
mod scalar;
mod shared;
mod verify;

pub use document::MAX_FILE_BYTES;
pub use error::{Error, Excerpt, Position};
pub use path::KeyPath;

pub(crate) use document::{Kind, NodeId, Stream};
pub(crate) use edit::Step;
pub(crate) use mapping::{Entry, lookup};
pub(crate) use path::{Resolution, resolve};
pub(crate) use render::Value;
pub(crate) use shared::paths_to;
