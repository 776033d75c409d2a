//! Names of container images: repositories, tags, digests, references, platforms.
//!
//! Text is parsed once, at the edge, into types that cannot hold anything else. Docker Hub's many
//! spellings become one here, so that the rest of the program compares with `==`. Nothing in this
//! module knows a registry's address or asks one.

mod build;
mod candidate;
mod constrained;
mod digest;
mod excerpt;
mod platform;
mod reference;
mod repository;
mod sightings;
mod tag;
mod tag_set;

pub use build::{Build, Image, is_wanted};
pub use candidate::Candidate;
pub use constrained::{ConstrainedReference, ConstrainedReferenceError};
pub use digest::{Algorithm, Digest, DigestError};
pub use excerpt::Excerpt;
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
pub(crate) use repository::is_host;
pub use repository::{Repository, RepositoryError};
pub use sightings::Sightings;
pub use tag::{Tag, TagError};
pub use tag_set::TagSet;
