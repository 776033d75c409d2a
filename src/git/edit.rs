//! Turns new files into new trees.

use std::collections::BTreeMap;

use gix::{ObjectId, hash, objs::Kind};

use super::{
    locate::PathTree,
    object::{CollisionError, NewObject, Object},
    store::Store,
    tree::{Change, Entries, EntryKind, MalformedTree, splice},
};

/// Why no tree could be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditError {
    Malformed,
    /// A tree that should have been fetched before.
    Missing(ObjectId),
    Collision(CollisionError),
}

/// Puts the blobs of `files` into the tree `root` and returns the new root's id.
///
/// Every tree on the paths must be in the store and every path must have been found usable there.
/// The new trees are appended to `objects`, children before parents.
pub(crate) fn edit(
    store: &Store,
    root: ObjectId,
    files: &PathTree<'_, ObjectId>,
    hash: hash::Kind,
    objects: &mut Vec<NewObject>,
) -> Result<ObjectId, EditError> {
    rewrite(store, Some(root), files, hash, objects)
}

/// Recursion is bounded by the number of components a path may have.
fn rewrite(
    store: &Store,
    tree_id: Option<ObjectId>,
    node: &PathTree<'_, ObjectId>,
    hash: hash::Kind,
    objects: &mut Vec<NewObject>,
) -> Result<ObjectId, EditError> {
    let old = match tree_id {
        Some(id) => Some((
            id,
            store.get(&id).ok_or(EditError::Missing(id))?.data.clone(),
        )),
        None => None,
    };
    let old_data = old.as_ref().map_or(&b""[..], |(_, data)| data);

    let mut changes = Vec::with_capacity(node.children.len());
    let mut directories = BTreeMap::new();
    for entry in Entries::new(old_data, hash) {
        let entry = entry.map_err(|MalformedTree| EditError::Malformed)?;
        if entry.kind() == EntryKind::Directory && node.children.contains_key(entry.name) {
            directories.insert(entry.name, entry.id);
        }
    }
    for (name, child) in &node.children {
        let (id, is_directory) = if let Some((_, blob_id)) = &child.leaf {
            (*blob_id, false)
        } else {
            let old_id = directories.get(name).copied();
            (rewrite(store, old_id, child, hash, objects)?, true)
        };
        changes.push(Change {
            name,
            id,
            is_directory,
        });
    }
    let data = splice(old_data, &changes, hash).map_err(|MalformedTree| EditError::Malformed)?;
    let object = Object {
        kind: Kind::Tree,
        data: data.into(),
    };
    let id = object.id(hash).map_err(EditError::Collision)?;
    objects.push(NewObject {
        id,
        object,
        replaces: old,
    });
    Ok(id)
}
