//! A recorder in front of a real registry: passes requests on, and counts them.
//!
//! It changes nothing on the way, unless it is told to spoil what it passes back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as FromState;
use axum::http::{HeaderName, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Headers that belong to one connection, and those that reqwest makes itself.
const NOT_PASSED_ON: [HeaderName; 4] = [
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
];

/// A running recorder; it stops when dropped.
pub struct Recorder {
    address: SocketAddr,
    state: Arc<State>,
    _server: JoinSet<()>,
}

struct State {
    upstream: String,
    http: reqwest::Client,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    requests: Vec<String>,
    /// What paths contain of which the body is spoilt.
    spoilt: Option<String>,
    /// What paths contain that are answered with 404.
    missing: Option<String>,
}

impl Recorder {
    /// Starts a recorder in front of a registry at `host:port` that speaks plain HTTP.
    pub async fn start(upstream: &str) -> anyhow::Result<Self> {
        crate::tls::install_provider();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind to loopback")?;
        let address = listener.local_addr().context("read the bound address")?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("make an HTTP client")?;
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            http,
            record: Mutex::default(),
        });
        let router = Router::new()
            .fallback(pass_on)
            .with_state(Arc::clone(&state));
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::debug!(%error, "The recorder ended");
            }
        });
        Ok(Self {
            address,
            state,
            _server: server,
        })
    }

    /// `127.0.0.1:<port>`, the first part of a reference.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests so far, oldest first: `GET /v2/…`.
    pub fn requests(&self) -> Vec<String> {
        self.state.record().requests.clone()
    }

    /// How many requests so far begin with `method` and have `part` in their path.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let record = self.state.record();
        let is_counted = |request: &&String| {
            let (its_method, path) = request.split_once(' ').unwrap_or_default();
            its_method == method && path.contains(part)
        };
        record.requests.iter().filter(is_counted).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.record().requests.clear();
    }

    /// From now on changes a byte of every answer whose path has `part` in it.
    pub fn spoil(&self, part: &str) {
        self.state.record().spoilt = Some(part.to_owned());
    }

    /// From now on answers 404 where the path has `part` in it.
    pub fn hide(&self, part: &str) {
        self.state.record().missing = Some(part.to_owned());
    }

    /// Passes everything on again as it is.
    pub fn behave(&self) {
        let mut record = self.state.record();
        record.spoilt = None;
        record.missing = None;
    }
}

impl State {
    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass_on(
    FromState(state): FromState<Arc<State>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let (is_spoilt, is_missing) = {
        let mut record = state.record();
        record.requests.push(format!("{} {path}", parts.method));
        let has = |part: &Option<String>| part.as_ref().is_some_and(|it| path.contains(it));
        (has(&record.spoilt), has(&record.missing))
    };
    if is_missing {
        return answer(StatusCode::NOT_FOUND);
    }
    let url = format!("http://{}{path}", state.upstream);
    let mut passed = state.http.request(parts.method.clone(), url);
    for (name, value) in &parts.headers {
        if !NOT_PASSED_ON.contains(name) {
            passed = passed.header(name, value);
        }
    }
    let Ok(got) = passed.send().await else {
        return answer(StatusCode::BAD_GATEWAY);
    };
    let (status, headers) = (got.status(), got.headers().clone());
    let Ok(body) = got.bytes().await else {
        return answer(StatusCode::BAD_GATEWAY);
    };
    let body = if is_spoilt { spoil(&body) } else { body };
    let mut answer = answer(status);
    *answer.body_mut() = Body::from(body);
    for (name, value) in &headers {
        if !NOT_PASSED_ON.contains(name) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}

fn answer(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// The same with another last byte.
fn spoil(body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}
