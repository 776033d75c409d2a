//! Smart HTTP: one request, one bounded answer.
//!
//! Knows addresses, headers, status codes and patience; not what the bytes mean. The credential
//! goes to the remote's own origin only: a redirect elsewhere is an error, not a detour.

use std::{error::Error as StdError, time::Duration};

use image_update_core::{
    remote::{RemoteUrl, Scheme},
    wire::report_status::RemoteText,
};
use reqwest::{
    Certificate, Client, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};

use super::{
    options::{CredentialError, RemoteOptions},
    resolver::{ResolveError, Resolver},
};

/// The most redirects followed within one origin; a renamed repository takes one.
const MAX_REDIRECTS: usize = 3;

/// What we call ourselves.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// A remote as an HTTP endpoint.
pub(crate) struct Http {
    client: Client,
    authorization: Option<HeaderValue>,
    /// Where the repository is, after the redirects of the last advertisement.
    base: Url,
}

/// The two programs on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Plain `http://` without `insecure`.
    #[error("plain http is not used unless `insecure` is set for this remote")]
    PlainHttp,
    /// The additional certificates are not PEM.
    #[error("the additional CA certificates could not be read")]
    CaCertificates(#[source] reqwest::Error),
    /// The credential cannot be sent.
    #[error("the credential cannot be used")]
    Credential(#[source] CredentialError),
    /// The HTTP client could not be set up.
    #[error("the http client could not be set up")]
    Client(#[source] reqwest::Error),
    /// The host has no address.
    #[error("the host was not found")]
    Resolve(#[source] std::io::Error),
    /// The host's address is link-local.
    #[error("the host has a link-local address, which is never contacted")]
    LinkLocal,
    /// The server's certificate or protocol is not acceptable.
    #[error("no secure connection could be made")]
    Tls(#[source] rustls::Error),
    /// Nobody answered at the address: nothing was sent.
    #[error("no connection could be made")]
    Connect(#[source] reqwest::Error),
    /// The server took too long.
    #[error("the server did not answer in time")]
    Timeout,
    /// The connection broke after the request was sent.
    #[error("the connection was lost before the answer was complete")]
    Interrupted(#[source] reqwest::Error),
    /// 401: no credential was sent, or not a good one.
    #[error("{}", if *credential_sent {
        "the server did not accept the credential (401)"
    } else {
        "the server asks for a credential and none is configured (401)"
    })]
    Unauthorized {
        /// Whether there was a credential to refuse.
        credential_sent: bool,
    },
    /// 403: the credential is known and not allowed to do this.
    #[error("the credential has no permission for this (403)")]
    Forbidden,
    /// 404. Hosts also answer so for repositories the credential may not see.
    #[error("the repository does not exist, or the credential may not see it (404)")]
    RepositoryNotFound,
    /// 429, or 403 with a `Retry-After`.
    #[error("the server asks to slow down")]
    RateLimited {
        /// How long to wait, where the server said it in seconds.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("the server failed ({status})")]
    ServerError {
        /// The HTTP status.
        status: u16,
    },
    /// Any other status that is no success.
    #[error("the server answered with an unexpected status ({status})")]
    UnexpectedStatus {
        /// The HTTP status.
        status: u16,
    },
    /// A redirect we do not follow.
    #[error(
        "the server redirects to {host}, which is not followed\n\
             hint: configure the address the repository has now"
    )]
    Redirected {
        /// The other origin or, within the same one, the path.
        host: RemoteText,
    },
    /// Not a smart HTTP server, or a login page.
    #[error("the answer is not git's but {found:?}: a login page, or a server without smart HTTP")]
    ContentType {
        /// The content type of the answer.
        found: RemoteText,
    },
    /// The answer is larger than allowed.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

impl Http {
    /// Sets up the client. Makes no connection.
    ///
    /// A `rustls` crypto provider must have been installed for the process.
    pub(crate) fn new(url: &RemoteUrl, options: &RemoteOptions) -> Result<Self, TransportError> {
        if url.scheme() == Scheme::Http && !options.insecure {
            return Err(TransportError::PlainHttp);
        }
        let certificates = match &options.ca_pem {
            Some(pem) => {
                Certificate::from_pem_bundle(pem).map_err(TransportError::CaCertificates)?
            }
            None => Vec::new(),
        };
        let credential = options.credential.as_ref();
        let authorization = credential
            .map(super::options::Credential::authorization)
            .transpose()
            .map_err(TransportError::Credential)?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .dns_resolver(Resolver)
            .connect_timeout(options.timeouts.connect)
            .read_timeout(options.timeouts.idle)
            .timeout(options.timeouts.total)
            .tls_certs_merge(certificates)
            .tls_danger_accept_invalid_certs(options.insecure)
            .build()
            .map_err(TransportError::Client)?;
        let base = Url::parse(url.as_str()).map_err(|_| TransportError::RepositoryNotFound)?;
        Ok(Self {
            client,
            authorization,
            base,
        })
    }

    /// Asks what the service can do: protocol version 2 of upload-pack, version 0 of receive-pack.
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
            let request = self.client.get(url.clone()).headers(self.headers(service));
            let response = request.send().await.map_err(classify)?;
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
        &self,
        service: Service,
        body: Vec<u8>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let name = service.name();
        let request = self
            .client
            .post(child(&self.base, name))
            .headers(self.headers(service))
            .header(CONTENT_TYPE, format!("application/x-{name}-request"))
            .header(ACCEPT, format!("application/x-{name}-result"))
            .body(body);
        let response = request.send().await.map_err(classify)?;
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

    fn headers(&self, service: Service) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if service == Service::UploadPack {
            headers.insert("Git-Protocol", HeaderValue::from_static("version=2"));
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    async fn answer(
        &self,
        mut response: Response,
        content_type: &str,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        self.check_status(&response)?;
        let found = response
            .headers()
            .get(CONTENT_TYPE)
            .map_or(&b""[..], HeaderValue::as_bytes);
        if found.split(|byte| *byte == b';').next() != Some(content_type.as_bytes()) {
            return Err(TransportError::ContentType {
                found: RemoteText::new(found),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(TransportError::TooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn check_status(&self, response: &Response) -> Result<(), TransportError> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = retry_after(response.headers());
        Err(match status {
            StatusCode::UNAUTHORIZED => TransportError::Unauthorized {
                credential_sent: self.authorization.is_some(),
            },
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
fn classify(error: reqwest::Error) -> TransportError {
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
            Some(ResolveError::Lookup(source)) => {
                return TransportError::Resolve(std::io::Error::new(
                    source.kind(),
                    source.to_string(),
                ));
            }
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
