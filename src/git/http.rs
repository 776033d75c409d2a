//! Smart HTTP: one request, one bounded answer.
//!
//! Knows addresses, headers, status codes and patience; not what the bytes mean. The credential
//! goes to the remote's own origin only: a redirect elsewhere is an error, not a detour.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use image_update_core::{
    remote::{RemoteUrl, Scheme},
    wire::report_status::RemoteText,
};
use reqwest::{
    Certificate, Client, Identity, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};

use super::{
    authorization::Authorization,
    options::RemoteOptions,
    transport::{Service, TransportError},
};
use crate::hosts::resolver::{ResolveError, Resolver};

/// The most redirects followed within one origin; a renamed repository takes one.
const MAX_REDIRECTS: usize = 3;

/// What we call ourselves.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// A remote as an HTTP endpoint.
pub(crate) struct Http {
    client: Client,
    authorization: Authorization,
    /// Where the repository is, after the redirects of the last advertisement.
    base: Url,
}

impl Http {
    /// Sets up the client. Makes no connection.
    ///
    /// A `rustls` crypto provider must have been installed for the process.
    pub(crate) fn new(url: &RemoteUrl, options: &RemoteOptions) -> Result<Self, TransportError> {
        if url.scheme() == Scheme::Http && !options.insecure {
            return Err(TransportError::PlainHttp);
        }
        let authorization = Authorization::new(url, options)?;
        let base = Url::parse(url.as_str()).map_err(|_| TransportError::RepositoryNotFound)?;
        Ok(Self {
            client: client(options, options.client_certificate.is_some())?,
            authorization,
            base,
        })
    }

    /// As [`Transport::advertisement`](super::transport::Transport::advertisement).
    pub(crate) async fn advertisement(
        &mut self,
        service: Service,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let query = format!("service={}", service.name());
        let mut base = self.base.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut url = child(&base, "info/refs");
            url.set_query(Some(&query));
            let address = url.clone();
            let response = self
                .send(|client| client.get(address.clone()).headers(headers(service)))
                .await?;
            if !response.status().is_redirection() {
                let kind = format!("application/x-{}-advertisement", service.name());
                let body = self.answer(response, &kind, limit_bytes).await?;
                self.base = base;
                return Ok(body);
            }
            base = redirected_base(&url, &query, response.headers())?;
        }
        Err(TransportError::Redirected {
            host: RemoteText::new(b"itself, over and over"),
        })
    }

    /// Sends one request to the service and reads the whole answer.
    pub(crate) async fn exchange(
        &mut self,
        service: Service,
        body: Vec<u8>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let name = service.name();
        let (address, body) = (child(&self.base, name), Bytes::from(body));
        let request = |client: &Client| {
            client
                .post(address.clone())
                .headers(headers(service))
                .header(CONTENT_TYPE, format!("application/x-{name}-request"))
                .header(ACCEPT, format!("application/x-{name}-result"))
                .body(body.clone())
        };
        let response = self.send(request).await?;
        if response.status().is_redirection() {
            let target = response.headers().get(LOCATION);
            let target = target.map_or(&b"nowhere"[..], HeaderValue::as_bytes);
            return Err(TransportError::Redirected {
                host: RemoteText::new(target),
            });
        }
        self.answer(
            response,
            &format!("application/x-{name}-result"),
            limit_bytes,
        )
        .await
    }

    /// Removes the secret from a server's text, should the server have echoed it.
    pub(crate) fn redact(&self, text: &RemoteText) -> RemoteText {
        self.authorization.redact(text)
    }

    /// Sends a request with the credential, and once more with a new one if the server refuses a
    /// token that was valid before: it may have been revoked.
    async fn send(
        &mut self,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, TransportError> {
        loop {
            let was_kept = self.authorization.is_kept();
            let value = self.authorization.value().await;
            let mut request = request(&self.client);
            if let Some(value) = value.map_err(TransportError::Token)? {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(classify)?;
            if response.status() == StatusCode::UNAUTHORIZED {
                self.authorization.forget();
                if was_kept {
                    continue;
                }
            }
            return Ok(response);
        }
    }

    async fn answer(
        &self,
        response: Response,
        content_type: &str,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        check_status(&response, self.authorization.is_some())?;
        let found = response
            .headers()
            .get(CONTENT_TYPE)
            .map_or(&b""[..], HeaderValue::as_bytes);
        if found.split(|byte| *byte == b';').next() != Some(content_type.as_bytes()) {
            return Err(TransportError::ContentType {
                found: RemoteText::new(found),
            });
        }
        body(response, limit_bytes).await
    }
}

/// Sets up a client that follows no redirects, as the options say.
pub(super) fn client(
    options: &RemoteOptions,
    with_certificate: bool,
) -> Result<Client, TransportError> {
    let certificates = match &options.ca_pem {
        Some(pem) => Certificate::from_pem_bundle(pem).map_err(TransportError::CaCertificates)?,
        None => Vec::new(),
    };
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .dns_resolver(Resolver)
        .connect_timeout(options.timeouts.connect)
        .read_timeout(options.timeouts.idle)
        .timeout(options.timeouts.total)
        .tls_certs_merge(certificates)
        .tls_danger_accept_invalid_certs(options.insecure);
    if let Some(certificate) = options
        .client_certificate
        .as_ref()
        .filter(|_| with_certificate)
    {
        let identity = Identity::from_pem(certificate.pem());
        builder = builder.identity(identity.map_err(TransportError::ClientCertificate)?);
    }
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(proxy.to_client()?);
    }
    builder.build().map_err(TransportError::Client)
}

fn headers(service: Service) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if service == Service::UploadPack {
        headers.insert("Git-Protocol", HeaderValue::from_static("version=2"));
    }
    headers
}

/// Tells apart what a user would do something different about.
pub(super) fn check_status(
    response: &Response,
    credential_sent: bool,
) -> Result<(), TransportError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let retry_after = retry_after(response.headers());
    Err(match status {
        StatusCode::UNAUTHORIZED => TransportError::Unauthorized { credential_sent },
        StatusCode::TOO_MANY_REQUESTS => TransportError::RateLimited { retry_after },
        // GitHub's secondary rate limit.
        StatusCode::FORBIDDEN if retry_after.is_some() => {
            TransportError::RateLimited { retry_after }
        }
        StatusCode::FORBIDDEN => TransportError::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => TransportError::RepositoryNotFound,
        status if status.is_server_error() => TransportError::ServerError {
            status: status.as_u16(),
        },
        status => TransportError::UnexpectedStatus {
            status: status.as_u16(),
        },
    })
}

/// Reads the whole body.
pub(super) async fn body(
    mut response: Response,
    limit_bytes: usize,
) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(TransportError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Appends to the path of `base`.
fn child(base: &Url, relative: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{relative}", base.path().trim_end_matches('/')));
    url
}

/// Where a redirected advertisement says the repository is, if that is on the same origin.
fn redirected_base(from: &Url, query: &str, headers: &HeaderMap) -> Result<Url, TransportError> {
    let location = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut target = from
        .join(location)
        .map_err(|_| TransportError::Redirected {
            host: RemoteText::new(b"an address that is not a URL"),
        })?;
    if target.origin() != from.origin() {
        let host = RemoteText::new(target.origin().ascii_serialization().as_bytes());
        return Err(TransportError::Redirected { host });
    }
    let is_advertisement = target.query() == Some(query) && target.username().is_empty();
    let base = target.path().strip_suffix("/info/refs").map(str::to_owned);
    match base {
        Some(path) if is_advertisement => {
            target.set_path(&path);
            target.set_query(None);
            target.set_fragment(None);
            Ok(target)
        }
        _ => Err(TransportError::Redirected {
            host: RemoteText::new(target.path().as_bytes()),
        }),
    }
}

/// The seconds of a `Retry-After`; the form with a date is not read, for it needs a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// Tells apart what a user would do something different about.
pub(super) fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_timeout() {
        return TransportError::Timeout;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(tls) = find::<rustls::Error>(current) {
            return TransportError::Tls(tls.clone());
        }
        match find::<ResolveError>(current) {
            Some(ResolveError::LinkLocal) => return TransportError::LinkLocal,
            Some(unresolved) => return TransportError::Resolve(unresolved.clone()),
            None => {}
        }
        cause = current.source();
    }
    if error.is_connect() {
        TransportError::Connect(error)
    } else {
        TransportError::Interrupted(error)
    }
}

/// `error` itself, or what it wraps as an `io::Error`, whose `source` skips the wrapped error.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut current = error;
    loop {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        current = current.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}
