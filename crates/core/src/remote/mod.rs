//! Where git content lives: the remote's address, a branch of it, a path in its tree.
//!
//! All of them are parsed once, at the edge, so that nothing behind it can meet a credential in an
//! address, a branch name git would refuse or a path that leaves the repository. Nothing here
//! knows the git protocol or reaches for a network.

pub mod branch;
pub mod folder;
pub mod path;
pub mod prefix;
pub mod ssh;
pub mod url;

pub use self::{
    branch::{BranchName, BranchNameError, MAX_BRANCH_BYTES},
    folder::RepoFolder,
    path::{RepoPath, RepoPathError},
    prefix::RemotePrefix,
    ssh::SshPlace,
    url::{RemoteUrl, RemoteUrlError, Scheme},
};
