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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use image_update_core::remote::RepoPath;
    use proptest::prelude::*;

    use super::*;
    use crate::git::locate::locate;

    const SHA1: hash::Kind = hash::Kind::Sha1;

    type Files = BTreeMap<RepoPath, ObjectId>;

    #[test]
    fn unchanged_directories_are_not_written_again() {
        let mut store = Store::new(usize::MAX);
        let root = apply(
            &mut store,
            None,
            &files(&[("a/x", 1), ("b/y", 1), ("c", 1)]),
        );
        let changes = files(&[("a/x", 2)]);
        let mut objects = Vec::new();
        edit(&store, root, &tree_of(&changes), SHA1, &mut objects).expect("edits");
        // The directory and the root above it, each upon what it replaces.
        assert_eq!(objects.len(), 2);
        assert!(objects.iter().all(|it| it.replaces.is_some()));
    }

    #[test]
    fn tree_that_is_not_at_hand_is_told() {
        let absent = SHA1.null();
        let changes = files(&[("a", 1)]);
        let result = edit(
            &Store::new(usize::MAX),
            absent,
            &tree_of(&changes),
            SHA1,
            &mut Vec::new(),
        );
        assert_eq!(result, Err(EditError::Missing(absent)));
    }

    proptest! {
        /// Names are files in one half and directories in the other, so that edits never clash.
        #[test]
        fn edits_set_what_they_name_and_nothing_else(
            before in prop::collection::btree_map("([d-f]{1,2}/){0,2}[a-c.]{1,2}[a-c]", 0..9_u8, 1..12),
            changes in prop::collection::btree_map("([d-f]{1,2}/){0,2}[a-c.]{1,2}[a-c]", 0..9_u8, 1..6),
        ) {
            let valid = |files: BTreeMap<String, u8>| -> Files {
                let files = files.iter().filter_map(|(name, it)| Some((name.parse().ok()?, id(*it))));
                files.collect()
            };
            let (mut expected, changes) = (valid(before), valid(changes));
            let mut store = Store::new(usize::MAX);
            let root = apply(&mut store, None, &expected);
            let root = apply(&mut store, Some(root), &changes);
            expected.extend(changes);

            let located = locate(&store, root, &tree_of(&expected), SHA1).expect("well-formed");
            let found: Files =
                located.files.into_iter().filter_map(|(path, id)| Some((path, id?))).collect();
            prop_assert_eq!(found, expected.clone());
            // The same files put in at once make the same tree.
            prop_assert_eq!(root, apply(&mut store, None, &expected));
        }
    }

    fn apply(store: &mut Store, root: Option<ObjectId>, changes: &Files) -> ObjectId {
        let mut objects = Vec::new();
        let root = rewrite(store, root, &tree_of(changes), SHA1, &mut objects).expect("edits");
        for new in objects {
            store.insert(new.id, new.object);
        }
        root
    }

    fn tree_of(files: &Files) -> PathTree<'_, ObjectId> {
        PathTree::new(files.iter().map(|(path, id)| (path, *id)))
    }

    fn files(files: &[(&str, u8)]) -> Files {
        let parse = |name: &str| name.parse().expect("the row's path is valid");
        files
            .iter()
            .map(|(name, digit)| (parse(name), id(*digit)))
            .collect()
    }

    fn id(digit: u8) -> ObjectId {
        ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).expect("a digit")
    }
}
