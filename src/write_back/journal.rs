//! What is written, or would be, file by file: for a person who looks once and wants to see it.
//!
//! The operator keeps none: files would take its memory, and what it writes is in git.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gix::ObjectId;
use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};

use crate::git::update::CommitDraft;

/// Whether writes take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything but the end is done: nothing is pushed, and no Application patched.
    Rehearse,
    /// Commits are pushed. There is no cluster, so no Application can be patched.
    Push,
}

/// Notes what is written.
#[derive(Debug)]
pub struct Journal {
    mode: Mode,
    notes: Mutex<Notes>,
}

/// What was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What is pushed, by remotes and branches.
    pub pushes: Vec<PushNote>,
    /// The Applications, by namespace and name.
    pub applications: Vec<ApplicationNote>,
}

/// Commits of one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushNote {
    /// The remote.
    pub remote: RemoteUrl,
    /// The branch that is written.
    pub branch: BranchName,
    /// Its new commits, each on top of the one before.
    pub commits: Vec<CommitNote>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitNote {
    /// Its id; `None` if it was not made.
    pub commit_id: Option<ObjectId>,
    /// Its message.
    pub message: String,
    /// `Name <address>`.
    pub author: String,
    /// The files that it changes.
    pub files: Vec<FileNote>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    /// Its path in the repository.
    pub path: RepoPath,
    /// What stands in it; `None` if it is not there.
    pub before: Option<Bytes>,
    /// What stands in it afterwards.
    pub after: Vec<u8>,
}

/// An Application whose parameters would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationNote {
    /// `namespace/name`.
    pub application: String,
    /// The place of the source among its sources.
    pub source: usize,
    /// The parameters, in the form of an `.argocd-source` file.
    pub before: Vec<u8>,
    /// The same afterwards.
    pub after: Vec<u8>,
}

impl Journal {
    /// An empty one.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            notes: Mutex::default(),
        }
    }

    /// Whether writes take place.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was noted so far.
    pub fn notes(&self) -> Notes {
        let mut notes = self.lock().clone();
        notes
            .pushes
            .sort_by(|left, right| left.place().cmp(&right.place()));
        notes.pushes.dedup_by(|later, first| {
            let is_same = later.place() == first.place();
            if is_same {
                first.commits.append(&mut later.commits);
            }
            is_same
        });
        notes
            .applications
            .sort_by(|left, right| left.application.cmp(&right.application));
        notes
    }

    /// Notes an Application.
    pub fn application(&self, note: ApplicationNote) {
        self.lock().applications.push(note);
    }

    /// Notes the commits of a push; `commit_ids` are those of `drafts`, `None` for a draft that
    /// changes nothing.
    pub(super) fn push(
        &self,
        remote: &RemoteUrl,
        branch: &BranchName,
        before: BTreeMap<RepoPath, Option<Bytes>>,
        drafts: Vec<CommitDraft>,
        commit_ids: &[Option<ObjectId>],
    ) {
        let commits = commits(before, drafts, commit_ids);
        if !commits.is_empty() {
            self.lock().pushes.push(PushNote {
                remote: remote.clone(),
                branch: branch.clone(),
                commits,
            });
        }
    }

    /// Lays over the files of a branch what was rehearsed on it before.
    pub(super) fn overlay(
        &self,
        remote: &RemoteUrl,
        branch: &BranchName,
        files: &mut BTreeMap<RepoPath, Option<Bytes>>,
    ) {
        let notes = self.lock();
        let pushes = notes.pushes.iter();
        let pushes = pushes.filter(|it| it.remote == *remote && it.branch == *branch);
        for file in pushes.flat_map(|it| &it.commits).flat_map(|it| &it.files) {
            if let Some(content) = files.get_mut(&file.path) {
                *content = Some(Bytes::copy_from_slice(&file.after));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushNote {
    fn place(&self) -> (&str, &str) {
        (self.remote.as_str(), self.branch.as_str())
    }
}

/// What each draft makes of what those before it leave.
fn commits(
    mut files: BTreeMap<RepoPath, Option<Bytes>>,
    drafts: Vec<CommitDraft>,
    commit_ids: &[Option<ObjectId>],
) -> Vec<CommitNote> {
    let mut notes = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        let mut changed = Vec::new();
        for (path, after) in draft.files {
            let new = Some(Bytes::copy_from_slice(&after));
            let before = files.insert(path.clone(), new.clone()).flatten();
            if before != new {
                changed.push(FileNote {
                    path,
                    before,
                    after,
                });
            }
        }
        if !changed.is_empty() {
            notes.push(CommitNote {
                commit_id: commit_ids.get(index).copied().flatten(),
                message: draft.message,
                author: format!("{} <{}>", draft.author.name(), draft.author.email()),
                files: changed,
            });
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::git::update::Signature;

    fn path(text: &str) -> RepoPath {
        text.parse().expect("the row's path is one")
    }

    fn draft(message: &str, files: &[(&str, &str)]) -> CommitDraft {
        let files = files.iter();
        CommitDraft {
            files: files
                .map(|(name, content)| (path(name), content.as_bytes().to_vec()))
                .collect(),
            message: message.to_owned(),
            author: Signature::new("A", "a@example.org", Timestamp::UNIX_EPOCH)
                .expect("it is an author"),
            signing: None,
        }
    }

    /// What is noted as `message: path=before>after …`; the file `a` says `0` before.
    #[track_caller]
    fn check(drafts: Vec<CommitDraft>, expected: &[&str]) {
        let before = BTreeMap::from([
            (path("a"), Some(Bytes::from_static(b"0"))),
            (path("b"), None),
        ]);
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = |file: &FileNote| {
            let before = file
                .before
                .as_deref()
                .map_or_else(|| "none".to_owned(), shown);
            format!(" {}={before}>{}", file.path, shown(&file.after))
        };
        let commits = commits(before, drafts, &[]);
        let lines = commits.iter().map(|commit| {
            let files: String = commit.files.iter().map(file).collect();
            format!("{}:{files}", commit.message)
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_commit_starts_from_what_the_one_before_leaves() {
        check(
            vec![
                draft("x", &[("a", "1")]),
                draft("y", &[("a", "2"), ("b", "3")]),
            ],
            &["x: a=0>1", "y: a=1>2 b=none>3"],
        );
    }

    #[test]
    fn what_changes_nothing_is_no_commit() {
        check(vec![draft("x", &[("a", "0")])], &[]);
    }
}
