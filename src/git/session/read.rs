//! Reading: from a tip to the content of files, with as few requests as can be.
//!
//! The server is asked for the commit, then for the trees of one level at a time, all paths at once,
//! then for the files in one request. A server that cannot leave files out sends them all with the
//! commit; they are taken from that pack then.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use gix::{ObjectId, hash, objs::Kind};

use super::{Session, Tip};
use crate::git::{
    commit,
    error::{Error, MalformedTree, PackError, PathError},
    locate::{LocateError, Located, PathTree, locate},
    object::Object,
    pack::decode::{Limits, Summary, decode},
    protocol::fetch::{self, Scope},
    transport::Service,
    update::{MAX_FILE_BYTES, Paths, Snapshot},
};

/// The largest pack read: a whole checkout, where the server cannot leave files out.
pub(super) const MAX_PACK_BYTES: usize = 256 * 1024 * 1024;

/// The most kept of one pack.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// From this size on, unpacking moves to a thread of its own: about 10 ms of work.
const BLOCKING_PACK_BYTES: usize = 1024 * 1024;

/// What is read of a pack. A directory of 100,000 entries is 4 MB.
const LIMITS: Limits = Limits {
    blob: MAX_FILE_BYTES,
    other: 32 * 1024 * 1024,
    total: 4 * 1024 * 1024 * 1024,
};

/// How a Git LFS pointer starts: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// Which objects of a pack are kept.
#[derive(Debug, Clone)]
pub(super) enum Keep {
    All,
    Commits,
    Directories,
    Only(HashSet<ObjectId>),
}

impl Session {
    /// Reads files at `tip`. No request when they have not changed since they were read last.
    pub(crate) async fn snapshot(&mut self, tip: &Tip, paths: &Paths) -> Result<Snapshot, Error> {
        let located = self.locate(tip, paths).await?;
        let named = located.files.values().flatten();
        let wanted: BTreeSet<ObjectId> = named.chain(located.found.values()).copied().collect();
        let oversized = self.load(wanted, Scope::Objects).await?;

        let mut files = BTreeMap::new();
        for (path, id) in located.files {
            let content = match id {
                None => None,
                Some(id) => match self.store.get(&id) {
                    Some(object) if object.kind != Kind::Blob => return Err(self.malformed(tip)),
                    Some(object) if object.data.len() > MAX_FILE_BYTES => {
                        return Err(self.refused(tip, path, PathError::TooLarge));
                    }
                    Some(object) if object.data.starts_with(LFS_POINTER) => {
                        return Err(self.refused(tip, path, PathError::LfsPointer));
                    }
                    Some(object) => Some(object.data.clone()),
                    // What was left out for its size has no id; what else could this be.
                    None if oversized => {
                        return Err(self.refused(tip, path, PathError::TooLarge));
                    }
                    None => return Err(self.missing(tip, id)),
                },
            };
            files.insert(path, content);
        }
        for (path, id) in located.found {
            let object = self.store.get(&id).filter(|it| is_text_file(it));
            if let Some(object) = object {
                files.insert(path, Some(object.data.clone()));
            }
        }
        let hash = tip.commit_id.kind();
        self.store.keep_only(&tip.commit_id, hash);
        Ok(Snapshot {
            branch: tip.branch.clone(),
            commit_id: tip.commit_id,
            files,
        })
    }

    /// Finds files at `tip`, fetching the commit and the trees that are not at hand.
    pub(super) async fn locate(&mut self, tip: &Tip, paths: &Paths) -> Result<Located, Error> {
        let hash = tip.commit_id.kind();
        self.load(BTreeSet::from([tip.commit_id]), Scope::Commit)
            .await?;
        let root = self.root(tip)?;
        let files = paths.files.iter().map(|path| (path, ()));
        let paths = PathTree::new(files).with_folders(&paths.folders);
        let mut asked = BTreeSet::new();
        loop {
            let located = locate(&self.store, root, &paths, hash).map_err(|error| match error {
                LocateError::Malformed(MalformedTree) => self.malformed(tip),
                LocateError::Path(path, source) => self.refused(tip, path, source),
                LocateError::TooManyFiles(folder) => self.too_many_files(tip, folder),
            })?;
            if located.missing.is_empty() {
                return Ok(located);
            }
            // Each round must bring what was asked for, or it would go on forever.
            if let Some(id) = located.missing.iter().find(|id| asked.contains(*id)) {
                return Err(self.missing(tip, *id));
            }
            asked.extend(located.missing.iter().copied());
            self.load(located.missing, Scope::Objects).await?;
        }
    }

    pub(super) fn root(&self, tip: &Tip) -> Result<ObjectId, Error> {
        let commit = self
            .store
            .get(&tip.commit_id)
            .filter(|it| it.kind == Kind::Commit);
        let commit = commit.ok_or_else(|| self.missing(tip, tip.commit_id))?;
        commit::tree_id(&commit.data, tip.commit_id.kind()).ok_or_else(|| self.malformed(tip))
    }

    /// Brings objects into the store; says whether one was left out for its size.
    async fn load(&mut self, mut ids: BTreeSet<ObjectId>, scope: Scope) -> Result<bool, Error> {
        ids.retain(|id| !self.store.contains(id));
        let Some(hash) = ids.first().map(ObjectId::kind) else {
            return Ok(false);
        };
        if scope == Scope::Objects
            && let Some(whole) = self.whole.clone()
        {
            let keep = Keep::Only(ids.iter().copied().collect());
            let oversized = self.unpack(whole, hash, keep).await?;
            ids.retain(|id| !self.store.contains(id));
            if ids.is_empty() || oversized {
                return Ok(oversized);
            }
        }
        let server = self.upload_pack().await?;
        let wants: Vec<ObjectId> = ids.into_iter().collect();
        let request = fetch::request(server, &wants, scope);
        let body = self
            .exchange(Service::UploadPack, request, MAX_PACK_BYTES)
            .await?;
        let pack = Bytes::from(fetch::parse(&body).map_err(|source| self.protocol(source))?);
        drop(body);
        if scope == Scope::Objects || server.filter {
            return self.unpack(pack, hash, Keep::All).await;
        }
        self.whole = Some(pack.clone());
        self.unpack(pack, hash, Keep::Directories).await
    }

    async fn unpack(&mut self, pack: Bytes, hash: hash::Kind, keep: Keep) -> Result<bool, Error> {
        let (objects, summary) = self.objects_of(pack, hash, keep).await?;
        for (id, object) in objects {
            self.store.insert(id, object);
        }
        Ok(summary.oversized > 0)
    }

    /// Reads a pack, on a thread of its own if that takes long.
    pub(super) async fn objects_of(
        &self,
        pack: Bytes,
        hash: hash::Kind,
        keep: Keep,
    ) -> Result<(Vec<(ObjectId, Object)>, Summary), Error> {
        let result = if pack.len() < BLOCKING_PACK_BYTES {
            unpack(&pack, hash, &keep)
        } else {
            let task = tokio::task::spawn_blocking(move || unpack(&pack, hash, &keep));
            // The task is never cancelled; a panic in it is a panic here.
            task.await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        };
        result.map_err(|source| self.pack(source))
    }
}

/// Whether an object is a file of a folder that may be read.
fn is_text_file(object: &Object) -> bool {
    object.kind == Kind::Blob
        && object.data.len() <= MAX_FILE_BYTES
        && !object.data.starts_with(LFS_POINTER)
}

/// Reads the objects of a pack that are to be kept.
fn unpack(
    pack: &[u8],
    hash: hash::Kind,
    keep: &Keep,
) -> Result<(Vec<(ObjectId, Object)>, Summary), PackError> {
    let mut kept = Vec::new();
    let mut bytes = 0;
    // No base is known from outside: thin packs are never asked for.
    let summary = decode(
        pack,
        hash,
        LIMITS,
        |_| None,
        |id, object| {
            let wanted = match keep {
                Keep::All => true,
                Keep::Commits => object.kind == Kind::Commit,
                Keep::Directories => matches!(object.kind, Kind::Commit | Kind::Tree),
                Keep::Only(ids) => ids.contains(&id),
            };
            if wanted {
                bytes += object.data.len();
                if bytes <= MAX_KEPT_BYTES {
                    kept.push((id, object));
                }
            }
        },
    )?;
    if bytes > MAX_KEPT_BYTES {
        return Err(PackError::TooLarge {
            limit_bytes: MAX_KEPT_BYTES as u64,
        });
    }
    Ok((kept, summary))
}
