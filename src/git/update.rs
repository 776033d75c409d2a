//! What is asked of a remote and what comes back: plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gix::ObjectId;
use image_update_core::remote::{BranchName, RepoFolder, RepoPath};
use jiff::Timestamp;

use super::signing::{SigningKey, SigningKeyError};

/// The largest file read or written. Values files and manifests are a thousandth of it.
pub const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;

/// Which files of which branch an update is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateRequest {
    /// The branch that is read; the remote's default branch where none is named. It must exist.
    pub branch: Option<BranchName>,
    /// The branch that is written, where that is another one.
    ///
    /// It is made from `branch` if it does not exist. While it contains the tip of `branch`, its
    /// files are read and commits are added to it. Otherwise it is made anew from `branch`, if
    /// nobody else's commit would be lost by that.
    pub push: Option<BranchName>,
    /// The files to read.
    pub paths: Paths,
}

/// Files of a branch that are read together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths {
    /// Files by their paths. One that does not exist is no error.
    pub files: Vec<RepoPath>,
    /// Folders of which every file is read whose name says that it is YAML. What git has of
    /// another kind (links, submodules, LFS pointers, what passes a filter) or is too large is left out. One of these
    /// that is a file itself is read, too.
    pub folders: Vec<RepoFolder>,
}

impl Paths {
    /// All that these name, each once.
    pub(crate) fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::default();
        for paths in all {
            union.files.extend(paths.files.iter().cloned());
            union.folders.extend(paths.folders.iter().cloned());
        }
        union.files.sort_unstable();
        union.files.dedup();
        union.folders.sort_unstable();
        union.folders.dedup();
        union
    }

    /// Whether `place` is one of these or above one of them.
    pub(crate) fn any_is_at(&self, place: &RepoPath) -> bool {
        let above = RepoFolder::from(place.clone());
        let is_at = |path: &RepoPath| path == place || above.contains(path);
        let folders = self.folders.iter().filter_map(RepoFolder::path);
        self.files.iter().chain(folders).any(is_at)
    }

    /// Whether `path` is below a folder, or is one that is a file itself.
    pub(crate) fn folds(&self, path: &RepoPath) -> bool {
        let is_it = |folder: &RepoFolder| folder.path() == Some(path) || folder.contains(path);
        self.folders.iter().any(is_it)
    }
}

impl FromIterator<RepoPath> for Paths {
    fn from_iter<I: IntoIterator<Item = RepoPath>>(files: I) -> Self {
        Self {
            files: files.into_iter().collect(),
            folders: Vec::new(),
        }
    }
}

/// Files as they are in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The branch that was read: the one that is written, or the one it is made from.
    pub branch: BranchName,
    /// The commit at its tip.
    pub commit_id: ObjectId,
    /// The content of each file asked for; nothing where there is none. Files of folders are there
    /// only if they exist.
    pub files: BTreeMap<RepoPath, Option<Bytes>>,
}

/// A commit to be made on top of a [`Snapshot`].
#[derive(Debug, Clone)]
pub struct CommitDraft {
    /// The new content of files. What already has it is left out of the commit; what does not exist
    /// is created, with its directories.
    pub files: BTreeMap<RepoPath, Vec<u8>>,
    /// The message. Space at its end is dropped.
    pub message: String,
    /// Author and committer.
    pub author: Signature,
    /// Signs the commit.
    pub signing: Option<Arc<SigningKey>>,
}

/// Who makes a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    email: String,
    time: Timestamp,
}

/// Why a draft cannot become a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No message.
    #[error("the commit message is empty")]
    EmptyMessage,
    /// Git refuses such commits.
    #[error("the commit message contains a NUL character")]
    NulInMessage,
    /// An empty name, an empty address, or a character that ends either in git's format.
    #[error("the author's name or e-mail address is empty or contains <, > or a line break")]
    Signature,
    /// The commit can't be signed.
    #[error(transparent)]
    Signing(SigningKeyError),
}

/// What an update came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// There was nothing to write.
    UpToDate {
        /// The branch that was read.
        branch: BranchName,
        /// The commit at its tip.
        commit_id: ObjectId,
    },
    /// Commits are on the branch.
    Pushed {
        /// The branch that was written.
        branch: BranchName,
        /// The new commit, the last one if there are several.
        commit_id: ObjectId,
        /// The commit of each draft, in their order; none of a draft that changed nothing.
        commits: Vec<Option<ObjectId>>,
        /// The commit the first one was made on.
        parent: ObjectId,
        /// How many times it was tried: more than once after a lost race or a lost connection.
        attempts: u32,
        /// The files that changed.
        files: Vec<RepoPath>,
    },
}

impl Signature {
    /// Takes a name and an e-mail address, without the space around them.
    ///
    /// The time is when the caller decided, in whole seconds: nothing below here reads a clock.
    pub fn new(name: &str, email: &str, time: Timestamp) -> Result<Self, DraftError> {
        let (name, email) = (name.trim(), email.trim());
        let is_refused = |text: &str| {
            text.is_empty()
                || text
                    .chars()
                    .any(|it| matches!(it, '<' | '>') || it.is_control())
        };
        if is_refused(name) || is_refused(email) {
            return Err(DraftError::Signature);
        }
        Ok(Self {
            name: name.to_owned(),
            email: email.to_owned(),
            time,
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// When.
    pub fn time(&self) -> Timestamp {
        self.time
    }
}

impl Receipt {
    /// The branch that was read or written.
    pub fn branch(&self) -> &BranchName {
        match self {
            Self::UpToDate { branch, .. } | Self::Pushed { branch, .. } => branch,
        }
    }

    /// The commit at the branch's tip when the update ended.
    pub fn commit_id(&self) -> ObjectId {
        match self {
            Self::UpToDate { commit_id, .. } | Self::Pushed { commit_id, .. } => *commit_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_git_could_not_read_back_are_refused() {
        check(
            "Image Updater",
            "noreply@example.org",
            Ok(("Image Updater", "noreply@example.org")),
        );
        check(" Zoë ", " z@example.org\n", Ok(("Zoë", "z@example.org")));
        check("", "z@example.org", Err(DraftError::Signature));
        check("z", " ", Err(DraftError::Signature));
        check("z <z>", "z@example.org", Err(DraftError::Signature));
        check(
            "z",
            "z@example.org> 0 +0000\nparent x",
            Err(DraftError::Signature),
        );
    }

    #[track_caller]
    fn check(name: &str, email: &str, expected: Result<(&str, &str), DraftError>) {
        let actual = Signature::new(name, email, Timestamp::UNIX_EPOCH);
        assert_eq!(
            actual.as_ref().map(|it| (it.name(), it.email())),
            expected.as_ref().copied()
        );
    }
}
