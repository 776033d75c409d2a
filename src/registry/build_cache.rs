//! What is known of digests: in memory, and in a folder if there is one. Bounded in both places.
//!
//! Facts of a digest never change, so nothing here runs out. They belong to a repository as well:
//! who may see one repository learns nothing about another by knowing a digest. Who asks has to
//! have been shown the digest by the registry; that is for [`super::builds`] to see to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use image_update_core::image::{Build, Digest, Repository};
use image_update_core::wire::manifest::Entry;

use super::build_folder::BuildFolder;

/// The most documents that are kept in memory, some 50 MB at the worst.
const MAX_DOCUMENTS: usize = 131_072;

/// What is known of one digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// One container image, with what its config says.
    Image(Build),
    /// Several container images.
    Index(Vec<Entry>),
    /// No container image.
    Other,
}

/// Documents by repository and digest.
#[derive(Default)]
pub(super) struct BuildCache {
    memory: Mutex<Memory>,
    folder: Option<BuildFolder>,
}

impl BuildCache {
    /// A cache that keeps what it knows in `folder`, too.
    pub(super) fn with_folder(folder: BuildFolder) -> Self {
        Self {
            memory: Mutex::default(),
            folder: Some(folder),
        }
    }

    /// Whether an earlier process has left something about a repository.
    pub(super) fn has_inherited(&self, repository: &Repository) -> bool {
        let folder = self.folder.as_ref();
        folder.is_some_and(|folder| folder.has_inherited(repository))
    }

    /// What is known of a digest, without asking anybody.
    pub(super) async fn get(&self, repository: &Repository, digest: &Digest) -> Option<Document> {
        if let Some(document) = self.memory().get(repository, digest) {
            return Some(document);
        }
        let document = self.folder.as_ref()?.read(repository, digest).await?;
        self.memory().put(repository, digest, document.clone());
        Some(document)
    }

    /// Keeps what was learnt of a digest.
    pub(super) async fn put(&self, repository: &Repository, digest: &Digest, document: &Document) {
        self.memory().put(repository, digest, document.clone());
        if let Some(folder) = &self.folder {
            folder.write(repository, digest, document).await;
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The documents that were used last.
#[derive(Default)]
struct Memory {
    documents: HashMap<(Repository, Digest), Kept>,
    uses: u64,
}

struct Kept {
    document: Document,
    /// [`Memory::uses`] when it was used last.
    used: u64,
}

impl Memory {
    fn get(&mut self, repository: &Repository, digest: &Digest) -> Option<Document> {
        self.uses += 1;
        let key = (repository.clone(), digest.clone());
        let kept = self.documents.get_mut(&key)?;
        kept.used = self.uses;
        Some(kept.document.clone())
    }

    fn put(&mut self, repository: &Repository, digest: &Digest, document: Document) {
        self.put_within(MAX_DOCUMENTS, repository, digest, document);
    }

    fn put_within(
        &mut self,
        most: usize,
        repository: &Repository,
        digest: &Digest,
        document: Document,
    ) {
        if self.documents.len() >= most {
            self.forget_oldest_quarter();
        }
        self.uses += 1;
        let kept = Kept {
            document,
            used: self.uses,
        };
        let key = (repository.clone(), digest.clone());
        self.documents.insert(key, kept);
    }

    /// A quarter at once, so that looking for the oldest is rare.
    fn forget_oldest_quarter(&mut self) {
        let mut uses: Vec<u64> = self.documents.values().map(|kept| kept.used).collect();
        let quarter = uses.len() / 4;
        if uses.is_empty() {
            return;
        }
        let (_, &mut limit, _) = uses.select_nth_unstable(quarter);
        self.documents.retain(|_, kept| kept.used > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u64) -> Digest {
        let text = format!("sha256:{number:064x}");
        text.parse().expect("it has 64 digits")
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let app: Repository = "registry.example/app".parse().expect("it is one");
        let mut memory = Memory::default();
        for number in 0..8 {
            memory.put_within(8, &app, &digest(number), Document::Other);
        }
        assert!(memory.get(&app, &digest(0)).is_some(), "it is used");
        memory.put_within(8, &app, &digest(8), Document::Other);
        let left: Vec<u64> = (0..9)
            .filter(|number| memory.get(&app, &digest(*number)).is_some())
            .collect();
        assert_eq!(left, [0, 4, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn a_digest_of_another_repository_is_not_known() {
        let cache = BuildCache::default();
        let app = "registry.example/app".parse().expect("it is one");
        let other = "registry.example/other".parse().expect("it is one");
        cache.put(&app, &digest(1), &Document::Other).await;
        assert_eq!(cache.get(&app, &digest(1)).await, Some(Document::Other));
        assert_eq!(cache.get(&other, &digest(1)).await, None);
    }
}
