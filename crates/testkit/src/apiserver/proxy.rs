//! A proxy in front of an API server, over plain HTTP, that fails as clusters do.
//!
//! It asks with every right. What it passes on it does not change.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as FromState;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use futures::StreamExt as _;
use kube::Client;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{ApiServer, Error};

/// More than any request of a test has.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// How the proxy treats requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Pass,
    /// Refuses them as API priority and fairness does, with 429 and a time to wait.
    Throttle,
    /// Says 503, and has ended what was under way.
    Down,
}

/// A running proxy; it stops when dropped.
pub struct Proxy {
    state: Arc<State>,
    kubeconfig: PathBuf,
    _folder: TempDir,
    _server: JoinSet<()>,
}

struct State {
    client: Client,
    record: Mutex<Record>,
}

struct Record {
    mode: Mode,
    /// Ends the watches that are under way.
    cut: CancellationToken,
    /// How many watches are still to be refused as expired.
    expired: usize,
    /// How many requests were refused.
    refused: usize,
    /// Of which kind, by its plural, how many writes of a status are still to be refused.
    statuses: (&'static str, usize),
}

impl Proxy {
    /// Starts a proxy in front of `server`.
    pub async fn start(server: &ApiServer) -> Result<Self, Error> {
        let client = server.client().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let folder = tempfile::tempdir();
        let unusable = |source: io::Error| Error::File {
            path: "the folder of a proxy".into(),
            source,
        };
        let (listener, folder) = (listener.map_err(unusable)?, folder.map_err(unusable)?);
        let address = listener.local_addr().map_err(unusable)?;
        let kubeconfig = folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        });
        std::fs::write(&kubeconfig, text.to_string()).map_err(unusable)?;
        let state = Arc::new(State {
            client,
            record: Mutex::new(Record {
                mode: Mode::Pass,
                cut: CancellationToken::new(),
                expired: 0,
                refused: 0,
                statuses: ("", 0),
            }),
        });
        let router = Router::new()
            .fallback(pass_on)
            .with_state(Arc::clone(&state));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::debug!(%error, "The proxy ended");
            }
        });
        Ok(Self {
            state,
            kubeconfig,
            _folder: folder,
            _server: tasks,
        })
    }

    /// A kubeconfig file for programs that go through the proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Treats requests so from now on. Watches that are under way end unless it passes them on.
    pub fn set(&self, mode: Mode) {
        let mut record = self.state.record();
        record.mode = mode;
        if mode != Mode::Pass {
            record.cut();
        }
    }

    /// Ends all watches, and answers the next `count` with 410, as after a compaction of etcd.
    pub fn expire_watches(&self, count: usize) {
        let mut record = self.state.record();
        record.expired = count;
        record.cut();
    }

    /// Answers the next `count` writes of statuses of a kind, named by its plural, with 500.
    pub fn refuse_statuses(&self, plural: &'static str, count: usize) {
        self.state.record().statuses = (plural, count);
    }

    /// How many writes of statuses are still to be refused.
    pub fn statuses_left(&self) -> usize {
        self.state.record().statuses.1
    }

    /// How many watches are still to be refused as expired.
    pub fn expired_left(&self) -> usize {
        self.state.record().expired
    }

    /// How many requests were refused so far.
    pub fn refused(&self) -> usize {
        self.state.record().refused
    }
}

impl State {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn cut(&mut self) {
        std::mem::take(&mut self.cut).cancel();
    }

    /// The answer that a request gets instead of the server's.
    fn refusal(&mut self, request: &Request<Body>) -> Option<Response<Body>> {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|it| it == "watch=true");
        let status = |code: u16, reason: &str| {
            json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": "by the proxy", "reason": reason, "code": code,
            })
        };
        let refusal = match self.mode {
            Mode::Throttle => {
                let body = status(429, "TooManyRequests");
                let mut refusal = answer(StatusCode::TOO_MANY_REQUESTS, body.to_string());
                let wait = HeaderValue::from_static("1");
                refusal.headers_mut().insert(header::RETRY_AFTER, wait);
                refusal
            }
            Mode::Down => {
                let body = status(503, "ServiceUnavailable");
                answer(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
            }
            Mode::Pass if is_watch && self.expired > 0 => {
                self.expired -= 1;
                let event = json!({"type": "ERROR", "object": status(410, "Expired")});
                answer(StatusCode::OK, format!("{event}\n"))
            }
            Mode::Pass if self.statuses.1 > 0 && is_status(request, self.statuses.0) => {
                self.statuses.1 -= 1;
                let body = status(500, "InternalError");
                answer(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
            }
            Mode::Pass => return None,
        };
        self.refused += 1;
        Some(refusal)
    }
}

/// Whether the status of an object of a kind is written.
fn is_status(request: &Request<Body>, plural: &str) -> bool {
    let path = request.uri().path();
    request.method() == Method::PATCH
        && path.ends_with("/status")
        && path.contains(&format!("/{plural}/"))
}

async fn pass_on(
    FromState(state): FromState<Arc<State>>,
    request: Request<Body>,
) -> Response<Body> {
    let cut = {
        let mut record = state.record();
        if let Some(refusal) = record.refusal(&request) {
            return refusal;
        }
        record.cut.clone()
    };
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return answer(StatusCode::PAYLOAD_TOO_LARGE, String::new());
    };
    for name in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::ACCEPT_ENCODING,
    ] {
        parts.headers.remove(name);
    }
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    match state.client.send(request).await {
        Ok(answer) => {
            let (mut parts, body) = answer.into_parts();
            for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
                parts.headers.remove(name);
            }
            let body = Body::new(body).into_data_stream();
            let body = body.take_until(cut.cancelled_owned());
            Response::from_parts(parts, Body::from_stream(body))
        }
        Err(error) => answer(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

fn answer(status: StatusCode, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
