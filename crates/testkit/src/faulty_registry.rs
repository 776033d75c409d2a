//! An OCI registry on loopback that misbehaves by script, with its own token server.
//!
//! It answers what an update operator asks (tag lists with real paging, manifests, tokens) and
//! keeps everything in memory, so it serves load as well as faults. It stores no blobs and takes
//! no pushes: for a registry that is right about everything, see [`crate::registry`].

mod auth;
mod fault;
mod serve;
mod tls;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::stack::hex;

pub use auth::{Auth, TokenServer};
pub use fault::{ALWAYS, Fault};

/// Requests that are kept for [`FaultyRegistry::requests`]; later ones are only counted, so that
/// a load test does not fill the memory.
const MAX_RECORDED: usize = 10_000;

/// Tags of one page when a request does not say `n`, as the distribution registry does.
const DEFAULT_PAGE: usize = 100;

/// A running registry; it stops when dropped.
pub struct FaultyRegistry {
    address: SocketAddr,
    certificates: Option<tls::Certificates>,
    state: Arc<State>,
    /// Dropping the set stops the server and its connections.
    _server: JoinSet<()>,
}

/// One request the registry received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD` or `POST`.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The host the client meant to speak to.
    pub host: String,
    /// Whether it came over HTTP/2.
    pub is_http2: bool,
    /// The scheme of the `Authorization` header (`Basic`, `Bearer`), never the credential.
    pub authorization: Option<String>,
}

impl FaultyRegistry {
    /// Starts a registry that speaks plain HTTP and lets everybody in.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(None).await
    }

    /// Starts a registry that speaks HTTPS with a certificate of its own authority.
    pub async fn start_tls() -> anyhow::Result<Self> {
        Self::start_with(Some(tls::Certificates::generate(
            tls::ClientCertificate::Ignored,
        )?))
        .await
    }

    /// Starts a registry that speaks HTTPS and wants the certificate of
    /// [`Self::client_identity_pem`] from every client.
    pub async fn start_mutual_tls() -> anyhow::Result<Self> {
        Self::start_with(Some(tls::Certificates::generate(
            tls::ClientCertificate::Required,
        )?))
        .await
    }

    async fn start_with(certificates: Option<tls::Certificates>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind to loopback")?;
        let address = listener
            .local_addr()
            .context("read the address that was bound")?;
        let scheme = if certificates.is_some() {
            "https"
        } else {
            "http"
        };
        let state = Arc::new(State::new(format!("{scheme}://{address}")));
        let acceptor = certificates.as_ref().map(tls::Certificates::acceptor);
        let mut server = JoinSet::new();
        server.spawn(serve::accept(listener, acceptor, Arc::clone(&state)));
        Ok(Self {
            address,
            certificates,
            state,
            _server: server,
        })
    }

    /// The registry as it stands in an image name: `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where the registry listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the registry without a path.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// The certificate authority a client has to trust; `None` with plain HTTP.
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificates
            .as_ref()
            .map(|certificates| certificates.ca_pem.as_str())
    }

    /// A client's certificate and key; `None` with plain HTTP.
    pub fn client_identity_pem(&self) -> Option<&str> {
        self.certificates
            .as_ref()
            .map(|certificates| certificates.client_pem.as_str())
    }

    /// Replaces the tags of a repository, such as `org/app`; they are served in lexical order.
    pub fn set_tags(&self, repository: &str, tags: impl IntoIterator<Item = String>) {
        let mut tags: Vec<String> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        self.state
            .lock()
            .tags
            .insert(repository.to_owned(), Arc::new(tags));
    }

    /// Replaces the manifest of a tag; without this a tag has a small manifest of its own.
    pub fn set_manifest(&self, repository: &str, tag: &str, body: impl Into<Vec<u8>>) {
        self.state
            .lock()
            .manifests
            .insert((repository.to_owned(), tag.to_owned()), body.into());
    }

    /// The digest of a tag's manifest, such as `sha256:…`.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        digest(&self.state.lock().manifest(repository, tag))
    }

    /// Demands a credential from now on.
    pub fn require(&self, auth: Auth) {
        self.state.lock().auth = auth;
    }

    /// Makes every token issued so far worthless, as if it had expired.
    pub fn revoke_tokens(&self) {
        self.state.lock().token_generation += 1;
    }

    /// Answers 404 instead of a challenge to who shows nothing, as registries do that let anybody
    /// in and hide what is private. `/v2/` still answers with the challenge.
    pub fn hide_from_strangers(&self) {
        self.state.lock().hides = true;
    }

    /// Never puts more tags on a page, whatever `n` asks for.
    pub fn limit_page(&self, tags: usize) {
        self.state.lock().page_limit = tags.max(1);
    }

    /// Gives pages of tags an `ETag`, that of the first page, and answers 304 to who has it.
    pub fn give_etags(&self) {
        self.state.lock().gives_etags = true;
    }

    /// How many answers were 304.
    pub fn not_modified_count(&self) -> usize {
        self.state.lock().not_modified
    }

    /// Lets the next `times` authorised API requests go wrong.
    pub fn fault(&self, fault: Fault, times: usize) {
        self.fault_after(0, fault, times);
    }

    /// Answers `skip` authorised API requests before [`Self::fault`] begins.
    pub fn fault_after(&self, skip: usize, fault: Fault, times: usize) {
        self.state.lock().faults.add(skip, fault, times);
    }

    /// Ends every fault: from now on the registry behaves.
    pub fn clear_faults(&self) {
        let mut state = self.state.lock();
        state.faults = fault::Script::default();
        state.token_faults = fault::Script::default();
    }

    /// Lets the next `times` requests for a token go wrong.
    pub fn token_fault(&self, fault: Fault, times: usize) {
        self.state.lock().token_faults.add(0, fault, times);
    }

    /// The requests received so far, oldest first; at most ten thousand are kept.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// How many connections were accepted, those included whose handshake failed.
    pub fn connection_count(&self) -> usize {
        self.state.connection_count.load(Ordering::Relaxed)
    }

    /// How many requests were received, kept or not.
    pub fn request_count(&self) -> usize {
        self.state.request_count.load(Ordering::Relaxed)
    }

    /// Forgets the requests received so far.
    pub fn forget_requests(&self) {
        self.state.lock().requests.clear();
        self.state.request_count.store(0, Ordering::Relaxed);
    }
}

/// What all connections share.
struct State {
    base_url: String,
    request_count: AtomicUsize,
    connection_count: AtomicUsize,
    content: Mutex<Content>,
}

struct Content {
    auth: Auth,
    token_generation: u64,
    hides: bool,
    page_limit: usize,
    gives_etags: bool,
    not_modified: usize,
    tags: BTreeMap<String, Arc<Vec<String>>>,
    manifests: BTreeMap<(String, String), Vec<u8>>,
    faults: fault::Script,
    token_faults: fault::Script,
    requests: Vec<Request>,
}

impl State {
    fn new(base_url: String) -> Self {
        Self {
            base_url,
            request_count: AtomicUsize::new(0),
            connection_count: AtomicUsize::new(0),
            content: Mutex::new(Content {
                auth: Auth::Open,
                token_generation: 0,
                hides: false,
                page_limit: usize::MAX,
                gives_etags: false,
                not_modified: 0,
                tags: BTreeMap::new(),
                manifests: BTreeMap::new(),
                faults: fault::Script::default(),
                token_faults: fault::Script::default(),
                requests: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, request: Request) {
        self.request_count.fetch_add(1, Ordering::Relaxed);
        let mut content = self.lock();
        if content.requests.len() < MAX_RECORDED {
            content.requests.push(request);
        }
    }
}

impl Content {
    fn manifest(&self, repository: &str, tag: &str) -> Vec<u8> {
        let key = (repository.to_owned(), tag.to_owned());
        self.manifests.get(&key).cloned().unwrap_or_else(|| {
            serde_json::json!({
                "schemaVersion": 2,
                "mediaType": serve::MANIFEST,
                "annotations": {"repository": repository, "tag": tag},
            })
            .to_string()
            .into_bytes()
        })
    }
}

fn digest(body: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(body)))
}
