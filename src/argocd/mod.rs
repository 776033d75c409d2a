//! Argo CD's Applications, as far as their sources go: read leniently, and patched without touching
//! what is not ours.

pub mod application;
pub mod error;
pub mod patch;
