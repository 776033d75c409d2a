//! One remote's conversation: what it can do, what we hold of it, and the four things asked of it.
//!
//! Stateless between requests except for what saves requests: the server's capabilities and the
//! objects of the last head. Both may be dropped at any time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use gix::{ObjectId, hash, objs::Kind};
use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};

use super::{
    commit,
    edit::{EditError, edit},
    error::{Error, MalformedTree, PackError, PathError, ProtocolError, TransportError},
    http::{Http, Service},
    locate::{LocateError, Located, PathTree, locate},
    object::{NewObject, Object},
    options::{Credential, RemoteOptions},
    pack::{
        decode::{Limits, Summary, decode},
        encode::encode,
    },
    protocol::{
        capabilities::{ReceivePack, UploadPack},
        fetch::{self, Scope},
        ls_refs,
        push::{self, Verdict},
    },
    store::Store,
    update::{CommitDraft, MAX_FILE_BYTES, Snapshot},
};

/// The most read of a list of refs. Twenty thousand branches are 1.3 MB.
const MAX_REFS_BYTES: usize = 64 * 1024 * 1024;

/// The most read of a report on a push.
const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

/// The largest pack read: a whole checkout, where the server cannot leave files out.
const MAX_PACK_BYTES: usize = 256 * 1024 * 1024;

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

/// See the module.
pub(crate) struct Session {
    remote: RemoteUrl,
    credential: Option<Credential>,
    http: Http,
    upload: Option<UploadPack>,
    receive: Option<ReceivePack>,
    store: Store,
    /// The pack of a server that cannot leave files out, while its files may still be needed.
    whole: Option<Bytes>,
}

/// A branch and what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) branch: BranchName,
    pub(crate) commit_id: ObjectId,
}

/// A commit that is ready to be pushed.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) commit_id: ObjectId,
    pub(crate) files: Vec<RepoPath>,
    objects: Vec<NewObject>,
}

/// Which objects of a pack are kept.
#[derive(Debug, Clone)]
enum Keep {
    All,
    Directories,
    Only(HashSet<ObjectId>),
}

impl Session {
    pub(crate) fn new(remote: RemoteUrl, options: &RemoteOptions) -> Result<Self, Error> {
        let http = Http::new(&remote, options).map_err(|source| Error::Transport {
            remote: remote.clone(),
            source,
        })?;
        Ok(Self {
            remote,
            credential: options.credential.clone(),
            http,
            upload: None,
            receive: None,
            store: Store::default(),
            whole: None,
        })
    }

    pub(crate) fn remote(&self) -> &RemoteUrl {
        &self.remote
    }

    /// Forgets what the server said it can do, for it may have become another one.
    pub(crate) fn forget_capabilities(&mut self) {
        self.upload = None;
        self.receive = None;
    }

    /// Asks where `branch`, or the default branch, is now. One request when warm.
    pub(crate) async fn tip(&mut self, branch: Option<&BranchName>) -> Result<Tip, Error> {
        let server = self.upload_pack().await?;
        let request = ls_refs::request(server, branch);
        let body = self
            .exchange(Service::UploadPack, request, MAX_REFS_BYTES)
            .await?;
        let refs = ls_refs::parse(&body, branch).map_err(|source| self.protocol(source))?;
        let remote = self.remote.clone();
        let default_branch = refs.default_branch;
        match branch {
            Some(branch) => match refs.branch {
                Some(commit_id) => Ok(Tip {
                    branch: branch.clone(),
                    commit_id,
                }),
                None if refs.unborn => Err(Error::EmptyRepository { remote }),
                None => Err(Error::BranchNotFound {
                    remote,
                    branch: branch.clone(),
                    default_branch,
                }),
            },
            None => match (default_branch, refs.head) {
                (Some(branch), Some(commit_id)) => Ok(Tip { branch, commit_id }),
                (None, Some(_)) => Err(Error::NoDefaultBranch { remote }),
                (_, None) => Err(Error::EmptyRepository { remote }),
            },
        }
    }

    /// Reads files at `tip`. No request when they have not changed since they were read last.
    pub(crate) async fn snapshot(
        &mut self,
        tip: &Tip,
        paths: &[RepoPath],
    ) -> Result<Snapshot, Error> {
        let located = self.locate(tip, paths).await?;
        let wanted: BTreeSet<ObjectId> = located.files.values().flatten().copied().collect();
        let oversized = self.load(wanted, Scope::Objects).await?;
        self.whole = None;

        let mut files = BTreeMap::new();
        for (path, id) in located.files {
            let content = match id {
                None => None,
                Some(id) => match self.store.get(&id) {
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
        let hash = tip.commit_id.kind();
        self.store.keep_only(&tip.commit_id, hash);
        Ok(Snapshot {
            branch: tip.branch.clone(),
            commit_id: tip.commit_id,
            files,
        })
    }

    /// Builds the commit of `draft` on `tip`; nothing if no file would change.
    pub(crate) async fn build(
        &mut self,
        tip: &Tip,
        draft: &CommitDraft,
    ) -> Result<Option<Built>, Error> {
        let hash = tip.commit_id.kind();
        if let Some((path, _)) = draft.files.iter().find(|(_, it)| it.len() > MAX_FILE_BYTES) {
            return Err(self.refused(tip, path.clone(), PathError::TooLarge));
        }
        let paths: Vec<RepoPath> = draft.files.keys().cloned().collect();
        let located = self.locate(tip, &paths).await?;
        let collision = |source| self.pack(PackError::Collision(source));

        let mut objects = Vec::new();
        let mut blobs = Vec::new();
        for (path, content) in &draft.files {
            let object = Object {
                kind: Kind::Blob,
                data: content.clone().into(),
            };
            let id = object.id(hash).map_err(collision)?;
            let old = located.files.get(path).copied().flatten();
            if old == Some(id) {
                continue;
            }
            let replaces = old.and_then(|old| Some((old, self.store.get(&old)?.data.clone())));
            blobs.push((path, id));
            objects.push(NewObject {
                id,
                object,
                replaces,
            });
        }
        if blobs.is_empty() {
            return Ok(None);
        }
        let files = blobs.iter().map(|(path, _)| (*path).clone()).collect();
        let changes = PathTree::new(blobs);
        if let Some(path) = changes.conflict() {
            return Err(self.refused(tip, path.clone(), PathError::FileAndDirectory));
        }
        let root = self.root(tip)?;
        let tree =
            edit(&self.store, root, &changes, hash, &mut objects).map_err(|error| match error {
                EditError::Malformed => self.malformed(tip),
                EditError::Missing(id) => self.missing(tip, id),
                EditError::Collision(source) => self.pack(PackError::Collision(source)),
            })?;
        let object = commit::build(draft, tree, tip.commit_id).map_err(|source| Error::Draft {
            remote: self.remote.clone(),
            branch: tip.branch.clone(),
            source,
        })?;
        let commit_id = object.id(hash).map_err(collision)?;
        objects.push(NewObject {
            id: commit_id,
            object,
            replaces: None,
        });
        Ok(Some(Built {
            commit_id,
            files,
            objects,
        }))
    }

    /// Pushes a commit built on `tip`. One request when warm.
    pub(crate) async fn push(&mut self, tip: &Tip, built: &Built) -> Result<Verdict, Error> {
        let server = self.receive_pack().await?;
        let pack = encode(&built.objects, tip.commit_id.kind(), !server.no_thin)
            .map_err(|source| self.pack(source))?;
        let command = push::Command {
            branch: &tip.branch,
            old: tip.commit_id,
            new: built.commit_id,
        };
        let request = push::request(server, &command, &pack);
        let body = self
            .exchange(Service::ReceivePack, request, MAX_REPORT_BYTES)
            .await?;
        let verdict =
            push::parse(server, &tip.branch, &body).map_err(|source| self.protocol(source))?;
        Ok(match (verdict, &self.credential) {
            (Verdict::Refused(text), Some(credential)) => {
                Verdict::Refused(credential.redact(&text))
            }
            (verdict, _) => verdict,
        })
    }

    /// Takes over the objects of a commit that is on the branch now: the next update starts there.
    pub(crate) fn adopt(&mut self, built: Built) {
        let hash = built.commit_id.kind();
        for new in built.objects {
            self.store.insert(new.id, new.object);
        }
        self.store.keep_only(&built.commit_id, hash);
    }

    /// Finds files at `tip`, fetching the commit and the trees that are not at hand.
    async fn locate(&mut self, tip: &Tip, paths: &[RepoPath]) -> Result<Located, Error> {
        let hash = tip.commit_id.kind();
        self.load(BTreeSet::from([tip.commit_id]), Scope::Commit)
            .await?;
        let root = self.root(tip)?;
        let paths = PathTree::new(paths.iter().map(|path| (path, ())));
        let mut asked = BTreeSet::new();
        loop {
            let located = locate(&self.store, root, &paths, hash).map_err(|error| match error {
                LocateError::Malformed(MalformedTree) => self.malformed(tip),
                LocateError::Path(path, source) => self.refused(tip, path, source),
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

    fn root(&self, tip: &Tip) -> Result<ObjectId, Error> {
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
            return self
                .unpack(whole, hash, Keep::Only(ids.into_iter().collect()))
                .await;
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
        let result = if pack.len() < BLOCKING_PACK_BYTES {
            unpack(&pack, hash, &keep)
        } else {
            let task = tokio::task::spawn_blocking(move || unpack(&pack, hash, &keep));
            // The task is never cancelled; a panic in it is a panic here.
            task.await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        };
        let (objects, summary) = result.map_err(|source| self.pack(source))?;
        for (id, object) in objects {
            self.store.insert(id, object);
        }
        Ok(summary.oversized > 0)
    }

    async fn upload_pack(&mut self) -> Result<UploadPack, Error> {
        if let Some(known) = self.upload {
            return Ok(known);
        }
        let body = self.advertisement(Service::UploadPack).await?;
        let parsed = UploadPack::parse(&body).map_err(|source| self.protocol(source))?;
        self.upload = Some(parsed);
        Ok(parsed)
    }

    async fn receive_pack(&mut self) -> Result<ReceivePack, Error> {
        if let Some(known) = self.receive {
            return Ok(known);
        }
        let body = self.advertisement(Service::ReceivePack).await?;
        let parsed = ReceivePack::parse(&body).map_err(|source| self.protocol(source))?;
        self.receive = Some(parsed);
        Ok(parsed)
    }

    async fn advertisement(&mut self, service: Service) -> Result<Vec<u8>, Error> {
        let result = self.http.advertisement(service, MAX_REFS_BYTES).await;
        result.map_err(|source| self.transport(source))
    }

    async fn exchange(
        &self,
        service: Service,
        body: Vec<u8>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let result = self.http.exchange(service, body, limit_bytes).await;
        result.map_err(|source| self.transport(source))
    }

    fn transport(&self, source: TransportError) -> Error {
        Error::Transport {
            remote: self.remote.clone(),
            source,
        }
    }

    fn protocol(&self, source: ProtocolError) -> Error {
        let source = match (source, &self.credential) {
            (ProtocolError::Remote { text }, Some(credential)) => ProtocolError::Remote {
                text: credential.redact(&text),
            },
            (source, _) => source,
        };
        Error::Protocol {
            remote: self.remote.clone(),
            source,
        }
    }

    fn pack(&self, source: PackError) -> Error {
        Error::Pack {
            remote: self.remote.clone(),
            source,
        }
    }

    fn refused(&self, tip: &Tip, path: RepoPath, source: PathError) -> Error {
        Error::Path {
            remote: self.remote.clone(),
            branch: tip.branch.clone(),
            path,
            source,
        }
    }

    fn malformed(&self, tip: &Tip) -> Error {
        let (remote, branch) = (self.remote.clone(), tip.branch.clone());
        Error::MalformedTree {
            remote,
            branch,
            source: MalformedTree,
        }
    }

    fn missing(&self, tip: &Tip, id: ObjectId) -> Error {
        Error::ObjectMissing {
            remote: self.remote.clone(),
            branch: tip.branch.clone(),
            id,
        }
    }
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
