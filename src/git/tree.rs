//! Raw trees: read entry by entry, changed by splicing bytes.
//!
//! Whatever is not changed keeps its bytes: modes, order, odd names. Names are bytes here, not
//! text, for git does not promise more.

use std::collections::BTreeMap;

use gix::{ObjectId, hash, objs::tree::name_order};

/// The mode of a plain file.
pub(crate) const MODE_FILE: &[u8] = b"100644";

/// The mode of a directory, as git writes it.
pub(crate) const MODE_DIRECTORY: &[u8] = b"40000";

/// A tree that is not a sequence of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tree of the repository is malformed")]
pub struct MalformedTree;

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) mode: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) id: ObjectId,
    /// All of the entry but the id at its end.
    head: &'a [u8],
}

/// What an entry is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    File,
    Symlink,
    Submodule,
}

/// Iterates over a tree's entries; ends after the first error.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    id_length: usize,
}

/// An entry to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) id: ObjectId,
    /// Whether this is a directory: decides the mode and the place of a new entry.
    pub(crate) is_directory: bool,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(tree: &'a [u8], hash: hash::Kind) -> Self {
        Self {
            rest: tree,
            id_length: hash.len_in_bytes(),
        }
    }

    fn read(&mut self) -> Option<Entry<'a>> {
        let space = self.rest.iter().position(|byte| *byte == b' ')?;
        let nul = space + 1 + self.rest[space + 1..].iter().position(|byte| *byte == 0)?;
        let end = nul + 1 + self.id_length;
        let id = ObjectId::try_from(self.rest.get(nul + 1..end)?).ok()?;
        let (head, _) = self.rest.split_at(nul + 1);
        let (mode, name) = (&head[..space], &head[space + 1..nul]);
        if mode.is_empty()
            || name.is_empty()
            || !mode.iter().all(|byte| matches!(byte, b'0'..=b'7'))
        {
            return None;
        }
        self.rest = &self.rest[end..];
        Some(Entry {
            mode,
            name,
            id,
            head,
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, MalformedTree>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.read();
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or(MalformedTree))
    }
}

impl Entry<'_> {
    /// What the entry is. Old files have modes such as 100664; they are files.
    pub(crate) fn kind(&self) -> EntryKind {
        match self.mode {
            b"40000" | b"040000" => EntryKind::Directory,
            b"120000" => EntryKind::Symlink,
            b"160000" => EntryKind::Submodule,
            _ => EntryKind::File,
        }
    }
}

/// Sets entries of `tree`: existing ones keep their mode and place, new ones go where git sorts
/// them.
///
/// `changes` must have distinct names, and none of them may turn a file into a directory or back.
pub(crate) fn splice(
    tree: &[u8],
    changes: &[Change<'_>],
    hash: hash::Kind,
) -> Result<Vec<u8>, MalformedTree> {
    let mut missing: BTreeMap<&[u8], &Change<'_>> =
        changes.iter().map(|it| (it.name, it)).collect();
    let mut result = tree.to_vec();
    let mut entries = Entries::new(tree, hash);
    while let Some(entry) = entries.next() {
        if let Some(change) = missing.remove(entry?.name) {
            let end = tree.len() - entries.rest.len();
            result[end - entries.id_length..end].copy_from_slice(change.id.as_slice());
        }
    }
    if missing.is_empty() {
        Ok(result)
    } else {
        insert(&result, missing.into_values().collect(), hash)
    }
}

/// Adds entries that are not there.
fn insert(
    tree: &[u8],
    mut added: Vec<&Change<'_>>,
    hash: hash::Kind,
) -> Result<Vec<u8>, MalformedTree> {
    added.sort_by(|a, b| compare((a.name, a.is_directory), (b.name, b.is_directory)));
    let mut result = Vec::with_capacity(tree.len() + added.len() * 64);
    let mut added = added.into_iter().peekable();
    for entry in Entries::new(tree, hash) {
        let entry = entry?;
        let place = (entry.name, entry.kind() == EntryKind::Directory);
        while let Some(new) = added.next_if(|it| compare((it.name, it.is_directory), place).is_lt())
        {
            push_new(&mut result, new);
        }
        result.extend_from_slice(entry.head);
        result.extend_from_slice(entry.id.as_slice());
    }
    for new in added {
        push_new(&mut result, new);
    }
    Ok(result)
}

fn push_new(tree: &mut Vec<u8>, new: &Change<'_>) {
    tree.extend_from_slice(if new.is_directory {
        MODE_DIRECTORY
    } else {
        MODE_FILE
    });
    tree.push(b' ');
    tree.extend_from_slice(new.name);
    tree.push(0);
    tree.extend_from_slice(new.id.as_slice());
}

/// Git's order of entries: a directory sorts as if its name ended with a slash.
fn compare(a: (&[u8], bool), b: (&[u8], bool)) -> std::cmp::Ordering {
    name_order(a.0, a.1, b.0, b.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        EntryKind::{Directory, File, Submodule, Symlink},
        *,
    };

    const SHA1: hash::Kind = hash::Kind::Sha1;

    #[test]
    fn replaced_entry_keeps_its_mode_and_place() {
        check(
            "100755 a=1,100664 b=2,120000 c=3",
            "f b=9",
            "100755 a=1,100664 b=9,120000 c=3",
        );
        check("040000 a=1", "d a=9", "040000 a=9");
    }

    #[test]
    fn new_entry_goes_where_git_sorts_it() {
        check("", "f b=1", "100644 b=1");
        check(
            "100644 a=1,100644 c=2",
            "f b=9",
            "100644 a=1,100644 b=9,100644 c=2",
        );
        check(
            "100644 a=1",
            "f b=2 d c=3",
            "100644 a=1,100644 b=2,40000 c=3",
        );
        // `a.b` < `a/` < `a0`: a directory sorts with its slash.
        check(
            "100644 a.b=1,100644 a0=2",
            "d a=9",
            "100644 a.b=1,40000 a=9,100644 a0=2",
        );
        check("40000 a=1", "f a.b=9", "100644 a.b=9,40000 a=1");
        check("40000 a=1", "f a0=9", "40000 a=1,100644 a0=9");
    }

    #[test]
    fn kinds_are_told_by_mode() {
        let tree = tree("100644 a=1,100755 b=1,100664 c=1,40000 d=1,120000 e=1,160000 f=1");
        let kinds = Entries::new(&tree, SHA1)
            .flatten()
            .map(|it| it.kind())
            .collect::<Vec<_>>();
        assert_eq!(kinds, [File, File, File, Directory, Symlink, Submodule]);
    }

    proptest! {
        #[test]
        fn arbitrary_tree_never_panics_and_always_ends(bytes: Vec<u8>) {
            prop_assert!(Entries::new(&bytes, SHA1).count() <= bytes.len() + 1);
        }

        #[test]
        fn splice_without_changes_is_the_identity(
            names in prop::collection::btree_map("[a-c.]{1,4}", 0..9_u8, 0..9)
        ) {
            let text = names.iter().map(|(name, id)| format!("100644 {name}={id}"));
            let tree = tree(&text.collect::<Vec<_>>().join(","));
            prop_assert_eq!(splice(&tree, &[], SHA1), Ok(tree));
        }

        #[test]
        fn entries_stay_in_order_and_keep_what_is_not_changed(
            old in prop::collection::btree_map("[a-c.]{1,3}", any::<bool>(), 0..9),
            new in prop::collection::btree_map("[a-c.]{1,3}", any::<bool>(), 0..9),
        ) {
            let id = SHA1.null();
            let first: Vec<_> = old
                .iter()
                .map(|(name, kind)| Change { name: name.as_bytes(), id, is_directory: *kind })
                .collect();
            // What exists keeps its kind: anything else is refused before trees are spliced.
            let second: Vec<_> = new
                .iter()
                .map(|(name, kind)| (name.as_bytes(), *old.get(name).unwrap_or(kind)))
                .map(|(name, is_directory)| Change { name, id, is_directory })
                .collect();
            let start = splice(b"", &first, SHA1).expect("a well-formed tree");
            let end = splice(&start, &second, SHA1).expect("a well-formed tree");
            let entries = Entries::new(&end, SHA1).collect::<Result<Vec<_>, _>>();
            let entries = entries.expect("a well-formed tree");
            let sorted = entries.is_sorted_by(|a, b| {
                compare(
                    (a.name, a.kind() == EntryKind::Directory),
                    (b.name, b.kind() == EntryKind::Directory),
                )
                .is_lt()
            });
            prop_assert!(sorted);
            let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            prop_assert_eq!(entries.len(), names.len());
        }
    }

    /// Writes `mode name=digit,…` as a tree.
    fn tree(text: &str) -> Vec<u8> {
        let mut tree = Vec::new();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let (head, digit) = entry.split_once('=').expect("an id");
            tree.extend_from_slice(head.as_bytes());
            tree.push(0);
            tree.extend_from_slice(id(digit).as_slice());
        }
        tree
    }

    fn id(digit: &str) -> ObjectId {
        ObjectId::from_hex(digit.repeat(40).as_bytes()).expect("a digit")
    }

    #[track_caller]
    fn check(before: &str, changes: &str, after: &str) {
        let words: Vec<&str> = changes.split(' ').collect();
        let changes = words.chunks(2).map(|pair| {
            let (name, digit) = pair[1].split_once('=').expect("an id");
            Change {
                name: name.as_bytes(),
                id: id(digit),
                is_directory: pair[0] == "d",
            }
        });
        let changes = changes.collect::<Vec<_>>();
        assert_eq!(splice(&tree(before), &changes, SHA1), Ok(tree(after)));
    }
}
