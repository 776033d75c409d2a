//! Argo CD's Applications, as far as their sources go: read leniently, and patched without touching
//! what is not ours. And what Argo CD knows of git remotes, which is only read.

pub mod application;
pub mod error;
pub mod patch;
pub mod repositories;
pub mod wrote;
