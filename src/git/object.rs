//! A git object in memory.

use bytes::Bytes;
use gix::{ObjectId, hash, objs};

/// A git object: its kind and its content without the header.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: objs::Kind,
    pub(crate) data: Bytes,
}

/// An object to be pushed.
#[derive(Debug, Clone)]
pub(crate) struct NewObject {
    pub(crate) id: ObjectId,
    pub(crate) object: Object,
    /// What it replaces on the same path: the server has it, so a delta may refer to it.
    pub(crate) replaces: Option<(ObjectId, Bytes)>,
}

impl Object {
    /// Computes the object's id.
    ///
    /// Fails where the content is one of the known SHA-1 collision attacks.
    pub(crate) fn id(&self, hash: hash::Kind) -> Result<ObjectId, CollisionError> {
        objs::compute_hash(hash, self.kind, &self.data).map_err(|_| CollisionError)
    }
}

/// The content of an object is made to collide with another one's SHA-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object was made to have the SHA-1 of another one")]
pub struct CollisionError;
