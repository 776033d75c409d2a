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
    }

    pub(crate) fn clear(&mut self) {
        self.objects.clear();
    }

    /// Drops what `commit` does not reach, then what is over the budget.
    pub(crate) fn keep_only(&mut self, commit: &ObjectId, hash: hash::Kind) {
        let reached = self.reachable(commit, hash);
        self.objects.retain(|id, _| reached.contains(id));
        if self.bytes() > BUDGET_BYTES {
            self.objects.retain(|_, object| object.kind != Kind::Blob);
        }
        if self.bytes() > BUDGET_BYTES {
            self.clear();
        }
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
