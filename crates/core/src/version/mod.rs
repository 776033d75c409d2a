//! Versions and ranges of versions, as the users of Go's Masterminds/semver v3.4.0 write them.
//!
//! Annotations and Helm charts are full of that dialect, so it is reproduced to the letter, odd
//! corners included; a differential test compares with the original. Cargo's dialect, which the
//! `semver` crate reads, differs in what a bare `1.2` means, in pre-releases and in leniency.
//! Nothing here corrects the dialect: what the original refuses is refused.

mod constraint;
mod parse;

pub use constraint::{Constraint, ConstraintError, Mismatch};
pub use parse::{Version, VersionError};
