//! What it means that a request has no useful answer.
//!
//! The one place where statuses and broken connections become errors, and where the registry's
//! own words are searched for what must not be repeated.

use reqwest::StatusCode;
use url::Url;

use super::answer::Answer;
use super::credentials::Credential;
use super::error::{Error, Host};
use super::exchange::Exchange;
use super::remark::Remark;
use super::retry;
use super::transport::{Failure, READ_TIMEOUT};

impl Exchange<'_> {
    /// What a status that is no success means.
    pub(super) fn refusal(&self, answer: &Answer) -> Error {
        let repository = self.repository.clone();
        let said = self.remark(answer);
        let retry_after = retry::retry_after(&answer.headers);
        let status = answer.status.as_u16();
        match answer.status {
            StatusCode::UNAUTHORIZED => {
                let presented = self.access.credential.is_some();
                Error::Unauthorized {
                    repository,
                    presented,
                    said,
                }
            }
            StatusCode::FORBIDDEN => Error::Forbidden { repository, said },
            StatusCode::TOO_MANY_REQUESTS => Error::RateLimited {
                repository,
                retry_after,
                said,
            },
            code if code.is_server_error() => Error::ServerError {
                repository,
                status,
                retry_after,
                said,
            },
            _ => Error::UnexpectedStatus {
                repository,
                status,
                said,
            },
        }
    }

    /// The registry's own words, unless they repeat what it was shown.
    pub(super) fn remark(&self, answer: &Answer) -> Remark {
        let basic = self
            .access
            .credential
            .as_ref()
            .and_then(Credential::basic_header);
        let secrets = [
            self.access.credential.as_ref().map(Credential::secret),
            basic.as_deref().map(|header| without_scheme(header)),
            self.shown
                .as_ref()
                .and_then(|header| header.to_str().ok())
                .map(without_scheme),
        ];
        let secrets: Vec<&str> = secrets.into_iter().flatten().collect();
        Remark::from_body(&answer.body, &secrets)
    }

    /// What a request without an answer means.
    pub(super) fn failed(&self, url: &Url, error: reqwest::Error) -> Error {
        let repository = self.repository.clone();
        let host = Host::of(url);
        let failure = Failure::of(&error);
        // The URL of a token request says more than the host does.
        let source = error.without_url();
        match failure {
            Failure::LinkLocal => Error::LinkLocal { repository, host },
            Failure::NotTls => Error::PlainHttp { repository, host },
            Failure::Tls => Error::Tls {
                repository,
                host,
                source,
            },
            Failure::Refused | Failure::Connect => Error::Connect {
                repository,
                host,
                source,
            },
            Failure::Timeout if source.is_connect() => Error::Connect {
                repository,
                host,
                source,
            },
            Failure::Timeout => Error::Timeout {
                repository,
                after: READ_TIMEOUT,
            },
            Failure::Interrupted => Error::Interrupted {
                repository,
                host,
                source,
            },
        }
    }
}

fn without_scheme(header: &str) -> &str {
    header.split_once(' ').map_or(header, |(_, value)| value)
}
