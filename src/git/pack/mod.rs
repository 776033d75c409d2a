//! Packs: the form in which git sends objects.
//!
//! Decoding treats the pack as hostile: every size is checked before memory is taken, every offset
//! before it is followed, and ids come from hashing, never from the sender. Nothing touches a disk.

pub(crate) mod decode;
pub(crate) mod delta;
pub(crate) mod encode;

use super::object::CollisionError;

/// Why a pack cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Not a pack, cut off, or changed on the way: its trailing hash does not match.
    #[error("the pack is incomplete or damaged")]
    Damaged,
    /// An entry that cannot be read.
    #[error("the pack has a malformed entry")]
    Entry,
    /// A delta that reaches outside its base or its announced size.
    #[error("the pack has a malformed delta")]
    Delta,
    /// Deltas whose bases are neither in the pack nor known.
    #[error("the pack has deltas without their bases")]
    MissingBase,
    /// More content than is read from one pack.
    #[error("the pack unpacks to more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// An object crafted to collide with another.
    #[error("the pack is not trustworthy")]
    Collision(#[source] CollisionError),
    /// The pack to be sent could not be compressed.
    #[error("the pack could not be written")]
    Write,
}
