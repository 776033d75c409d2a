//! One remote's conversation: what it can do, what we hold of it, and the four things asked of it.
//!
//! Stateless between requests except for what saves requests: the server's capabilities and the
//! objects of the last head. Both may be dropped at any time.

mod build;
mod fetch;
mod history;
mod push;
mod read;

use gix::ObjectId;
use image_update_core::remote::{BranchName, RemoteUrl, RepoFolder, RepoPath};

use self::fetch::Pack;
pub(crate) use self::push::{Destination, Series};
use super::{
    error::{Error, MalformedTree, PackError, PathError, ProtocolError, TransportError},
    object::NewObject,
    options::RemoteOptions,
    protocol::{
        capabilities::{ReceivePack, UploadPack, Version},
        ls_refs::{self, Refs},
    },
    store::Store,
    transport::{Ending, Service, Transport},
};
use crate::metrics::Metrics;

/// The most read of a list of refs. Twenty thousand branches are 1.3 MB.
const MAX_REFS_BYTES: usize = 64 * 1024 * 1024;

/// How much is kept between two uses where nothing else is said. Ten thousand applications have
/// about 2.5 MB of trees, with what it takes to find them.
pub(crate) const DEFAULT_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// See the module.
pub(crate) struct Session {
    remote: RemoteUrl,
    transport: Transport,
    upload: Option<UploadPack>,
    receive: Option<ReceivePack>,
    store: Store,
    /// The pack of a server that cannot leave files out, while its files may still be needed.
    whole: Option<Pack>,
    metrics: Metrics,
}

/// A branch and what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) branch: BranchName,
    pub(crate) commit_id: ObjectId,
}

/// A commit that is not pushed yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) commit_id: ObjectId,
    pub(crate) files: Vec<RepoPath>,
    objects: Vec<NewObject>,
}

impl Session {
    pub(crate) fn new(remote: RemoteUrl, options: &RemoteOptions) -> Result<Self, Error> {
        let transport = Transport::new(&remote, options).map_err(|source| Error::Transport {
            remote: remote.clone(),
            source,
        })?;
        Ok(Self {
            remote,
            transport,
            upload: None,
            receive: None,
            store: Store::new(DEFAULT_CACHE_BYTES),
            whole: None,
            metrics: Metrics::default(),
        })
    }

    /// Keeps at most this much between two uses.
    pub(crate) fn cache_bytes(&mut self, bytes: usize) {
        self.store = Store::new(bytes);
    }

    pub(crate) fn cached_bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Counts there from now on.
    pub(crate) fn measure_with(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn remote(&self) -> &RemoteUrl {
        &self.remote
    }

    /// Forgets what the server said it can do, for it may have become another one.
    pub(crate) fn forget_capabilities(&mut self) {
        self.upload = None;
        self.receive = None;
    }

    /// Ends what is running on the server for us, until something is asked again, and keeps no
    /// more of what came than is of use then.
    pub(crate) async fn finish(&mut self) {
        self.whole = None;
        self.store.trim();
        self.transport.finish().await;
    }

    /// Asks where `branch`, or the default branch, is now. One request when warm.
    pub(crate) async fn tip(&mut self, branch: Option<&BranchName>) -> Result<Tip, Error> {
        let refs = self.refs(branch).await?;
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

    /// Asks where `branch` is now; nothing if there is no such branch.
    pub(crate) async fn position(
        &mut self,
        branch: &BranchName,
    ) -> Result<Option<ObjectId>, Error> {
        Ok(self.refs(Some(branch)).await?.branch)
    }

    /// Asks for `HEAD` and a branch. A server of version 0 tells all refs, at the start of a
    /// conversation; a new one is started for that.
    async fn refs(&mut self, branch: Option<&BranchName>) -> Result<Refs, Error> {
        self.whole = None;
        let known = self.upload.filter(|it| it.version == Version::Two);
        let server = if let Some(known) = known {
            known
        } else {
            let body = self.advertisement(Service::UploadPack).await?;
            let mut server = match UploadPack::parse(&body) {
                Err(ProtocolError::NoRefs) => {
                    return Ok(Refs {
                        unborn: true,
                        ..Refs::default()
                    });
                }
                parsed => parsed.map_err(|source| self.protocol(source))?,
            };
            // What it was found out to refuse, it still says it gives.
            server.by_id &= self.upload.is_none_or(|known| known.by_id);
            self.upload = Some(server);
            if server.version != Version::Two {
                let refs = ls_refs::parse_advertisement(&body, branch);
                return refs.map_err(|source| self.protocol(source));
            }
            server
        };
        let request = ls_refs::request(server, branch);
        let body = self
            .exchange(Service::UploadPack, request, Ending::Flush, MAX_REFS_BYTES)
            .await?;
        ls_refs::parse(&body, branch).map_err(|source| self.protocol(source))
    }

    /// Notes that a commit of ours is on the branch now, made of what `from` had: the next update
    /// starts there.
    pub(crate) fn settle(&mut self, from: ObjectId, commit_id: ObjectId) {
        self.store.replace(from, commit_id);
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

    async fn advertisement(&mut self, service: Service) -> Result<Vec<u8>, Error> {
        let result = self.transport.advertisement(service, MAX_REFS_BYTES).await;
        let received = result.as_ref().map_or(0, Vec::len);
        self.metrics.git_exchange(service.name(), 0, received);
        result.map_err(|source| self.transport(source))
    }

    async fn exchange(
        &mut self,
        service: Service,
        body: Vec<u8>,
        ending: Ending,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let sent = body.len();
        let exchange = self.transport.exchange(service, body, ending, limit_bytes);
        let result = exchange.await;
        let received = result.as_ref().map_or(0, Vec::len);
        self.metrics.git_exchange(service.name(), sent, received);
        result.map_err(|source| self.transport(source))
    }

    fn transport(&self, source: TransportError) -> Error {
        Error::Transport {
            remote: self.remote.clone(),
            source,
        }
    }

    fn protocol(&self, source: ProtocolError) -> Error {
        let source = if let ProtocolError::Remote { text } = source {
            let text = self.transport.redact(&text);
            ProtocolError::Remote { text }
        } else {
            source
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

    fn too_many_files(&self, tip: &Tip, folder: RepoFolder) -> Error {
        Error::TooManyFiles {
            remote: self.remote.clone(),
            branch: tip.branch.clone(),
            folder,
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
