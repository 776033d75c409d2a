//! The objects of a remote that are at hand.
//!
//! Holds what was seen of the heads read last, so that the next look fetches nothing that has not
//! changed. Never a whole repository: what those heads no longer reach is dropped, and over the
//! budget older heads go first, then files, then trees.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use gix::{ObjectId, objs::Kind};

use super::{
    commit,
    object::Object,
    tree::{Entries, EntryKind},
};

/// How many heads are kept: branches that are read by turns.
const MAX_HEADS: usize = 4;

/// What an object takes besides its content: its id, twice, and its places in tables.
const OVERHEAD_BYTES: usize = 128;

/// How much may come in until it is worth to look for what is of no use any more.
const SWEEP_BYTES: usize = 256 * 1024;

/// Objects by id.
#[derive(Debug)]
pub(crate) struct Store {
    /// Shared with whoever unpacks deltas upon them on another thread.
    objects: Arc<HashMap<ObjectId, Object>>,
    bytes: usize,
    /// The newest first.
    heads: VecDeque<Head>,
    budget_bytes: usize,
    /// From here on, it is worth to look for what is of no use any more.
    sweep_at_bytes: usize,
    /// Whether all trees of a head were too much for the budget.
    is_too_small: bool,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    commit_id: ObjectId,
    /// Whether every tree of it is at hand.
    has_all_trees: bool,
}

impl Store {
    /// Keeps at most `budget_bytes` from [`Store::trim`] on.
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self {
            objects: Arc::default(),
            bytes: 0,
            heads: VecDeque::new(),
            budget_bytes,
            sweep_at_bytes: SWEEP_BYTES,
            is_too_small: false,
        }
    }

    pub(crate) fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.objects.get(id)
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(id)
    }

    pub(crate) fn insert(&mut self, id: ObjectId, object: Object) {
        let added = size(&object);
        let replaced = Arc::make_mut(&mut self.objects).insert(id, object);
        self.bytes += added;
        self.bytes -= replaced.as_ref().map_or(0, size);
    }

    /// How much the objects take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that is at hand now.
    pub(crate) fn objects(&self) -> Arc<HashMap<ObjectId, Object>> {
        Arc::clone(&self.objects)
    }

    /// Whether the trees of a head that has not been seen are better fetched all at once: then the
    /// next one costs what has changed, and this is not the first that is read.
    pub(crate) fn wants_all_trees(&self) -> bool {
        !self.heads.is_empty() && !self.is_too_small
    }

    /// The heads of which every tree is at hand.
    pub(crate) fn complete_heads(&self) -> Vec<ObjectId> {
        let heads = self.heads.iter().filter(|head| head.has_all_trees);
        heads.map(|head| head.commit_id).collect()
    }

    /// Notes that a commit is what the next update will start from.
    pub(crate) fn read(&mut self, commit_id: ObjectId) {
        let known = self.heads.iter().position(|it| it.commit_id == commit_id);
        let head = known.and_then(|index| self.heads.remove(index));
        self.heads.push_front(head.unwrap_or(Head {
            commit_id,
            has_all_trees: false,
        }));
        self.heads.truncate(MAX_HEADS);
    }

    /// As [`Store::read`], if every tree of the commit is at hand; says whether that is so.
    pub(crate) fn read_with_all_trees(&mut self, commit_id: ObjectId) -> bool {
        let has_all_trees = self.has_all_trees(commit_id);
        if has_all_trees {
            self.read(commit_id);
            self.heads[0].has_all_trees = true;
        }
        has_all_trees
    }

    /// Notes that a commit of ours, with only new trees of its own, took the place of another.
    pub(crate) fn replace(&mut self, old: ObjectId, new: ObjectId) {
        let index = self.heads.iter().position(|it| it.commit_id == old);
        let replaced = index.and_then(|index| self.heads.remove(index));
        self.read(new);
        self.heads[0].has_all_trees |= replaced.is_some_and(|head| head.has_all_trees);
    }

    /// Notes that a commit of ours, not on any branch yet, is what the next one is built on: what
    /// only those between it and the head have may be dropped.
    ///
    /// Each of a thousand commits may have a tree of a megabyte.
    pub(crate) fn build_on(&mut self, commit_id: ObjectId) {
        if self.bytes > self.sweep_at_bytes {
            self.sweep(Some(commit_id));
            self.sweep_at_bytes = self.bytes * 2 + SWEEP_BYTES;
        }
    }

    /// Drops what is of no use any more, and more until the rest is within the budget.
    pub(crate) fn trim(&mut self) {
        if self.bytes <= self.budget_bytes.min(self.sweep_at_bytes) {
            return;
        }
        self.sweep(None);
        while self.bytes > self.budget_bytes && self.heads.len() > 1 {
            self.heads.pop_back();
            self.sweep(None);
        }
        if self.bytes > self.budget_bytes {
            self.retain(|_, object| object.kind != Kind::Blob);
        }
        if self.bytes > self.budget_bytes {
            self.is_too_small |= self.heads.iter().any(|head| head.has_all_trees);
            self.retain(|_, _| false);
            for head in &mut self.heads {
                head.has_all_trees = false;
            }
        }
        self.sweep_at_bytes = self.bytes * 2 + SWEEP_BYTES;
    }

    /// Drops what neither a head nor `other` reaches.
    fn sweep(&mut self, other: Option<ObjectId>) {
        let mut reached = HashSet::new();
        for commit_id in self.heads.iter().map(|head| head.commit_id).chain(other) {
            self.reach(commit_id, &mut reached, |_| {});
        }
        self.retain(|id, _| reached.contains(id));
    }

    fn retain(&mut self, is_kept: impl Fn(&ObjectId, &Object) -> bool) {
        let objects = Arc::make_mut(&mut self.objects);
        objects.retain(|id, object| is_kept(id, object));
        self.bytes = objects.values().map(size).sum();
    }

    fn has_all_trees(&self, commit_id: ObjectId) -> bool {
        let mut is_whole = true;
        self.reach(commit_id, &mut HashSet::new(), |_| is_whole = false);
        is_whole
    }

    /// Follows a commit to everything at hand that it reaches, and tells `missing` of the commit
    /// and the trees that are not. A tree that is malformed is taken for one that is missing.
    fn reach(
        &self,
        commit_id: ObjectId,
        reached: &mut HashSet<ObjectId>,
        mut missing: impl FnMut(ObjectId),
    ) {
        let hash = commit_id.kind();
        let mut open = vec![(commit_id, EntryKind::Directory)];
        while let Some((id, kind)) = open.pop() {
            let Some(object) = self.objects.get(&id) else {
                if kind == EntryKind::Directory {
                    missing(id);
                }
                continue;
            };
            if !reached.insert(id) {
                continue;
            }
            match object.kind {
                Kind::Commit => match commit::tree_id(&object.data, hash) {
                    Some(tree_id) => open.push((tree_id, EntryKind::Directory)),
                    None => missing(id),
                },
                Kind::Tree => {
                    for entry in Entries::new(&object.data, hash) {
                        match entry {
                            Ok(entry) if entry.kind() != EntryKind::Submodule => {
                                open.push((entry.id, entry.kind()));
                            }
                            Ok(_) => {}
                            Err(_) => missing(id),
                        }
                    }
                }
                Kind::Blob | Kind::Tag => {}
            }
        }
    }
}

fn size(object: &Object) -> usize {
    object.data.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use gix::hash;

    use super::*;
    use crate::git::tree;

    const SHA1: hash::Kind = hash::Kind::Sha1;
    const BUDGET_BYTES: usize = 1024 * 1024;

    #[test]
    fn only_what_the_heads_reach_is_kept() {
        let mut store = Store::new(BUDGET_BYTES);
        let old_file = put(&mut store, Kind::Blob, vec![b'o'; SWEEP_BYTES]);
        let old = commit(&mut store, &[("file", old_file)]);
        store.read(old);
        let file = put(&mut store, Kind::Blob, b"new".to_vec());
        let new = commit(&mut store, &[("elsewhere", SHA1.null()), ("file", file)]);
        store.replace(old, new);

        store.trim();

        assert!(store.contains(&new) && store.contains(&file));
        assert!(!store.contains(&old) && !store.contains(&old_file));
        assert_eq!(store.objects.len(), 3);
    }

    #[test]
    fn of_commits_built_on_each_other_what_is_in_use_is_kept() {
        let mut store = Store::new(BUDGET_BYTES);
        let start = put(&mut store, Kind::Blob, vec![b's'; SWEEP_BYTES]);
        let head = commit(&mut store, &[("changed", start)]);
        store.read(head);
        let mut most_bytes = 0;
        let mut shared = start;
        for number in 0..50_u8 {
            let file = put(&mut store, Kind::Blob, vec![number; SWEEP_BYTES / 2]);
            // The first one's file stays at another path.
            shared = if number == 0 { file } else { shared };
            let next = commit(&mut store, &[("changed", file), ("stays", shared)]);
            store.build_on(next);
            most_bytes = most_bytes.max(store.bytes());
            let is_kept = [next, file, shared, head, start].map(|id| store.contains(&id));
            assert_eq!(is_kept, [true; 5], "{number}");
        }
        assert!(most_bytes < 6 * SWEEP_BYTES, "{most_bytes} bytes");
    }

    #[test]
    fn branches_read_by_turns_are_all_kept() {
        let mut store = Store::new(BUDGET_BYTES);
        let heads: Vec<_> = (0..=MAX_HEADS)
            .map(|number| {
                let content = vec![b'0' + u8::try_from(number).expect("small"); SWEEP_BYTES / 2];
                let file = put(&mut store, Kind::Blob, content);
                let head = commit(&mut store, &[("file", file)]);
                store.read(head);
                (head, file)
            })
            .collect();
        store.trim();
        for (index, (head, file)) in heads.iter().enumerate() {
            let is_kept = store.contains(head) && store.contains(file);
            assert_eq!(is_kept, index > 0, "{index}");
        }
    }

    #[test]
    fn over_the_budget_old_heads_go_then_files_then_trees() {
        let mut store = Store::new(BUDGET_BYTES);
        let small = put(&mut store, Kind::Blob, vec![b'x'; BUDGET_BYTES / 2]);
        let old = commit(&mut store, &[("small", small)]);
        store.read(old);
        let other = put(&mut store, Kind::Blob, vec![b'y'; BUDGET_BYTES / 2]);
        let head = commit(&mut store, &[("other", other)]);
        assert!(store.read_with_all_trees(head));
        store.trim();
        assert!(store.contains(&other) && !store.contains(&old) && !store.contains(&small));

        let large = put(&mut store, Kind::Blob, vec![b'z'; BUDGET_BYTES]);
        let next = commit(&mut store, &[("large", large), ("other", other)]);
        store.replace(head, next);
        store.trim();
        assert!(store.contains(&next) && !store.contains(&large) && !store.contains(&other));
        assert_eq!(store.complete_heads(), [next]);
        assert!(store.wants_all_trees());

        let names: Vec<String> = (0..BUDGET_BYTES / 32).map(|it| it.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), other)).collect();
        let wide = commit(&mut store, &files);
        assert!(store.read_with_all_trees(wide));
        store.trim();
        assert_eq!((store.objects.len(), store.bytes), (0, 0));
        assert!(store.complete_heads().is_empty());
        assert!(!store.wants_all_trees());
    }

    #[test]
    fn heads_with_a_tree_that_is_not_at_hand_are_not_complete() {
        let mut store = Store::new(BUDGET_BYTES);
        let absent = SHA1.null();
        let file = commit(&mut store, &[("file", absent)]);
        assert!(store.read_with_all_trees(file));
        let inner = tree_of(&[("directory", absent)], true);
        let outer = put(&mut store, Kind::Tree, inner);
        let partial = put(&mut store, Kind::Commit, format!("tree {outer}\n").into());
        assert!(!store.read_with_all_trees(partial));
        assert!(!store.read_with_all_trees(absent));
        assert_eq!(store.complete_heads(), [file]);
        // A commit of ours adds all that it needs, no more.
        store.read(partial);
        let next = commit(&mut store, &[("file", file)]);
        store.replace(partial, next);
        assert_eq!(store.complete_heads(), [file]);
        store.replace(file, next);
        assert_eq!(store.complete_heads(), [next]);
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

    fn tree_of(files: &[(&str, ObjectId)], is_directory: bool) -> Vec<u8> {
        let changes: Vec<_> = files
            .iter()
            .map(|(name, id)| tree::Change {
                name: name.as_bytes(),
                id: *id,
                is_directory,
            })
            .collect();
        tree::splice(b"", &changes, SHA1).expect("a well-formed tree")
    }

    fn commit(store: &mut Store, files: &[(&str, ObjectId)]) -> ObjectId {
        let tree = put(store, Kind::Tree, tree_of(files, false));
        put(store, Kind::Commit, format!("tree {tree}\n").into_bytes())
    }
}
