//! The objects of a remote that are at hand.
//!
//! Holds what the last update saw of the branch's head, so that the next one fetches nothing that
//! has not changed. Never a whole repository: what the head no longer reaches is dropped, and over
//! the budget files go before trees.

use std::collections::{HashMap, HashSet};

use gix::{ObjectId, hash, objs::Kind};

use super::{object::Object, tree};

/// How much is kept between updates. Ten thousand applications have about 1.2 MB of trees.
const BUDGET_BYTES: usize = 32 * 1024 * 1024;

/// Objects by id.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: HashMap<ObjectId, Object>,
    /// The commit that everything here is reached by, if nothing came since that was established.
    kept_for: Option<ObjectId>,
}

impl Store {
    pub(crate) fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.objects.get(id)
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(id)
    }

    pub(crate) fn insert(&mut self, id: ObjectId, object: Object) {
        self.objects.insert(id, object);
        self.kept_for = None;
    }

    /// Drops what `commit` does not reach, then what is over the budget.
    pub(crate) fn keep_only(&mut self, commit: &ObjectId, hash: hash::Kind) {
        if self.kept_for == Some(*commit) {
            return;
        }
        let reached = self.reachable(commit, hash);
        self.objects.retain(|id, _| reached.contains(id));
        if self.bytes() > BUDGET_BYTES {
            self.objects.retain(|_, object| object.kind != Kind::Blob);
        }
        if self.bytes() > BUDGET_BYTES {
            self.objects.clear();
        }
        self.kept_for = Some(*commit);
    }

    fn bytes(&self) -> usize {
        self.objects.values().map(|object| object.data.len()).sum()
    }

    /// The ids at hand that `commit` reaches.
    fn reachable(&self, commit: &ObjectId, hash: hash::Kind) -> HashSet<ObjectId> {
        let mut reached = HashSet::new();
        let mut open = vec![*commit];
        while let Some(id) = open.pop() {
            let Some(object) = self.objects.get(&id) else {
                continue;
            };
            if !reached.insert(id) {
                continue;
            }
            match object.kind {
                Kind::Commit => open.extend(super::commit::tree_id(&object.data, hash)),
                Kind::Tree => {
                    let entries = tree::Entries::new(&object.data, hash);
                    open.extend(entries.flatten().map(|entry| entry.id));
                }
                Kind::Blob | Kind::Tag => {}
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: hash::Kind = hash::Kind::Sha1;

    #[test]
    fn only_what_the_head_reaches_is_kept() {
        let mut store = Store::default();
        let old_file = put(&mut store, Kind::Blob, b"old".to_vec());
        let old = commit(&mut store, &[("file", old_file)]);
        let file = put(&mut store, Kind::Blob, b"new".to_vec());
        let elsewhere = SHA1.null();
        let new = commit(&mut store, &[("elsewhere", elsewhere), ("file", file)]);

        store.keep_only(&new, SHA1);

        assert!(store.contains(&new) && store.contains(&file));
        assert!(!store.contains(&old) && !store.contains(&old_file));
        assert_eq!(store.objects.len(), 3);
        // What comes after is looked at again.
        let stray = put(&mut store, Kind::Blob, b"stray".to_vec());
        store.keep_only(&new, SHA1);
        assert!(!store.contains(&stray));
    }

    #[test]
    fn over_the_budget_files_go_and_trees_stay() {
        let mut store = Store::default();
        let large = put(&mut store, Kind::Blob, vec![b'x'; BUDGET_BYTES]);
        let head = commit(&mut store, &[("large", large)]);
        store.keep_only(&head, SHA1);
        assert!(!store.contains(&large));
        assert_eq!(store.objects.len(), 2);
    }

    fn put(store: &mut Store, kind: Kind, data: Vec<u8>) -> ObjectId {
        let object = Object {
            kind,
            data: data.into(),
        };
        let id = object.id(SHA1).expect("no collision");
        store.insert(id, object);
        id
    }

    fn commit(store: &mut Store, files: &[(&str, ObjectId)]) -> ObjectId {
        let changes: Vec<_> = files
            .iter()
            .map(|(name, id)| tree::Change {
                name: name.as_bytes(),
                id: *id,
                is_directory: false,
            })
            .collect();
        let tree = tree::splice(b"", &changes, SHA1).expect("a well-formed tree");
        let tree = put(store, Kind::Tree, tree);
        put(store, Kind::Commit, format!("tree {tree}\n").into_bytes())
    }
}
