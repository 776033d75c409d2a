//! The HTTP side: authentication, counters and faults in front of `git http-backend`.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    plan::{Action, Fault, Moment, Plans},
    repository::ENVIRONMENT,
};

/// More than any test sends.
const MAX_REQUEST_BYTES: usize = 512 * 1024 * 1024;

/// What the requests' handlers share.
#[derive(Debug)]
pub(super) struct Front {
    root: PathBuf,
    authorization: Mutex<Option<String>>,
    protocol_v0: bool,
    pub(super) plans: Plans,
    pub(super) requests: AtomicU64,
    pub(super) authorized: AtomicU64,
    pub(super) bytes_down: AtomicU64,
    pub(super) bytes_up: AtomicU64,
}

impl Front {
    pub(super) fn new(root: PathBuf, authorization: Option<String>, protocol_v0: bool) -> Self {
        Self {
            root,
            authorization: Mutex::new(authorization),
            protocol_v0,
            plans: Plans::default(),
            requests: AtomicU64::new(0),
            authorized: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
        }
    }

    pub(super) fn accept(&self, authorization: String) {
        let mut accepted = self.accepted();
        *accepted = Some(authorization);
    }

    fn accepted(&self) -> MutexGuard<'_, Option<String>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until dropped.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, front: Arc<Front>) {
    let router = Router::new().fallback(handle).with_state(front);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let router = router.clone();
        match tls.clone() {
            None => connections.spawn(connection(stream, router)),
            Some(tls) => connections.spawn(async move {
                // A client that does not trust us breaks off here, as it should.
                if let Ok(stream) = tls.accept(stream).await {
                    connection(stream, router).await;
                }
            }),
        };
    }
}

async fn connection<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let builder = auto::Builder::new(TokioExecutor::new());
    // Clients and faults break connections all the time; the test looks at the outcome.
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

async fn handle(State(front): State<Arc<Front>>, request: Request) -> Response {
    front.requests.fetch_add(1, Ordering::SeqCst);
    match answer(&front, request).await {
        Ok(response) => response,
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("test server: {error:#}"),
        )
            .into_response(),
    }
}

async fn answer(front: &Arc<Front>, request: Request) -> Result<Response> {
    let target = request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let sent = request.headers().get(header::AUTHORIZATION);
    if sent.is_some() {
        front.authorized.fetch_add(1, Ordering::SeqCst);
    }
    let is_allowed = match front.accepted().as_ref() {
        None => true,
        Some(expected) => sent.is_some_and(|sent| sent.as_bytes() == expected.as_bytes()),
    };
    let mut drop_answer = false;
    let mut held = None;
    match front.plans.take(&target) {
        None => {}
        Some(Action::Fault(Fault::Answer {
            status,
            headers,
            body,
        })) => {
            return answer_of(status, &headers, body);
        }
        Some(Action::Fault(Fault::DropBefore)) => return Ok(broken()),
        Some(Action::Fault(Fault::DropAfter)) => drop_answer = true,
        Some(Action::Fault(Fault::Delay(duration))) => tokio::time::sleep(duration).await,
        Some(Action::Hold(Moment::Before, gate)) => gate.pass().await,
        Some(Action::Hold(moment, gate)) => held = Some((moment, gate)),
    }
    if !is_allowed {
        let challenge = [("www-authenticate", "Basic realm=\"test\"".to_owned())];
        return answer_of(401, &challenge, Bytes::new());
    }
    let (parts, body) = receive(front, request).await?;
    let output = match held {
        Some((Moment::Received, gate)) => {
            let front = Arc::clone(front);
            let run = async move {
                gate.pass().await;
                let output = run_backend(&front, &parts, body).await;
                gate.finish();
                output
            };
            outlive_client(run).await?
        }
        held => {
            let output = run_backend(front, &parts, body).await?;
            if let Some((_, gate)) = held {
                gate.pass().await;
            }
            output
        }
    };
    if drop_answer {
        Ok(broken())
    } else {
        cgi_response(front, output)
    }
}

/// Reads a whole request.
async fn receive(front: &Front, request: Request) -> Result<(Parts, Bytes)> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_REQUEST_BYTES)
        .await
        .context("reading the request")?;
    front
        .bytes_up
        .fetch_add(body.len() as u64, Ordering::SeqCst);
    Ok((parts, body))
}

/// Does something to its end. What handles a request is dropped when its client leaves.
#[expect(
    clippy::disallowed_methods,
    reason = "servers finish what they have begun, too"
)]
async fn outlive_client<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.context("finishing a request")?
}

/// Runs `git http-backend` on a request and returns what it wrote.
async fn run_backend(front: &Front, parts: &Parts, body: Bytes) -> Result<Vec<u8>> {
    let header = |name: &str| text(&parts.headers, name);
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .envs(ENVIRONMENT)
        .env("GIT_PROJECT_ROOT", &front.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if !front.protocol_v0 {
        command.env("GIT_PROTOCOL", header("git-protocol"));
    }
    let mut child = command.spawn().context("starting git http-backend")?;
    let mut stdin = child.stdin.take().context("opening git's input")?;
    let write = async move {
        // Git may stop reading early, which its answer then explains.
        stdin.write_all(&body).await.ok();
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    Ok(output.context("waiting for git http-backend")?.stdout)
}

/// Turns CGI output into a response.
fn cgi_response(front: &Front, output: Vec<u8>) -> Result<Response> {
    let end = output
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .context("no CGI header")?;
    let head = std::str::from_utf8(&output[..end]).context("reading the CGI header")?;
    let mut response = Response::new(Body::empty());
    for line in head.lines() {
        let (name, value) = line
            .split_once(": ")
            .context("a CGI header without a colon")?;
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default().parse::<u16>()?;
            *response.status_mut() = StatusCode::from_u16(code)?;
        } else {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            response
                .headers_mut()
                .insert(name, HeaderValue::from_str(value)?);
        }
    }
    let body = Bytes::from(output).slice(end + 4..);
    front
        .bytes_down
        .fetch_add(body.len() as u64, Ordering::SeqCst);
    *response.body_mut() = Body::from(body);
    Ok(response)
}

fn answer_of(status: u16, headers: &[(&'static str, String)], body: Bytes) -> Result<Response> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).context("a status")?;
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value)?);
    }
    Ok(response)
}

/// A response whose body fails at once: the connection or the stream is reset.
fn broken() -> Response {
    let error = std::io::Error::other("the connection is broken on purpose");
    Response::new(Body::from_stream(futures::stream::iter([Err::<Bytes, _>(
        error,
    )])))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
