//! Connections, routes and answers.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::http::uri::Authority;
use axum::http::{Method, Request, Response, StatusCode, Version, header};
use futures::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::auth::{self, parameter};
use super::fault::Fault;
use super::{Content, DEFAULT_PAGE, State, digest};

/// The media type of the manifests that are made up.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const JSON: (&str, &str) = ("content-type", "application/json");

/// A form to the token server is a few hundred bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Takes connections for as long as it is polled.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.connection_count.fetch_add(1, Ordering::Relaxed);
        // Small answers must not wait for the acknowledgement of the one before.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let state = Arc::clone(&state);
        let tls = tls.clone();
        connections.spawn(async move {
            match tls {
                None => serve(stream, state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    let connection = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = connection
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(error, "A client of the faulty registry went away");
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let method = parts.method;
    let path_and_query = parts
        .uri
        .path_and_query()
        .map_or("/", |it| it.as_str())
        .to_owned();
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let authorization = header(header::AUTHORIZATION);
    let host = header(header::HOST).or_else(|| parts.uri.authority().map(Authority::as_str));
    state.record(super::Request {
        method: method.to_string(),
        path: path_and_query.clone(),
        host: host.unwrap_or_default().to_owned(),
        is_http2: parts.version == Version::HTTP_2,
        authorization: authorization
            .and_then(|value| value.split(' ').next())
            .map(str::to_owned),
    });

    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    if path == "/token" {
        let form = axum::body::to_bytes(Body::new(body), MAX_FORM_BYTES)
            .await
            .unwrap_or_default();
        let (fault, right) = {
            let mut content = state.lock();
            let fault = content.token_faults.next();
            (
                fault,
                auth::issue(&content, &method, &parts.uri, &parts.headers, &form),
            )
        };
        return apply(fault, right, &path_and_query, authorization).await;
    }
    let Some(route) = Route::parse(path) else {
        return error(StatusCode::NOT_FOUND, "NOT_FOUND", "no such route");
    };
    let (fault, right) = {
        let mut content = state.lock();
        if let Some(challenge) =
            auth::challenge(state, &content, &parts.headers, route.repository())
        {
            let is_hidden =
                content.hides && authorization.is_none() && !matches!(route, Route::Base);
            drop(content);
            if is_hidden {
                return error(
                    StatusCode::NOT_FOUND,
                    "NAME_UNKNOWN",
                    "repository name not known",
                );
            }
            return unauthorized(&challenge);
        }
        let fault = content.faults.next();
        let right = route.answer(&content, &method, query);
        let known = parts.headers.get(header::IF_NONE_MATCH);
        let right = if content.gives_etags && matches!(route, Route::Tags { .. }) {
            with_etag(right, known, route.repository(), &mut content)
        } else {
            right
        };
        (fault, right)
    };
    apply(fault, right, &path_and_query, authorization).await
}

#[derive(Clone, Copy)]
enum Route<'a> {
    Base,
    Tags { repository: &'a str },
    Manifest { repository: &'a str, tag: &'a str },
}

impl<'a> Route<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v2/")?;
        if path.is_empty() {
            return Some(Self::Base);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags { repository });
        }
        let (repository, tag) = path.split_once("/manifests/")?;
        Some(Self::Manifest { repository, tag })
    }

    /// What a registry in order says.
    fn answer(&self, content: &Content, method: &Method, query: &str) -> Response<Body> {
        let unknown = |code, message| error(StatusCode::NOT_FOUND, code, message);
        let tags = content.tags.get(self.repository());
        match (*self, tags) {
            (Self::Base, _) => respond(StatusCode::OK, &[JSON], "{}"),
            (_, None) => unknown("NAME_UNKNOWN", "repository name not known"),
            (Self::Tags { repository }, Some(tags)) => {
                tag_page(repository, tags, query, content.page_limit)
            }
            (Self::Manifest { repository, tag }, Some(tags)) => {
                match tags.binary_search_by(|known| known.as_str().cmp(tag)) {
                    Ok(_) => manifest(method, content.manifest(repository, tag)),
                    Err(_) => unknown("MANIFEST_UNKNOWN", "manifest unknown"),
                }
            }
        }
    }

    fn repository(&self) -> &'a str {
        match self {
            Self::Base => "",
            Self::Tags { repository } | Self::Manifest { repository, .. } => repository,
        }
    }
}

fn tag_page(repository: &str, tags: &[String], query: &str, limit: usize) -> Response<Body> {
    let asked = parameter(query, "n")
        .and_then(|n| n.parse().ok())
        .unwrap_or(DEFAULT_PAGE);
    let size = asked.min(limit);
    let start = parameter(query, "last").map_or(0, |last| {
        tags.partition_point(|tag| tag.as_str() <= last.as_str())
    });
    let rest = &tags[start..];
    let page = &rest[..size.min(rest.len())];
    let body = serde_json::json!({ "name": repository, "tags": page }).to_string();
    let mut response = respond(StatusCode::OK, &[JSON], body);
    if let (true, Some(last)) = (page.len() < rest.len(), page.last()) {
        let target = format!("/v2/{repository}/tags/list?n={size}&last={last}");
        set(&mut response, "link", &format!(r#"<{target}>; rel="next""#));
    }
    response
}

/// Every page has the name of the first one, so that it says nothing about the others.
fn with_etag(
    mut right: Response<Body>,
    known: Option<&header::HeaderValue>,
    repository: &str,
    content: &mut Content,
) -> Response<Body> {
    let tags = content.tags.get(repository);
    let first = tags.map(|tags| &tags[..tags.len().min(content.page_limit)]);
    let name = digest(format!("{first:?}").as_bytes());
    let etag = format!("\"{name}\"");
    if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        content.not_modified += 1;
        right = respond(StatusCode::NOT_MODIFIED, &[], "");
    }
    set(&mut right, "etag", &etag);
    right
}

fn manifest(method: &Method, body: Vec<u8>) -> Response<Body> {
    let digest = digest(&body);
    let length = body.len().to_string();
    let headers = [
        ("content-type", MANIFEST),
        ("docker-content-digest", &digest),
        ("content-length", &length),
    ];
    respond(
        StatusCode::OK,
        &headers,
        if method == Method::HEAD {
            Vec::new()
        } else {
            body
        },
    )
}

async fn apply(
    fault: Option<Fault>,
    mut right: Response<Body>,
    path_and_query: &str,
    authorization: Option<&str>,
) -> Response<Body> {
    let Some(fault) = fault else { return right };
    match fault {
        Fault::Status {
            status,
            message,
            retry_after,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = error(status, "BY_SCRIPT", &message);
            if let Some(retry_after) = retry_after {
                set(&mut response, "retry-after", &retry_after);
            }
            response
        }
        Fault::Challenge(challenge) => unauthorized(&challenge),
        Fault::Body(body) => respond(StatusCode::OK, &[JSON], body),
        Fault::ContentType(content_type) => {
            set(&mut right, "content-type", content_type);
            right
        }
        Fault::TruncatedJson => {
            let bytes = bytes(right).await;
            respond(StatusCode::OK, &[JSON], bytes.slice(..bytes.len() / 2))
        }
        Fault::CutConnection => {
            let bytes = bytes(right).await;
            let half = Ok(bytes.slice(..bytes.len() / 2));
            let chunks = stream::iter([half, Err(std::io::Error::other("cut by script"))]);
            respond(StatusCode::OK, &[JSON], Body::from_stream(chunks))
        }
        Fault::EndlessPage => endless_page(path_and_query),
        Fault::SamePage => link(right, path_and_query),
        Fault::Link(target) => link(right, &target),
        Fault::LinkHeader(value) => {
            set(&mut right, "link", &value);
            right
        }
        Fault::HugeBody(length) => huge_body(length),
        Fault::SlowDrip(pause) => {
            let bytes = bytes(right).await;
            let drops = stream::iter(0..bytes.len()).then(move |index| {
                let drop = bytes.slice(index..=index);
                async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, Infallible>(drop)
                }
            });
            respond(StatusCode::OK, &[JSON], Body::from_stream(drops))
        }
        Fault::Silence(pause) => {
            tokio::time::sleep(pause).await;
            right
        }
        Fault::Redirect(location) => redirect(&location),
        Fault::RedirectLoop => redirect(path_and_query),
        Fault::WrongDigest => {
            set(
                &mut right,
                "docker-content-digest",
                &digest(b"another body"),
            );
            right
        }
        Fault::NoDigest => {
            right.headers_mut().remove("docker-content-digest");
            right
        }
        Fault::EchoAuthorization => error(
            StatusCode::BAD_REQUEST,
            "UNSUPPORTED",
            authorization.unwrap_or_default(),
        ),
    }
}

/// One new tag, and a link to a page with the next one.
fn endless_page(path_and_query: &str) -> Response<Body> {
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let number: u64 = parameter(query, "page")
        .and_then(|page| page.parse().ok())
        .unwrap_or_default();
    let body = format!(r#"{{"name":"endless","tags":["endless-{number}"]}}"#);
    link(
        respond(StatusCode::OK, &[JSON], body),
        &format!("{path}?page={}", number + 1),
    )
}

fn huge_body(length: usize) -> Response<Body> {
    const CHUNK: usize = 64 * 1024;
    let start = stream::iter([Bytes::from_static(br#"{"name":"huge","tags":[""#)]);
    let filling = Bytes::from(vec![b'a'; CHUNK]);
    let middle = stream::repeat(filling).take(length.div_ceil(CHUNK));
    let end = stream::iter([Bytes::from_static(br#""]}"#)]);
    let chunks = start.chain(middle).chain(end).map(Ok::<_, Infallible>);
    respond(StatusCode::OK, &[JSON], Body::from_stream(chunks))
}

fn link(mut response: Response<Body>, target: &str) -> Response<Body> {
    set(&mut response, "link", &format!(r#"<{target}>; rel="next""#));
    response
}

fn redirect(location: &str) -> Response<Body> {
    respond(
        StatusCode::TEMPORARY_REDIRECT,
        &[("location", location)],
        Body::empty(),
    )
}

fn unauthorized(challenge: &str) -> Response<Body> {
    let mut response = error(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "authentication required",
    );
    set(&mut response, "www-authenticate", challenge);
    response
}

/// An error document of the form the distribution specification gives.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    respond(status, &[JSON], body.to_string())
}

pub(super) fn respond(
    status: StatusCode,
    headers: &[(&'static str, &str)],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in headers {
        set(&mut response, name, value);
    }
    response
}

/// Sets a header; a value HTTP cannot carry is replaced by its escaped form.
fn set(response: &mut Response<Body>, name: &'static str, value: &str) {
    let value = value.parse().or_else(|_| {
        let mut escaped = String::new();
        write!(escaped, "{}", value.escape_default()).ok();
        escaped.parse()
    });
    if let Ok(value) = value {
        response.headers_mut().insert(name, value);
    }
}

/// The whole body of an answer made here.
async fn bytes(response: Response<Body>) -> Bytes {
    axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap_or_default()
}
