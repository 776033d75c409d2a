//! What a policy wants written, and what came of it: plain data around one callback.

use std::{collections::BTreeMap, sync::Arc};

use gix::ObjectId;
use image_update_core::message::{MessageError, MessageTemplate};
use image_update_core::remote::{BranchName, RepoPath};
use image_update_core::template::{BranchTemplate, BranchTemplateError, ImageChange};

use crate::git::error as git;
use crate::git::signing::SigningKey;
use crate::git::update::{Paths, Signature, Snapshot};

/// One policy's part of a push.
pub struct Job {
    /// The policy's name, for messages.
    pub name: String,
    /// The policy's namespace.
    pub namespace: String,
    /// Tells its targets apart in the names of branches.
    pub target_key: String,
    /// The files it looks at.
    pub paths: Paths,
    /// The branch that is pushed to, if it is another one than is read.
    pub push: Option<BranchTemplate>,
    /// How its commit looks.
    pub style: CommitStyle,
    /// Says what to write, given the files. It is asked again whenever the files are others: after
    /// somebody else's push, or after another policy's part of the same push.
    pub decide: Decide,
}

/// See [`Job::decide`].
pub type Decide = Box<dyn FnMut(&Snapshot) -> Decided + Send>;

/// How a commit looks.
#[derive(Clone, Debug)]
pub struct CommitStyle {
    /// The message.
    pub message: MessageTemplate,
    /// Author and committer.
    pub author: Signature,
    /// Whether the message is signed off.
    pub sign_off: bool,
    /// Signs the commit.
    pub signing: Option<Arc<SigningKey>>,
    /// Whether the commit is shared with other jobs of the same style.
    pub is_shared: bool,
}

/// What a job wants, given the files.
#[derive(Debug)]
pub enum Decided {
    /// Nothing: the files are right, or may not be written.
    Nothing,
    /// It can't say before it has learnt more; the job ends and is handed in again.
    Undecided,
    /// Files are to be changed: a commit for each of these, in their order. Where commits are
    /// shared, all go into one.
    Write(Vec<Edit>),
}

/// Changes that go into one commit.
#[derive(Debug, Default)]
pub struct Edit {
    /// The Application that they are about, as namespace and name, where each has a commit of its
    /// own. It stands in the message instead of the policy.
    pub application: Option<(String, String)>,
    /// The new content of files. No two edits of a job have the same file.
    pub files: BTreeMap<RepoPath, Vec<u8>>,
    /// What changes in them.
    pub changes: Vec<ImageChange>,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was to be written.
    UpToDate {
        /// The branch that was read last.
        branch: BranchName,
        /// The commit at its tip.
        commit_id: ObjectId,
    },
    /// See [`Decided::Undecided`].
    Undecided,
    /// It is written and pushed.
    Written {
        /// The last commit with the job's changes; other jobs may share it.
        commit_id: ObjectId,
        /// The branch it is on.
        branch: BranchName,
        /// How many times the push was tried.
        attempts: u32,
    },
}

/// Why a job was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The remote could not be read or written; others may have failed by the same error.
    #[error(transparent)]
    Git(Arc<git::Error>),
    /// The message can't be rendered for what changes.
    #[error("spec.writeBack.git.commit.message can't be used")]
    Message(#[source] MessageError),
    /// No branch's name can be rendered for what changes.
    #[error("spec.writeBack.git.push.branch can't be used")]
    Branch(#[source] BranchTemplateError),
    /// The write was given up before its end; whether it took place shows with the next look.
    #[error("the write was interrupted")]
    Interrupted,
}

impl CommitStyle {
    /// Whether a commit may have both styles. The time of the author is not looked at: what is
    /// handed in at different moments is committed in one.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let author = |style: &Self| {
            (
                style.author.name().to_owned(),
                style.author.email().to_owned(),
            )
        };
        self.message == other.message
            && author(self) == author(other)
            && self.sign_off == other.sign_off
            && self.signing == other.signing
            && self.is_shared == other.is_shared
    }
}
