//! The kinds users write, and their translation into the core's types.

pub mod admission;
pub mod legacy;
pub mod v1alpha1;
pub mod validate;
