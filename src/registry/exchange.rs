//! The requests that answer one question: authentication, redirects, retries, plain HTTP.
//!
//! An exchange belongs to one repository. It shows its credential to the repository's registry
//! and to the token server that registry names, and to no other host. It does not know what is
//! asked; that is in [`super::tags`] and [`super::manifest`].

use image_update_core::address::is_link_local_literal;
use image_update_core::image::Repository;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::access::Access;
use super::answer::{Answer, Unread};
use super::client::Shared;
use super::endpoint::{Endpoint, has_credential};
use super::error::{Error, Host};
use super::inside::leads_inside;
use super::pace::{Pause, Turn};
use super::transport::Failure;
use super::{retry, transport};

/// Redirects that are followed for one request. Registries use one, to a server near the client.
const MAX_REDIRECTS: u32 = 5;

/// The most that is read of the answer to `/v2/`, which is `{}` or a version.
const MAX_PING_BYTES: usize = 64 * 1024;

/// The requests for one repository, on behalf of one access.
pub(super) struct Exchange<'a> {
    pub(super) repository: &'a Repository,
    pub(super) access: &'a Access,
    pub(super) endpoint: Endpoint,
    /// Requests that reached a server so far, those for tokens included.
    pub(super) requests: u32,
    /// What the registry was shown last, so that no error repeats it.
    pub(super) shown: Option<HeaderValue>,
    pub(super) shared: &'a Shared,
    /// The repository's path as this registry has it.
    pub(super) path: String,
    /// The time that was spent on waiting for leave to ask.
    pub(super) pause: Pause,
    http: reqwest::Client,
    /// Given back when the exchange ends.
    _turn: Turn,
}

/// One request, complete.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static str,
    pub(super) authorization: Option<HeaderValue>,
    /// The `ETag` of what is known already: an answer that says no more than that is 304.
    pub(super) if_none_match: Option<HeaderValue>,
    /// A form to post.
    pub(super) form: Option<Zeroizing<String>>,
    /// The most bytes of the answer's body.
    pub(super) limit: usize,
}

impl Request {
    /// A request without a body; [`Exchange::ask`] adds what the registry wants to be shown.
    pub(super) fn new(method: Method, url: Url, accept: &'static str, limit: usize) -> Self {
        Self {
            method,
            url,
            accept,
            authorization: None,
            if_none_match: None,
            form: None,
            limit,
        }
    }
}

impl<'a> Exchange<'a> {
    /// Begins an exchange, when it is its turn.
    pub(super) async fn begin(
        shared: &'a Shared,
        repository: &'a Repository,
        access: &'a Access,
    ) -> Result<Self, Error> {
        let http =
            shared
                .transport
                .client(access)
                .map_err(|transport::BadCertificates(source)| Error::Certificates {
                    repository: repository.clone(),
                    source,
                })?;
        let endpoint = Endpoint::of(repository, access).ok_or_else(|| Error::InvalidRegistry {
            repository: repository.clone(),
        })?;
        let plain = endpoint
            .without_tls()
            .filter(|plain| access.insecure && shared.transport.is_plain(access, plain.as_str()));
        let endpoint = plain.unwrap_or(endpoint);
        let path = match &access.configured {
            Some(registry) => registry.path_of(repository),
            None => repository.path().to_owned(),
        };
        Ok(Self {
            repository,
            access,
            requests: 0,
            shown: None,
            shared,
            path,
            pause: Pause::default(),
            http,
            _turn: shared.pace.turn(&endpoint).await,
            endpoint,
        })
    }

    /// The URL of something of the repository, such as `tags/list`.
    pub(super) fn url(&self, what: &str) -> Url {
        self.endpoint.url(&format!("/v2/{}/{what}", self.path))
    }

    /// Sends a request with what the registry wants to be shown, and follows redirects.
    ///
    /// The answer is a success, or an error of the client that only who asks can explain (404).
    pub(super) async fn ask(&mut self, mut request: Request) -> Result<Answer, Error> {
        let mut authorization = self.remembered_authorization().await?;
        let mut is_renewed = false;
        let mut redirects = 0;
        loop {
            let is_own = self.endpoint.owns(&request.url);
            request.authorization = authorization.clone().filter(|_| is_own);
            self.shown.clone_from(&authorization);
            let answer = match self.send(&request).await {
                Err(error) if is_own && self.give_up_tls(&error) => {
                    request.url = self.endpoint.moved(&request.url);
                    continue;
                }
                other => other?,
            };
            match answer.status {
                StatusCode::UNAUTHORIZED if !is_own => {
                    let (repository, host) = (self.repository.clone(), Host::of(&answer.url));
                    return Err(Error::ForeignChallenge { repository, host });
                }
                StatusCode::UNAUTHORIZED if !is_renewed => {
                    is_renewed = true;
                    authorization = Some(self.renew(&answer).await?);
                }
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN if is_own && !is_renewed => {
                    is_renewed = true;
                    match self.introduce(authorization.as_ref()).await? {
                        Some(header) => authorization = Some(header),
                        None => return self.settle(answer),
                    }
                }
                status if is_redirect(status) => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        return Err(Error::TooManyRedirects {
                            repository: self.repository.clone(),
                        });
                    }
                    request.url = self.redirect_target(&answer).await?;
                }
                _ => return self.settle(answer),
            }
        }
    }

    /// Decides whether an answer is one for who asked, or an error that means the same always.
    fn settle(&self, answer: Answer) -> Result<Answer, Error> {
        if answer.status.is_success() || is_for_the_caller(answer.status) {
            return Ok(answer);
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            self.shared.sessions.remove(&self.session_key());
        }
        Err(self.refusal(&answer))
    }

    /// Asks for a challenge where a repository may be hidden from who has shown nothing: a
    /// registry that lets anybody in answers 404 for a private repository, and does not ask.
    async fn introduce(
        &mut self,
        shown: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Error> {
        if shown.is_some() || self.access.credential.is_none() {
            return Ok(None);
        }
        let url = self.endpoint.url("/v2/");
        let request = Request::new(Method::GET, url, "application/json", MAX_PING_BYTES);
        let answer = self.send(&request).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        self.renew(&answer).await.map(Some)
    }

    /// Sends a request as it is, again after failures that may pass.
    ///
    /// The answer has any status. A server that says when to come back is not asked before.
    pub(super) async fn send(&mut self, request: &Request) -> Result<Answer, Error> {
        if is_link_local_literal(&request.url) {
            let (repository, host) = (self.repository.clone(), Host::of(&request.url));
            return Err(Error::LinkLocal { repository, host });
        }
        let mut retries = 0;
        loop {
            let is_last = retries == retry::MAX_RETRIES;
            self.wait_for_leave(&request.url).await?;
            let started = Instant::now();
            let sent = self.send_once(request).await;
            self.shared.metrics.registry_request(
                self.repository.registry(),
                request.method.as_str(),
                sent.as_ref().ok().map(|answer| answer.status.as_u16()),
                started.elapsed(),
            );
            let was_received = !matches!(&sent, Err(Unread::Broken(error)) if error.is_connect());
            self.requests += u32::from(was_received);
            match sent {
                Ok(answer) => {
                    self.remember_pace(&request.url, &answer);
                    let may_pass = answer.status.is_server_error()
                        && retry::retry_after(&answer.headers).is_none();
                    if is_last || !may_pass {
                        return Ok(answer);
                    }
                }
                Err(Unread::TooLarge) => {
                    return Err(Error::BodyTooLarge {
                        repository: self.repository.clone(),
                        host: Host::of(&request.url),
                        limit: request.limit,
                    });
                }
                Err(Unread::Broken(error)) => {
                    if is_last || !Failure::of(&error).may_pass() {
                        return Err(self.failed(&request.url, error));
                    }
                }
            }
            tokio::time::sleep(retry::delay(retries)).await;
            retries += 1;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, Unread> {
        let mut builder = self
            .http
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, request.accept);
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(etag) = &request.if_none_match {
            builder = builder.header(IF_NONE_MATCH, etag.clone());
        }
        if let Some(form) = &request.form {
            builder = builder
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.to_string());
        }
        let response = builder.send().await.map_err(Unread::Broken)?;
        Answer::read(response, request.limit).await
    }

    /// Where a redirect leads: to any host that is as private as the registry itself, and not inside
    /// if that is outside.
    ///
    /// registry.k8s.io sends every request for tags and manifests to a server near the client,
    /// so other hosts are allowed; they are shown no credential.
    async fn redirect_target(&self, answer: &Answer) -> Result<Url, Error> {
        let location = answer
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let is_allowed = |url: &Url| {
            let is_private =
                url.scheme() == "https" || (url.scheme() == "http" && !self.endpoint.has_tls());
            is_private && url.has_host() && !has_credential(url)
        };
        let target = location
            .and_then(|location| answer.url.join(location).ok())
            .filter(is_allowed)
            .ok_or_else(|| Error::InvalidRedirect {
                repository: self.repository.clone(),
            })?;
        if leads_inside(&self.endpoint.url("/"), &target).await {
            return Err(Error::InsideRedirect {
                repository: self.repository.clone(),
                host: Host::of(&target),
            });
        }
        Ok(target)
    }

    /// Falls back to plain HTTP where that is allowed and TLS is not spoken.
    fn give_up_tls(&mut self, error: &Error) -> bool {
        let may_be_plain = if let Error::Connect { source, .. } = error {
            // Without a port, plain HTTP is on another one, where somebody may listen.
            Failure::of(source) == Failure::Refused && !self.endpoint.has_port()
        } else {
            matches!(error, Error::PlainHttp { .. })
        };
        if !(may_be_plain && self.access.insecure && self.endpoint.has_tls()) {
            return false;
        }
        let Some(plain) = self.endpoint.without_tls() else {
            return false;
        };
        self.shared
            .transport
            .remember_plain(self.access, plain.as_str());
        self.endpoint = plain;
        true
    }

    /// Forgets that the registry speaks plain HTTP, after a question that failed.
    pub(super) fn reconsider_tls(&self) {
        if !self.endpoint.has_tls() {
            self.shared
                .transport
                .forget_plain(self.access, self.endpoint.as_str());
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether a status means something else for every question.
fn is_for_the_caller(status: StatusCode) -> bool {
    let has_one_meaning = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status == StatusCode::NOT_MODIFIED
        || (status.is_client_error() && !has_one_meaning.contains(&status))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::registry::client::Client;

    /// What becomes of a redirect of a registry; the target if it is followed.
    async fn redirected(registry: &str, location: &str) -> Result<String, Error> {
        let repository = format!("{registry}/org/app");
        let repository = repository.parse().expect("the row's registry is one");
        let access = Access::default();
        let client = Client::new();
        let exchange = client.exchange(&repository, &access).await?;
        let location = HeaderValue::from_str(location).expect("the row's location is a header");
        let answer = Answer {
            url: exchange.url("blobs/x"),
            status: StatusCode::TEMPORARY_REDIRECT,
            headers: HeaderMap::from_iter([(LOCATION, location)]),
            body: Bytes::new(),
        };
        exchange.redirect_target(&answer).await.map(String::from)
    }

    #[tokio::test]
    async fn a_registry_outside_can_not_redirect_inside() {
        for (registry, location, expected) in [
            ("8.8.8.8", "https://8.8.4.4/blob", "https://8.8.4.4/blob"),
            ("8.8.8.8", "/blob", "https://8.8.8.8/blob"),
            ("8.8.8.8", "https://10.0.0.1/blob", "inside"),
            ("8.8.8.8", "https://[fd00::1]/blob", "inside"),
            ("8.8.8.8", "https://localhost/blob", "inside"),
            ("8.8.8.8", "http://8.8.4.4/blob", "invalid"),
            (
                "10.0.0.1:5000",
                "https://10.0.0.2/blob",
                "https://10.0.0.2/blob",
            ),
            (
                "10.0.0.1:5000",
                "https://8.8.8.8/blob",
                "https://8.8.8.8/blob",
            ),
        ] {
            let found = match redirected(registry, location).await {
                Ok(target) => target,
                Err(Error::InsideRedirect { .. }) => "inside".to_owned(),
                Err(Error::InvalidRedirect { .. }) => "invalid".to_owned(),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected, "{registry} {location}");
        }
    }
}
