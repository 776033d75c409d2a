//! Files as they were in the commits that show settled values. Read only where a policy is about to
//! write what stood somewhere before.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use gix::ObjectId;
use image_update_core::plan;
use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};

use crate::controller::context::Context;
use crate::git::options::RemoteOptions;
use crate::git::update::Paths;
use crate::write_back::job;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PastFiles {
    /// The branch that the commits were on.
    branch: Option<BranchName>,
    /// Of each file one content for each commit.
    files: BTreeMap<RepoPath, Vec<Option<Bytes>>>,
}

impl PastFiles {
    /// What is known of a branch.
    pub(super) fn of(&self, branch: &BranchName) -> plan::Past<'_> {
        if self.branch.as_ref() != Some(branch) {
            return plan::Past::new();
        }
        let looks = self.files.iter().map(|(path, contents)| {
            let contents = contents.iter().map(Option::as_deref);
            (path.clone(), contents.collect())
        });
        looks.collect()
    }

    /// Adds what `paths` were in `commits`; a commit that is gone says nothing.
    pub(super) async fn read(
        &mut self,
        (url, options): (&RemoteUrl, &RemoteOptions),
        branch: &BranchName,
        commits: &[ObjectId],
        paths: &BTreeSet<RepoPath>,
        context: &Context,
    ) -> Result<(), job::Error> {
        if self.branch.as_ref() != Some(branch) {
            self.files.clear();
            self.branch = Some(branch.clone());
        }
        for path in paths {
            self.files.insert(path.clone(), Vec::new());
        }
        let wanted: Paths = paths.iter().cloned().collect();
        for commit in commits {
            let read = context
                .remotes
                .read_commit(url, options, branch, *commit, &wanted);
            let mut files = read.await?.map(|it| it.files).unwrap_or_default();
            for path in paths {
                let bytes = files.remove(path).flatten();
                self.files.entry(path.clone()).or_default().push(bytes);
            }
        }
        Ok(())
    }
}
