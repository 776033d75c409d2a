//! Building: from new content to the objects of a commit.

use gix::objs::Kind;

use super::{Built, Session, Tip};
use crate::git::{
    commit,
    edit::{EditError, edit},
    error::{Error, PackError, PathError},
    locate::PathTree,
    object::{NewObject, Object},
    update::{CommitDraft, MAX_FILE_BYTES, Paths},
};

impl Session {
    /// Builds the commit of `draft` on `tip`; nothing if no file would change.
    pub(crate) async fn build(
        &mut self,
        tip: &Tip,
        draft: &CommitDraft,
    ) -> Result<Option<Built>, Error> {
        let hash = tip.commit_id.kind();
        if let Some((path, _)) = draft.files.iter().find(|(_, it)| it.len() > MAX_FILE_BYTES) {
            return Err(self.refused(tip, path.clone(), PathError::TooLarge));
        }
        let paths: Paths = draft.files.keys().cloned().collect();
        let located = self.locate(tip, &paths).await?;
        let collision = |source| self.pack(PackError::Collision(source));

        let mut objects = Vec::new();
        let mut blobs = Vec::new();
        for (path, content) in &draft.files {
            let object = Object {
                kind: Kind::Blob,
                data: content.clone().into(),
            };
            let id = object.id(hash).map_err(collision)?;
            let old = located.files.get(path).copied().flatten();
            if old == Some(id) {
                continue;
            }
            let replaces = old.and_then(|old| Some((old, self.store.get(&old)?.data.clone())));
            blobs.push((path, id));
            objects.push(NewObject {
                id,
                object,
                replaces,
            });
        }
        if blobs.is_empty() {
            return Ok(None);
        }
        let files = blobs.iter().map(|(path, _)| (*path).clone()).collect();
        let changes = PathTree::new(blobs);
        if let Some(path) = changes.conflict() {
            return Err(self.refused(tip, path.clone(), PathError::FileAndDirectory));
        }
        let root = self.root(tip)?;
        let tree =
            edit(&self.store, root, &changes, hash, &mut objects).map_err(|error| match error {
                EditError::Malformed => self.malformed(tip),
                EditError::Missing(id) => self.missing(tip, id),
                EditError::Collision(source) => self.pack(PackError::Collision(source)),
            })?;
        let object = commit::build(draft, tree, tip.commit_id).map_err(|source| Error::Draft {
            remote: self.remote.clone(),
            branch: tip.branch.clone(),
            source,
        })?;
        let commit_id = object.id(hash).map_err(collision)?;
        objects.push(NewObject {
            id: commit_id,
            object,
            replaces: None,
        });
        Ok(Some(Built {
            commit_id,
            files,
            objects,
        }))
    }
}
