//! A receiver of notifications on loopback: keeps what is sent, and answers as it is told.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as FromState;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What was sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Method and path, as `POST /path`.
    pub request: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// An answer that is not 200.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Retry-After` or `Location`, with its value.
    pub header: Option<(&'static str, &'static str)>,
}

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    answers: VecDeque<Answer>,
}

/// A running receiver; it stops when dropped.
pub struct Inbox {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl Inbox {
    /// Starts it on a free port. The next requests get `answers`, those after that 200.
    pub async fn start(answers: &[Answer]) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            letters: Vec::new(),
            answers: answers.iter().copied().collect(),
        }));
        let router = Router::new().fallback(take).with_state(Arc::clone(&state));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It serves until it is dropped.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self {
            address,
            state,
            _server: server,
        })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has come so far, whatever was answered.
    pub fn letters(&self) -> Vec<Letter> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.letters.clone()
    }
}

async fn take(
    FromState(state): FromState<Arc<Mutex<State>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<axum::body::Body> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.letters.push(Letter {
        request: format!("{method} {uri}"),
        headers,
        body,
    });
    let mut response = Response::new(axum::body::Body::empty());
    if let Some(answer) = state.answers.pop_front() {
        let status = StatusCode::from_u16(answer.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some((name, value)) = answer.header {
            let name = header::HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
