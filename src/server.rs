//! Serves metrics and probes over plain HTTP: `/metrics`, `/healthz` and `/readyz`.
//!
//! Nothing else is there, nothing is changed by a request, and nobody is asked who they are: it is
//! for the cluster's network. Connections, their number and their time are bounded, also for who
//! answers otherwise ([`accept`]).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

use crate::metrics;

/// Connections at once: a few scrapers and the kubelet. Others wait in the system's queue.
const MAX_CONNECTIONS: usize = 32;

/// How long a connection may last. Scrapers ask every minute or more often and open another one.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(2);

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing is accepted after that failed: mostly there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

const TEXT: &str = "text/plain; charset=utf-8";

/// What the pages say.
pub(crate) trait Pages: Send + Sync + 'static {
    /// The metrics, in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// What is to be said of the readiness: an error while work can't be taken yet or any more.
    fn ready(&self) -> Result<&'static str, &'static str>;
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The text is no address.
    #[error("{address:?} is no address: write HOST:PORT, or 0 for nowhere")]
    Address {
        /// The text.
        address: String,
    },
    /// The address can't be had.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Takes the address; `None` if it is `0` or empty.
pub(crate) async fn listen(address: &str) -> Result<Option<TcpListener>, Error> {
    let Some(address) = parse(address)? else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| Error::Listen { address, source })?;
    Ok(Some(listener))
}

/// `:8081` is any address of this machine, as Go programs have it.
fn parse(address: &str) -> Result<Option<SocketAddr>, Error> {
    if matches!(address, "" | "0") {
        return Ok(None);
    }
    let whole = if address.starts_with(':') {
        format!("0.0.0.0{address}")
    } else {
        address.to_owned()
    };
    match whole.parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(_) => Err(Error::Address {
            address: address.chars().take(100).collect(),
        }),
    }
}

/// Serves the pages until it is dropped.
pub(crate) async fn serve(listener: TcpListener, pages: Arc<impl Pages>) {
    accept(listener, MAX_CONNECTIONS, move |request| {
        let page = page(request.method(), request.uri().path(), &*pages);
        std::future::ready(page)
    })
    .await;
}

/// Answers requests until it is dropped, of so many connections at once.
pub(crate) async fn accept<A, F>(listener: TcpListener, connections: usize, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // It is never closed; if it were, serving would be the lesser harm.
        let permit = Arc::clone(&permits).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    let served = tokio::time::timeout(CONNECTION_TIMEOUT, converse(stream, answer));
                    if let Ok(Err(error)) = served.await {
                        debug!(
                            error = &error as &dyn std::error::Error,
                            "A connection broke"
                        );
                    }
                });
            }
            Err(error) => {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "No connection was accepted"
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse<A, F>(stream: TcpStream, answer: A) -> Result<(), hyper::Error>
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn page(method: &Method, path: &str, pages: &impl Pages) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => response(StatusCode::OK, metrics::CONTENT_TYPE, pages.metrics()),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match pages.ready() {
            Ok(how) => text(StatusCode::OK, how),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz and /readyz\n",
        ),
    }
}

/// A plain answer.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, TEXT, body)
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<&'static str>);

    impl Pages for Fixed {
        fn metrics(&self) -> String {
            "up 1\n".to_owned()
        }

        fn ready(&self) -> Result<&'static str, &'static str> {
            self.0.map_or(Ok("ok\n"), Err)
        }
    }

    #[track_caller]
    fn check(method: &Method, path: &str, not_ready: Option<&'static str>, expected: u16) {
        let page = page(method, path, &Fixed(not_ready));
        assert_eq!(page.status().as_u16(), expected, "{method} {path}");
    }

    #[test]
    fn pages_are_few_and_read_only() {
        check(&Method::GET, "/metrics", None, 200);
        check(&Method::HEAD, "/healthz", None, 200);
        check(&Method::GET, "/readyz", None, 200);
        check(&Method::GET, "/readyz", Some("stopping"), 503);
        // Living is not being ready.
        check(&Method::GET, "/healthz", Some("stopping"), 200);
        check(&Method::POST, "/metrics", None, 405);
        check(&Method::GET, "/debug/pprof", None, 404);
        check(&Method::GET, "/", None, 404);
    }

    #[track_caller]
    fn check_address(text: &str, expected: Result<&str, ()>) {
        let parsed = parse(text).map_err(|_| ());
        let shown = parsed.map(|it| it.map_or_else(|| "nowhere".to_owned(), |it| it.to_string()));
        assert_eq!(shown.as_deref(), expected.as_ref().copied(), "{text}");
    }

    #[test]
    fn addresses_are_hosts_with_ports_or_nowhere() {
        check_address("", Ok("nowhere"));
        check_address("0", Ok("nowhere"));
        check_address("0.0.0.0:8081", Ok("0.0.0.0:8081"));
        check_address(":8081", Ok("0.0.0.0:8081"));
        check_address("[::]:8081", Ok("[::]:8081"));
        check_address("8081", Err(()));
        check_address("127.0.0.1", Err(()));
    }
}
