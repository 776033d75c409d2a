//! Finds files in trees: many paths at once, level by level, with the trees that are at hand.

use std::collections::{BTreeMap, BTreeSet};

use gix::{ObjectId, hash, objs::Kind};
use image_update_core::remote::{RepoFolder, RepoPath};

use super::{
    attributes::FILE_NAME,
    object::Object,
    store::Store,
    tree::{Entries, Entry, EntryKind, MalformedTree},
    update::MAX_FILE_BYTES,
};

/// The most files that folders may have: they are all read, and parsed if they may name the image.
pub(crate) const MAX_FOUND: usize = 5_000;

/// Why a path is not used. Nothing here is ever worked around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Following it could leave the repository, and writing to it would replace it.
    #[error("it is a symbolic link, which is not followed")]
    Symlink,
    /// Its content is another repository's.
    #[error("it is a submodule, which is another repository")]
    Submodule,
    /// A directory where a file is wanted.
    #[error("it is a directory, not a file")]
    Directory,
    /// A file where a directory is wanted.
    #[error("it is a file, not a directory")]
    File,
    /// A change that makes it a file and a directory at once.
    #[error("it would have to be a file and a directory at once")]
    FileAndDirectory,
    /// A pointer to content in Git LFS.
    #[error("it is a git lfs pointer; its content is not in the repository")]
    LfsPointer,
    /// What is in the repository is not what people see in their work trees.
    #[error("git passes it through a filter (filter= in .gitattributes), which is not run here")]
    Filtered,
    /// More than is read or written.
    #[error("it is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024)]
    TooLarge,
}

/// Paths as a tree of names, each with a value at its end.
#[derive(Debug)]
pub(crate) struct PathTree<'a, T> {
    pub(crate) children: BTreeMap<&'a [u8], Self>,
    pub(crate) leaf: Option<(&'a RepoPath, T)>,
    /// Whether every YAML file below is meant, too.
    folder: Option<&'a RepoFolder>,
}

/// How far the paths could be followed.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// The id of each file; nothing where there is none.
    pub(crate) files: BTreeMap<RepoPath, Option<ObjectId>>,
    /// The files that were found in folders.
    pub(crate) found: BTreeMap<RepoPath, ObjectId>,
    /// The files of attributes on the way, by their folders with the slash.
    pub(crate) attributes: BTreeMap<String, ObjectId>,
    /// Trees that are needed to go on.
    pub(crate) missing: BTreeSet<ObjectId>,
}

/// What stops a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LocateError {
    Malformed(MalformedTree),
    Path(RepoPath, PathError),
    TooManyFiles(RepoFolder),
}

impl<'a, T> PathTree<'a, T> {
    pub(crate) fn new(paths: impl IntoIterator<Item = (&'a RepoPath, T)>) -> Self {
        let mut root = Self::empty();
        for (path, value) in paths {
            root.node(path).leaf = Some((path, value));
        }
        root
    }

    /// Adds folders of which every YAML file is meant.
    pub(crate) fn with_folders(
        mut self,
        folders: impl IntoIterator<Item = &'a RepoFolder>,
    ) -> Self {
        for folder in folders {
            match folder.path() {
                Some(path) => self.node(path).folder = Some(folder),
                None => self.folder = Some(folder),
            }
        }
        self
    }

    fn empty() -> Self {
        Self {
            children: BTreeMap::new(),
            leaf: None,
            folder: None,
        }
    }

    fn node(&mut self, path: &'a RepoPath) -> &mut Self {
        let mut node = self;
        for name in path.components() {
            let child = node.children.entry(name.as_bytes());
            node = child.or_insert_with(Self::empty);
        }
        node
    }

    /// A path that another one goes through: it cannot be a file.
    pub(crate) fn conflict(&self) -> Option<&'a RepoPath> {
        let own = self.leaf.as_ref().filter(|_| !self.children.is_empty());
        let own = own.map(|(path, _)| *path);
        own.or_else(|| self.children.values().find_map(Self::conflict))
    }

    /// The first path in this subtree.
    fn any_path(&self) -> Option<&'a RepoPath> {
        let own = self.leaf.as_ref().map(|(path, _)| *path);
        let own = own.or_else(|| self.folder?.path());
        own.or_else(|| self.children.values().find_map(Self::any_path))
    }
}

/// Follows `paths` from the tree `root` as far as the store's trees go.
pub(crate) fn locate<T>(
    store: &Store,
    root: ObjectId,
    paths: &PathTree<'_, T>,
    hash: hash::Kind,
) -> Result<Located, LocateError> {
    let mut located = Located::default();
    follow(store, root, paths, hash, 1, &mut located)?;
    Ok(located)
}

/// Recursion is bounded by the number of components a path may have.
fn follow<T>(
    store: &Store,
    tree_id: ObjectId,
    node: &PathTree<'_, T>,
    hash: hash::Kind,
    depth: usize,
    located: &mut Located,
) -> Result<(), LocateError> {
    let Some(tree) = tree_at(store, tree_id, located)? else {
        return Ok(());
    };
    if let Some(folder) = node.folder {
        take_all(store, tree_id, folder, folder, hash, located)?;
    }
    let mut absent = node.children.iter().collect::<BTreeMap<_, _>>();
    for entry in Entries::new(&tree.data, hash) {
        let entry = entry.map_err(LocateError::Malformed)?;
        if is_attributes(&entry) {
            let place = node.any_path().map(|path| leading(path, depth - 1));
            located
                .attributes
                .insert(place.unwrap_or_default(), entry.id);
        }
        let Some(child) = absent.remove(&entry.name) else {
            continue;
        };
        let refuse = |error| refusal(child, depth, error);
        match entry.kind() {
            EntryKind::Symlink => return Err(refuse(PathError::Symlink)),
            EntryKind::Submodule => return Err(refuse(PathError::Submodule)),
            EntryKind::Directory if child.leaf.is_some() => {
                return Err(refuse(PathError::Directory));
            }
            EntryKind::Directory => follow(store, entry.id, child, hash, depth + 1, located)?,
            EntryKind::File if !child.children.is_empty() => return Err(refuse(PathError::File)),
            EntryKind::File => {
                if let Some((path, _)) = &child.leaf {
                    located.files.insert((*path).clone(), Some(entry.id));
                }
                if let Some(path) = child.folder.and_then(RepoFolder::path) {
                    located.found.insert(path.clone(), entry.id);
                }
            }
        }
    }
    for child in absent.into_values() {
        mark_absent(child, located);
    }
    Ok(())
}

/// A tree; `None` if it is not at hand, which is noted.
fn tree_at<'s>(
    store: &'s Store,
    tree_id: ObjectId,
    located: &mut Located,
) -> Result<Option<&'s Object>, LocateError> {
    let Some(tree) = store.get(&tree_id) else {
        located.missing.insert(tree_id);
        return Ok(None);
    };
    if tree.kind != Kind::Tree {
        return Err(LocateError::Malformed(MalformedTree));
    }
    Ok(Some(tree))
}

/// Takes every YAML file below the tree of `folder`, which is `asked` or below it.
///
/// Recursion is bounded by the number of components a path may have: what is deeper is no path.
fn take_all(
    store: &Store,
    tree_id: ObjectId,
    folder: &RepoFolder,
    asked: &RepoFolder,
    hash: hash::Kind,
    located: &mut Located,
) -> Result<(), LocateError> {
    let Some(tree) = tree_at(store, tree_id, located)? else {
        return Ok(());
    };
    for entry in Entries::new(&tree.data, hash) {
        let entry = entry.map_err(LocateError::Malformed)?;
        if is_attributes(&entry) {
            let place = folder.path().map(|path| format!("{path}/"));
            located
                .attributes
                .insert(place.unwrap_or_default(), entry.id);
        }
        // Names that no path of ours may have can't be written either.
        let name = str::from_utf8(entry.name).ok();
        let Some(path) = name.and_then(|name| folder.join(name).ok()) else {
            continue;
        };
        match entry.kind() {
            EntryKind::Directory => {
                let below = RepoFolder::from(path);
                take_all(store, entry.id, &below, asked, hash, located)?;
            }
            EntryKind::File if is_yaml(&path) => {
                located.found.insert(path, entry.id);
                if located.found.len() > MAX_FOUND {
                    return Err(LocateError::TooManyFiles(asked.clone()));
                }
            }
            EntryKind::File | EntryKind::Symlink | EntryKind::Submodule => {}
        }
    }
    Ok(())
}

fn is_attributes(entry: &Entry<'_>) -> bool {
    entry.name == FILE_NAME && entry.kind() == EntryKind::File
}

/// So many components of a path, each with its slash.
fn leading(path: &RepoPath, count: usize) -> String {
    let names = path.components().take(count);
    names.flat_map(|name| [name, "/"]).collect()
}

fn is_yaml(path: &RepoPath) -> bool {
    let name = path.file_name();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|it| it.eq_ignore_ascii_case("yaml") || it.eq_ignore_ascii_case("yml"))
}

fn mark_absent<T>(node: &PathTree<'_, T>, located: &mut Located) {
    if let Some((path, _)) = &node.leaf {
        located.files.insert((*path).clone(), None);
    }
    for child in node.children.values() {
        mark_absent(child, located);
    }
}

/// Names the component at `depth` as what is wrong.
fn refusal<T>(node: &PathTree<'_, T>, depth: usize, error: PathError) -> LocateError {
    let Some(path) = node.any_path() else {
        return LocateError::Malformed(MalformedTree);
    };
    let mut at = path.clone();
    for _ in depth..path.components().count() {
        at = at.parent().unwrap_or(at);
    }
    LocateError::Path(at, error)
}
