//! Keeps what is known of digests in a folder, so that a restart need not fetch it again.
//!
//! One small file a digest, below one folder a repository. A file that cannot be read counts as
//! absent, one that cannot be written is left out: the folder spares requests and decides
//! nothing. Several processes may share it, because files appear whole.
//!
//! No credential and nothing made of one is stored.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use image_update_core::image::{Algorithm, Build, Digest, Platform, Repository};
use image_update_core::wire::manifest::{Entry, MAX_ENTRIES};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::build_cache::Document;
use super::digest;

/// Below the folder that was named, so that another layout can stand beside this one.
const LAYOUT: &str = "builds-v1";

/// The most files. At a block of 4 KiB each this is half a GiB.
const MAX_FILES: usize = 131_072;

/// The largest file: an index of [`MAX_ENTRIES`] entries has some 45 KB.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The hexadecimal digits that tell repositories apart.
const REPOSITORY_DIGITS: usize = 32;

/// How a file begins that is not complete.
const UNFINISHED: &str = ".unfinished-";

/// A folder with what is known of digests.
pub(super) struct BuildFolder {
    root: PathBuf,
    /// The repositories that there was something about at the start.
    inherited: HashSet<String>,
    files: AtomicUsize,
    unfinished: AtomicUsize,
    is_failing: AtomicBool,
}

impl BuildFolder {
    /// Opens the folder, and makes it if it is not there. It is readable by its owner only.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = root.join(LAYOUT);
        create_folder(&root)?;
        let mut inherited = HashSet::new();
        let mut files = 0;
        for (name, folder) in folders(&root)? {
            let kept = files_of(&folder).inspect(|file| {
                if is_unfinished(file) {
                    // Somebody was stopped; nobody else looks at it.
                    fs::remove_file(file).ok();
                }
            });
            let count = kept.filter(|file| !is_unfinished(file)).count();
            files += count;
            if count > 0 {
                inherited.insert(name);
            }
        }
        Ok(Self {
            root,
            inherited,
            files: AtomicUsize::new(files),
            unfinished: AtomicUsize::new(0),
            is_failing: AtomicBool::new(false),
        })
    }

    pub(super) fn has_inherited(&self, repository: &Repository) -> bool {
        self.inherited.contains(&folder_name(repository))
    }

    /// What is known of a digest.
    pub(super) async fn read(&self, repository: &Repository, digest: &Digest) -> Option<Document> {
        let path = self.path(repository, digest);
        let length = tokio::fs::metadata(&path).await.ok()?.len();
        if length > MAX_FILE_BYTES {
            return None;
        }
        let text = tokio::fs::read_to_string(&path).await.ok()?;
        decode(&text, repository, digest)
    }

    /// Keeps what is known of a digest, if the disk permits.
    pub(super) async fn write(
        &self,
        repository: &Repository,
        digest: &Digest,
        document: &Document,
    ) {
        let Some(text) = encode(repository, digest, document) else {
            return;
        };
        let path = self.path(repository, digest);
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let name = format!("{UNFINISHED}{}-{number}", std::process::id());
        let unfinished = path.with_file_name(name);
        let written = tokio::task::spawn_blocking(move || put(&unfinished, &path, &text)).await;
        match written {
            Ok(Ok(())) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    info!("The cache folder can be written again");
                }
                if self.files.fetch_add(1, Ordering::Relaxed) >= MAX_FILES {
                    self.forget_oldest().await;
                }
            }
            Ok(Err(error)) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    warn!(
                        path = %self.root.display(),
                        %error,
                        "The cache folder cannot be written; going on without"
                    );
                }
            }
            // The process ends.
            Err(_) => {}
        }
    }

    /// Removes the files that were written first, a quarter of all.
    async fn forget_oldest(&self) {
        let root = self.root.clone();
        let left = tokio::task::spawn_blocking(move || prune(&root, MAX_FILES / 4 * 3)).await;
        if let Ok(Ok(left)) = left {
            self.files.store(left, Ordering::Relaxed);
        }
    }

    fn path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let name = format!("{}-{}.json", digest.algorithm(), digest.hex());
        self.root.join(folder_name(repository)).join(name)
    }
}

/// A name without anything of the repository's that a file system could misread.
fn folder_name(repository: &Repository) -> String {
    let name = digest::of(Algorithm::Sha256, repository.to_string().as_bytes());
    name.hex()[..REPOSITORY_DIGITS].to_owned()
}

fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The folders of repositories, by name. Whatever else is there is left alone.
fn folders(root: &Path) -> io::Result<impl Iterator<Item = (String, PathBuf)>> {
    let is_ours = |name: &str| {
        name.len() == REPOSITORY_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let entries = fs::read_dir(root)?.filter_map(Result::ok);
    Ok(entries.filter_map(move |entry| {
        let name = entry.file_name().into_string().ok()?;
        is_ours(&name).then(|| (name, entry.path()))
    }))
}

fn files_of(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(UNFINISHED))
}

/// Writes a file that is there whole or not at all.
fn put(unfinished: &Path, path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let written = fs::write(unfinished, text).and_then(|()| fs::rename(unfinished, path));
    if written.is_err() {
        // What a full disk left of it would take the little room there is.
        fs::remove_file(unfinished).ok();
    }
    written
}

/// Removes the oldest files until `most` are left; returns how many are.
fn prune(root: &Path, most: usize) -> io::Result<usize> {
    let mut files: Vec<(SystemTime, PathBuf)> = folders(root)?
        .flat_map(|(_, folder)| files_of(&folder))
        .filter_map(|file| {
            let written = fs::metadata(&file).and_then(|it| it.modified()).ok()?;
            Some((written, file))
        })
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(most);
    for (_, file) in &files[..surplus] {
        fs::remove_file(file).ok();
    }
    Ok(files.len() - surplus)
}

/// A document as it is written: texts, which are parsed anew when they are read.
#[derive(Serialize, Deserialize)]
struct Stored {
    repository: String,
    digest: String,
    document: StoredDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredDocument {
    Image {
        platform: Option<String>,
        created: Option<Timestamp>,
    },
    Index(Vec<StoredEntry>),
    Other,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    digest: String,
    platform: Option<String>,
}

/// A line with the digest of the rest, then the rest.
fn encode(repository: &Repository, digest: &Digest, document: &Document) -> Option<String> {
    let platform = |platform: &Option<Platform>| platform.as_ref().map(ToString::to_string);
    let document = match document {
        Document::Image(build) => StoredDocument::Image {
            platform: platform(&build.platform),
            created: build.created,
        },
        Document::Index(entries) => {
            let entry = |entry: &Entry| StoredEntry {
                digest: entry.digest.to_string(),
                platform: platform(&entry.platform),
            };
            StoredDocument::Index(entries.iter().map(entry).collect())
        }
        Document::Other => StoredDocument::Other,
    };
    let stored = Stored {
        repository: repository.to_string(),
        digest: digest.to_string(),
        document,
    };
    let json = serde_json::to_string(&stored).ok()?;
    let checksum = digest::of(Algorithm::Sha256, json.as_bytes());
    Some(format!("{checksum}\n{json}\n"))
}

/// What [`encode`] wrote about this digest of this repository, if it is that.
fn decode(text: &str, repository: &Repository, digest: &Digest) -> Option<Document> {
    let (checksum, json) = text.split_once('\n')?;
    let json = json.trim_end_matches('\n');
    if digest::of(Algorithm::Sha256, json.as_bytes()).as_str() != checksum {
        return None;
    }
    let stored: Stored = serde_json::from_str(json).ok()?;
    if stored.repository != repository.to_string() || stored.digest != digest.as_str() {
        return None;
    }
    // `None` is a text that is no platform, `Some(None)` no text.
    let platform = |text: Option<String>| match text {
        Some(text) => text.parse::<Platform>().ok().map(Some),
        None => Some(None),
    };
    Some(match stored.document {
        StoredDocument::Image {
            platform: text,
            created,
        } => Document::Image(Build {
            platform: platform(text)?,
            created,
        }),
        StoredDocument::Index(entries) if entries.len() <= MAX_ENTRIES => {
            let entry = |entry: StoredEntry| {
                Some(Entry {
                    digest: entry.digest.parse().ok()?,
                    platform: platform(entry.platform)?,
                })
            };
            Document::Index(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        StoredDocument::Index(_) => return None,
        StoredDocument::Other => Document::Other,
    })
}

#[cfg(test)]
mod tests;
