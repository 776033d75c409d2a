//! Reading: from a tip to the content of files, with as few requests as can be.

use std::collections::{BTreeMap, BTreeSet};

use gix::{ObjectId, objs::Kind};

use super::{Session, Tip};
use crate::git::{
    commit,
    error::{Error, MalformedTree, PathError},
    locate::{LocateError, Located, PathTree, locate},
    object::Object,
    update::{MAX_FILE_BYTES, Paths, Snapshot},
};

/// How a Git LFS pointer starts: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

impl Session {
    /// Reads files at `tip`. No request when they have not changed since they were read last.
    pub(crate) async fn snapshot(&mut self, tip: &Tip, paths: &Paths) -> Result<Snapshot, Error> {
        let located = self.locate(tip, paths).await?;
        let named = located.files.values().flatten();
        let wanted: BTreeSet<ObjectId> = named.chain(located.found.values()).copied().collect();
        let oversized = self.load(tip.commit_id, wanted).await?;

        let mut files = BTreeMap::new();
        for (path, id) in located.files {
            let content = match id {
                None => None,
                Some(id) => match self.store.get(&id) {
                    Some(object) if object.kind != Kind::Blob => return Err(self.malformed(tip)),
                    Some(object) if object.data.len() > MAX_FILE_BYTES => {
                        return Err(self.refused(tip, path, PathError::TooLarge));
                    }
                    Some(object) if object.data.starts_with(LFS_POINTER) => {
                        return Err(self.refused(tip, path, PathError::LfsPointer));
                    }
                    Some(object) => Some(object.data.clone()),
                    // What was left out for its size has no id; what else could this be.
                    None if oversized => {
                        return Err(self.refused(tip, path, PathError::TooLarge));
                    }
                    None => return Err(self.missing(tip, id)),
                },
            };
            files.insert(path, content);
        }
        for (path, id) in located.found {
            let object = self.store.get(&id).filter(|it| is_text_file(it));
            if let Some(object) = object {
                files.insert(path, Some(object.data.clone()));
            }
        }
        self.store.read(tip.commit_id);
        Ok(Snapshot {
            branch: tip.branch.clone(),
            commit_id: tip.commit_id,
            files,
        })
    }

    /// Finds files at `tip`, fetching the commit and the trees that are not at hand.
    pub(super) async fn locate(&mut self, tip: &Tip, paths: &Paths) -> Result<Located, Error> {
        let hash = tip.commit_id.kind();
        self.load_commit(tip.commit_id, paths).await?;
        let root = self.root(tip)?;
        let files = paths.files.iter().map(|path| (path, ()));
        let tree = PathTree::new(files).with_folders(&paths.folders);
        let mut asked = BTreeSet::new();
        loop {
            let located = locate(&self.store, root, &tree, hash).map_err(|error| match error {
                LocateError::Malformed(MalformedTree) => self.malformed(tip),
                LocateError::Path(path, source) => self.refused(tip, path, source),
                LocateError::TooManyFiles(folder) => self.too_many_files(tip, folder),
            })?;
            if located.missing.is_empty() {
                return Ok(located);
            }
            // Each round must bring what was asked for, or it would go on forever.
            if let Some(id) = located.missing.iter().find(|id| asked.contains(*id)) {
                return Err(self.missing(tip, *id));
            }
            asked.extend(located.missing.iter().copied());
            self.load(tip.commit_id, located.missing).await?;
        }
    }

    pub(super) fn root(&self, tip: &Tip) -> Result<ObjectId, Error> {
        let commit = self
            .store
            .get(&tip.commit_id)
            .filter(|it| it.kind == Kind::Commit);
        let commit = commit.ok_or_else(|| self.missing(tip, tip.commit_id))?;
        commit::tree_id(&commit.data, tip.commit_id.kind()).ok_or_else(|| self.malformed(tip))
    }
}

/// Whether an object is a file of a folder that may be read.
fn is_text_file(object: &Object) -> bool {
    object.kind == Kind::Blob
        && object.data.len() <= MAX_FILE_BYTES
        && !object.data.starts_with(LFS_POINTER)
}
