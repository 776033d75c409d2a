//! Serves metrics and probes over plain HTTP: `/metrics`, `/healthz` and `/readyz`; and elsewhere,
//! for who may enter the pod, `/debug/state` and `/debug/log-level`.
//!
//! Nobody is asked who they are: it is for the cluster's network. So nothing can be changed but what is
//! logged, and that from inside the pod alone.
//! Connections, their number and their time are bounded, also for who answers otherwise ([`accept`]).

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
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

/// The most that is read of a body: directives name a few modules.
const MAX_BODY_BYTES: usize = 4096;

const LOG_LEVEL: &str = "/debug/log-level";

const JSON: &str = "application/json";

const TEXT: &str = "text/plain; charset=utf-8";

/// What the pages say.
pub(crate) trait Pages: Send + Sync + 'static {
    /// The metrics, in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// What is to be said of the readiness: an error while work can't be taken yet or any more.
    fn ready(&self) -> Result<&'static str, &'static str>;

    /// What goes on, as JSON.
    fn state(&self) -> String;

    /// The directives that say what is logged.
    fn log_level(&self) -> String;

    /// Sets them; an error says what is wrong with them.
    fn set_log_level(&self, directives: &str) -> Result<(), String>;
}

/// Which pages are served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// Metrics and probes.
    Probes,
    /// What goes on.
    Debug,
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
    /// Others could reach it.
    #[error("{address} is not an address of this machine's own, such as 127.0.0.1:8083")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
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

/// Takes the address; `None` if it is `0` or empty. What is for debugging is served to this machine
/// only.
pub(crate) async fn listen(site: Site, address: &str) -> Result<Option<TcpListener>, Error> {
    let Some(address) = parse(address)? else {
        return Ok(None);
    };
    if site == Site::Debug && !address.ip().is_loopback() {
        return Err(Error::NotLoopback { address });
    }
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
pub(crate) async fn serve(site: Site, listener: TcpListener, pages: Arc<impl Pages>) {
    accept(listener, MAX_CONNECTIONS, move |request| {
        let pages = Arc::clone(&pages);
        async move {
            match site {
                Site::Probes => page(site, request.method(), request.uri().path(), &*pages),
                Site::Debug => debug_page(request, &*pages).await,
            }
        }
    })
    .await;
}

/// For debugging. What a browser asks for in the name of a site that calls itself by one of this
/// machine's addresses is refused, because the site could read the answer.
async fn debug_page<B>(request: Request<B>, pages: &impl Pages) -> Response<Full<Bytes>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !is_local(request.headers()) {
        return text(StatusCode::FORBIDDEN, "ask for localhost\n");
    }
    if (request.method(), request.uri().path()) != (&Method::PUT, LOG_LEVEL) {
        return page(Site::Debug, request.method(), request.uri().path(), pages);
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let Ok(Ok(body)) = tokio::time::timeout(HEAD_TIMEOUT, body).await else {
        return text(StatusCode::BAD_REQUEST, "send directives, as --log-level\n");
    };
    let body = body.to_bytes();
    let directives = str::from_utf8(&body).unwrap_or_default().trim();
    if directives.is_empty() {
        return text(StatusCode::BAD_REQUEST, "send directives, as --log-level\n");
    }
    match pages.set_log_level(directives) {
        Ok(()) => text(StatusCode::OK, format!("{}\n", pages.log_level())),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

/// Whether the host that is asked for is this machine, whatever the port.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        Some(_) | None => host,
    });
    name.is_some_and(|name| {
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
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

fn page(site: Site, method: &Method, path: &str, pages: &impl Pages) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match (site, path) {
        (Site::Debug, "/debug/state") => response(StatusCode::OK, JSON, pages.state()),
        (Site::Debug, LOG_LEVEL) => text(StatusCode::OK, format!("{}\n", pages.log_level())),
        (Site::Debug, _) => text(
            StatusCode::NOT_FOUND,
            "there are /debug/state and /debug/log-level\n",
        ),
        (Site::Probes, "/metrics") => {
            response(StatusCode::OK, metrics::CONTENT_TYPE, pages.metrics())
        }
        (Site::Probes, "/healthz") => text(StatusCode::OK, "ok\n"),
        (Site::Probes, "/readyz") => match pages.ready() {
            Ok(how) => text(StatusCode::OK, how),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
        },
        (Site::Probes, _) => text(
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
    use std::sync::Mutex;

    use super::*;

    /// Why it is not ready, and what is logged.
    struct Fixed(Option<&'static str>, Mutex<String>);

    impl Pages for Fixed {
        fn metrics(&self) -> String {
            "up 1\n".to_owned()
        }

        fn ready(&self) -> Result<&'static str, &'static str> {
            self.0.map_or(Ok("ok\n"), Err)
        }

        fn state(&self) -> String {
            "{}".to_owned()
        }

        fn log_level(&self) -> String {
            self.1.lock().expect("no test panics with it").clone()
        }

        fn set_log_level(&self, directives: &str) -> Result<(), String> {
            if directives != "debug" {
                return Err("it is no level".to_owned());
            }
            directives.clone_into(&mut self.1.lock().expect("no test panics with it"));
            Ok(())
        }
    }

    fn fixed(not_ready: Option<&'static str>) -> Fixed {
        Fixed(not_ready, Mutex::new("info".to_owned()))
    }

    #[track_caller]
    fn check(method: &Method, path: &str, not_ready: Option<&'static str>, expected: u16) {
        let page = page(Site::Probes, method, path, &fixed(not_ready));
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
        check(&Method::GET, "/debug/state", None, 404);
        check(&Method::PUT, "/debug/log-level", None, 405);
        check(&Method::GET, "/debug/log-level", None, 404);
    }

    #[tokio::test]
    async fn the_log_level_is_set_by_who_asks_for_this_machine() {
        let pages = fixed(None);
        let check = async |method: Method, host: &str, body: &str, expected: (u16, &str)| {
            let request = Request::builder()
                .method(method)
                .uri(LOG_LEVEL)
                .header(HOST, host)
                .body(Full::new(Bytes::from(body.to_owned())))
                .expect("it is a request");
            let answer = debug_page(request, &pages).await;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await;
            let text = body.expect("it is there").to_bytes();
            let text = str::from_utf8(&text).expect("it is text").trim_end();
            assert_eq!((status, text), expected, "{host}");
        };
        let none = "send directives, as --log-level";
        let large = "x".repeat(MAX_BODY_BYTES + 1);
        check(Method::GET, "localhost:1", "", (200, "info")).await;
        check(Method::PUT, "127.0.0.1", "loud", (400, "it is no level")).await;
        check(Method::PUT, "127.0.0.1", " \n", (400, none)).await;
        check(Method::PUT, "127.0.0.1", &large, (400, none)).await;
        for host in [
            "evil.example:8083",
            "10.0.0.1",
            "",
            "localhost.evil.example",
        ] {
            check(Method::PUT, host, "debug", (403, "ask for localhost")).await;
            check(Method::GET, host, "", (403, "ask for localhost")).await;
        }
        check(Method::POST, "[::1]:1", "debug", (405, "only GET and HEAD")).await;
        check(Method::GET, "[::1]", "", (200, "info")).await;
        check(Method::PUT, "127.0.0.1:8083", "debug\n", (200, "debug")).await;
        check(Method::GET, "localhost", "", (200, "debug")).await;
    }

    #[tokio::test]
    async fn what_is_for_debugging_is_served_to_this_machine_only() {
        let pages = fixed(None);
        let status = |path| page(Site::Debug, &Method::GET, path, &pages).status();
        assert_eq!(status("/debug/state"), StatusCode::OK);
        assert_eq!(status("/metrics"), StatusCode::NOT_FOUND);
        let listener = listen(Site::Debug, "127.0.0.1:0").await;
        assert!(listener.is_ok_and(|it| it.is_some()));
        for address in ["0.0.0.0:0", ":0", "[::]:0"] {
            let refused = listen(Site::Debug, address).await;
            assert!(
                matches!(refused, Err(Error::NotLoopback { .. })),
                "{address}"
            );
        }
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
