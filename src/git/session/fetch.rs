//! Fetching: from ids to objects in the store, by the cheapest way that the server knows.
//!
//! | the server | the store has | what is asked for |
//! |---|---|---|
//! | leaves objects out | nothing | the commit alone; then trees and files by their ids, as paths need them |
//! | | nothing, and many paths need trees | the commit with all trees; then files by their ids |
//! | | an earlier head, in part | the same, once: it takes what comes next to the last row |
//! | leaves nothing out, or takes no ids | nothing | the commit with all trees and files |
//! | any | all trees of an earlier head | what has changed since, as deltas; then files by their ids |
//!
//! What a server said it can do is not relied upon. Where it refuses ids after all, or sends deltas
//! upon what is not at hand, the next row up is taken.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use gix::{ObjectId, hash, objs::Kind};
use tracing::debug;

use super::Session;
use crate::git::{
    error::{Error, PackError, ProtocolError},
    object::Object,
    pack::decode::{Limits, Summary, decode},
    protocol::{
        capabilities::{UploadPack, Version},
        fetch::{self, Request, Scope},
    },
    transport::{Ending, Service},
    update::{MAX_FILE_BYTES, Paths},
};

/// The largest pack read: a whole checkout, where the server cannot leave files out.
const MAX_PACK_BYTES: usize = 256 * 1024 * 1024;

/// The most kept of one pack.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// From this size on, unpacking moves to a thread of its own: about 10 ms of work.
const BLOCKING_PACK_BYTES: usize = 1024 * 1024;

/// From this number on, the trees on the way to so many files are most of what there is, and one
/// request brings all.
const MANY_PATHS: usize = 50;

/// What is read of a pack. A directory of 100,000 entries is 4 MB.
const LIMITS: Limits = Limits {
    blob: MAX_FILE_BYTES,
    other: 32 * 1024 * 1024,
    total: 4 * 1024 * 1024 * 1024,
};

/// Which objects of a pack are kept.
#[derive(Debug, Clone)]
pub(super) enum Keep {
    All,
    Commits,
    Directories,
    Only(HashSet<ObjectId>),
}

/// A pack as it came.
#[derive(Debug, Clone)]
pub(super) struct Pack {
    bytes: Bytes,
    /// Whether it may have deltas upon what was at hand.
    is_thin: bool,
}

/// What objects of a pack may be deltas upon, besides each other.
type Bases = Arc<HashMap<ObjectId, Object>>;

impl Session {
    /// Brings a commit, and the trees that come with it.
    pub(super) async fn load_commit(
        &mut self,
        commit_id: ObjectId,
        paths: &Paths,
    ) -> Result<(), Error> {
        if self.store.contains(&commit_id) {
            return Ok(());
        }
        let server = self.upload_pack().await?;
        let haves = self.store.complete_heads();
        if !haves.is_empty() && self.load_changes(server, commit_id, &haves).await? {
            return Ok(());
        }
        let scope = if !server.leaves_out_files() {
            Scope::Whole
        } else if self.store.wants_all_trees() || has_many(paths) || is_one_request(server) {
            Scope::Trees
        } else {
            Scope::Commit
        };
        let request = Request {
            wants: &[commit_id],
            haves: &[],
            scope,
        };
        let pack = self.fetch(server, &request).await?;
        self.take_commit(pack, scope, commit_id).await?;
        if scope != Scope::Commit {
            self.store.read_with_all_trees(commit_id);
        }
        Ok(())
    }

    /// Brings a commit with the trees that changed since earlier ones; says whether that is all
    /// there is.
    async fn load_changes(
        &mut self,
        server: UploadPack,
        commit_id: ObjectId,
        haves: &[ObjectId],
    ) -> Result<bool, Error> {
        let scope = if server.leaves_out_files() {
            Scope::Trees
        } else {
            Scope::Whole
        };
        let request = Request {
            wants: &[commit_id],
            haves,
            scope,
        };
        let pack = self.fetch(server, &request).await?;
        self.take_commit(pack, scope, commit_id).await?;
        let is_all = self.store.read_with_all_trees(commit_id);
        if !is_all {
            debug!(git.remote = %self.remote, "What the server sent is based on what is not here");
            self.whole = None;
        }
        Ok(is_all)
    }

    async fn take_commit(
        &mut self,
        pack: Pack,
        scope: Scope,
        commit_id: ObjectId,
    ) -> Result<(), Error> {
        if scope == Scope::Whole {
            self.whole = Some(pack.clone());
        }
        self.unpack(pack, commit_id.kind(), Keep::Directories)
            .await?;
        Ok(())
    }

    /// Brings trees and files of a commit into the store; says whether one was left out for its
    /// size.
    pub(super) async fn load(
        &mut self,
        commit_id: ObjectId,
        mut ids: BTreeSet<ObjectId>,
    ) -> Result<bool, Error> {
        let hash = commit_id.kind();
        ids.retain(|id| !self.store.contains(id));
        if let Some(whole) = self.whole.clone().filter(|_| !ids.is_empty()) {
            let is_thin = whole.is_thin;
            let oversized = self.unpack(whole, hash, only(&ids)).await?;
            ids.retain(|id| !self.store.contains(id));
            if oversized && !is_thin {
                return Ok(true);
            }
        }
        if ids.is_empty() {
            return Ok(false);
        }
        let server = self.upload_pack().await?;
        if server.by_id {
            let wants: Vec<ObjectId> = ids.iter().copied().collect();
            let request = Request {
                wants: &wants,
                haves: &[],
                scope: Scope::Objects,
            };
            match self.fetch(server, &request).await {
                Ok(pack) => return self.unpack(pack, hash, Keep::All).await,
                Err(error) if is_refusal(&error) => self.ask_for_no_ids(),
                Err(error) => return Err(error),
            }
        }
        let request = Request {
            wants: &[commit_id],
            haves: &[],
            scope: Scope::Whole,
        };
        let whole = self.fetch(server, &request).await?;
        self.whole = Some(whole.clone());
        self.unpack(whole, hash, only(&ids)).await
    }

    /// Brings the commits that `tip` has and `base` has not.
    pub(super) async fn commits_between(
        &mut self,
        base: ObjectId,
        tip: ObjectId,
    ) -> Result<Vec<(ObjectId, Object)>, Error> {
        let server = self.upload_pack().await?;
        let request = Request {
            wants: &[tip],
            haves: &[base],
            scope: Scope::History,
        };
        let pack = self.fetch(server, &request).await?;
        let (commits, _) = self.objects_of(pack, tip.kind(), Keep::Commits).await?;
        Ok(commits)
    }

    async fn fetch(&mut self, server: UploadPack, request: &Request<'_>) -> Result<Pack, Error> {
        let ending = match server.version {
            Version::Two => Ending::Flush,
            Version::Zero(_) => Ending::Program,
        };
        let body = request.build(server);
        let body = self
            .exchange(Service::UploadPack, body, ending, MAX_PACK_BYTES)
            .await?;
        let pack = fetch::parse(server.version, &body).map_err(|source| self.protocol(source))?;
        Ok(Pack {
            bytes: pack.into(),
            is_thin: request.is_thin(),
        })
    }

    async fn unpack(&mut self, pack: Pack, hash: hash::Kind, keep: Keep) -> Result<bool, Error> {
        let (objects, summary) = self.objects_of(pack, hash, keep).await?;
        for (id, object) in objects {
            self.store.insert(id, object);
        }
        Ok(summary.oversized > 0)
    }

    /// Reads a pack, on a thread of its own if that takes long.
    async fn objects_of(
        &self,
        pack: Pack,
        hash: hash::Kind,
        keep: Keep,
    ) -> Result<(Vec<(ObjectId, Object)>, Summary), Error> {
        let bases = pack.is_thin.then(|| self.store.objects());
        let bytes = pack.bytes;
        let result = if bytes.len() < BLOCKING_PACK_BYTES {
            unpack(&bytes, hash, &keep, bases.as_ref())
        } else {
            let task =
                tokio::task::spawn_blocking(move || unpack(&bytes, hash, &keep, bases.as_ref()));
            // The task is never cancelled; a panic in it is a panic here.
            task.await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        };
        result.map_err(|source| self.pack(source))
    }

    /// Remembers that the server does not give objects that no ref points to.
    fn ask_for_no_ids(&mut self) {
        debug!(git.remote = %self.remote, "The server refuses to be asked for objects by their ids");
        if let Some(server) = &mut self.upload {
            server.by_id = false;
        }
    }
}

fn has_many(paths: &Paths) -> bool {
    let is_everything = paths.folders.iter().any(|folder| folder.path().is_none());
    is_everything || paths.files.len() + paths.folders.len() > MANY_PATHS
}

/// Whether every request is a conversation of its own, over SSH a whole connection.
fn is_one_request(server: UploadPack) -> bool {
    matches!(server.version, Version::Zero(_))
}

/// Whether the server understood a request and says no.
fn is_refusal(error: &Error) -> bool {
    let Error::Protocol { source, .. } = error else {
        return false;
    };
    matches!(source, ProtocolError::Remote { .. })
}

fn only(ids: &BTreeSet<ObjectId>) -> Keep {
    Keep::Only(ids.iter().copied().collect())
}

/// Reads the objects of a pack that are to be kept. Of a pack that is based on others, those whose
/// bases are not at hand are left out: files that nobody looks at.
fn unpack(
    pack: &[u8],
    hash: hash::Kind,
    keep: &Keep,
    bases: Option<&Bases>,
) -> Result<(Vec<(ObjectId, Object)>, Summary), PackError> {
    let mut kept = Vec::new();
    let mut bytes = 0;
    let summary = decode(
        pack,
        hash,
        LIMITS,
        |id| bases?.get(id).cloned(),
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
    if summary.without_base > 0 && bases.is_none() {
        return Err(PackError::MissingBase);
    }
    Ok((kept, summary))
}
