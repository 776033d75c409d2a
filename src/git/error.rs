//! Why a remote could not be read or written.
//!
//! Every variant names the remote, and the branch or path where there is one. None ever holds a
//! credential: addresses have none, and a server's own text is cleaned before it gets here.

use gix::ObjectId;
use image_update_core::{
    remote::{BranchName, RemoteUrl, RepoFolder, RepoPath},
    wire::report_status::RemoteText,
};

pub use super::{
    github_app::{GithubAppError, TokenError},
    locate::PathError,
    object::CollisionError,
    options::CredentialError,
    pack::PackError,
    protocol::ProtocolError,
    signing::SigningKeyError,
    ssh::{HostKeyError, IdentityError, SshError},
    transport::TransportError,
    tree::MalformedTree,
    update::DraftError,
};
pub use crate::hosts::resolver::ResolveError;

use super::locate::MAX_FOUND;

/// Why a remote could not be read or written. One variant per thing a user would do differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server was not reached, or did not let us in.
    #[error("could not talk to {remote}")]
    Transport {
        /// The remote.
        remote: RemoteUrl,
        /// What went wrong; tells passwords from permissions from outages.
        #[source]
        source: TransportError,
    },
    /// The server's answer makes no sense, or is an error of its own.
    #[error("could not understand {remote}")]
    Protocol {
        /// The remote.
        remote: RemoteUrl,
        /// What went wrong.
        #[source]
        source: ProtocolError,
    },
    /// The objects the server sent are not usable.
    #[error("could not read the objects of {remote}")]
    Pack {
        /// The remote.
        remote: RemoteUrl,
        /// What went wrong.
        #[source]
        source: PackError,
    },
    /// The repository has no commit yet. There is nothing to update, and none is made up.
    #[error("{remote} has no commits")]
    EmptyRepository {
        /// The remote.
        remote: RemoteUrl,
    },
    /// No such branch. None is ever created: it may be a typing error.
    #[error("{remote} has no branch {branch}{}", hint(default_branch.as_ref()))]
    BranchNotFound {
        /// The remote.
        remote: RemoteUrl,
        /// The branch asked for.
        branch: BranchName,
        /// The branch the remote would offer, where it says so.
        default_branch: Option<BranchName>,
    },
    /// No branch was named and the remote's `HEAD` is not a branch.
    #[error("{remote} has no default branch\nhint: name the branch")]
    NoDefaultBranch {
        /// The remote.
        remote: RemoteUrl,
    },
    /// A path that is not a plain file of the repository.
    #[error("could not use {path} at {branch} of {remote}")]
    Path {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// The path, or the leading part of it that is the problem.
        path: RepoPath,
        /// What is wrong with it.
        #[source]
        source: PathError,
    },
    /// A folder with more files than are read.
    #[error(
        "{branch} of {remote} has more than {MAX_FOUND} YAML files in {folder}; name a smaller \
         folder"
    )]
    TooManyFiles {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// The folder.
        folder: RepoFolder,
    },
    /// A tree that git itself could not read.
    #[error("could not read the directories at {branch} of {remote}")]
    MalformedTree {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// What is wrong with it.
        #[source]
        source: MalformedTree,
    },
    /// The server did not send an object it was asked for.
    #[error("{remote} did not send object {id}, which {branch} refers to")]
    ObjectMissing {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// The object.
        id: ObjectId,
    },
    /// The commit to be made is not valid.
    #[error("could not make a commit for {branch} of {remote}")]
    Draft {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// What is wrong with it.
        #[source]
        source: DraftError,
    },
    /// The branch to push to lacks commits of its base, and has some that are not ours: to bring it
    /// up to date would lose them.
    #[error(
        "{branch} of {remote} is behind {base} and holds commit {commit_id}, which is somebody \
         else's, so it is left alone\n\
         hint: merge {base} into it, merge it, or delete it"
    )]
    ForeignCommits {
        /// The remote.
        remote: RemoteUrl,
        /// The branch to push to.
        branch: BranchName,
        /// The branch it is made from.
        base: BranchName,
        /// The newest of the commits that are not ours.
        commit_id: ObjectId,
    },
    /// The server keeps refusing the push though nobody else wrote: a rule of the server, such as a
    /// protected branch or a hook. Trying again changes nothing.
    #[error("{remote} refused the push to {branch}: {text}")]
    PushRejected {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// The server's words.
        text: RemoteText,
    },
    /// Others wrote to the branch each time before we could.
    #[error(
        "others wrote to {branch} of {remote} first, {attempts} times in a row; \
         the server said last: {text}"
    )]
    LostRace {
        /// The remote.
        remote: RemoteUrl,
        /// The branch.
        branch: BranchName,
        /// How many times it was tried.
        attempts: u32,
        /// The server's words, in case its rules would have refused the push anyway.
        text: RemoteText,
    },
}

/// Why an update failed: the remote, or the caller's decision.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E: std::error::Error + 'static> {
    /// The remote could not be read or written.
    #[error(transparent)]
    Git(Error),
    /// One of the drafts can't become a commit. Nothing was pushed.
    #[error("draft {draft} can't become a commit")]
    Build {
        /// Which one, from 0.
        draft: usize,
        /// Why not.
        #[source]
        source: Error,
    },
    /// The caller could not decide what to write.
    #[error(transparent)]
    Decide(E),
}

fn hint(default_branch: Option<&BranchName>) -> String {
    default_branch
        .map(|it| format!("\nhint: its default branch is {it}"))
        .unwrap_or_default()
}
