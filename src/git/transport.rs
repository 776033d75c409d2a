//! The way to a remote: smart HTTP or SSH, behind one pair of questions.
//!
//! The session asks what a service can do, and sends it requests; it does not know that HTTP makes
//! each of them by itself while SSH talks to one program all along. That program is started by the
//! first question after [`Transport::finish`] and ends with the next one.

use std::time::Duration;

use image_update_core::{
    remote::{RemoteUrl, Scheme},
    wire::report_status::RemoteText,
};

use super::{
    error::ResolveError,
    github_app::TokenError,
    http::Http,
    options::{CredentialError, RemoteOptions},
    ssh::{Ssh, SshError},
};

/// A way to a remote.
pub(crate) enum Transport {
    Http(Box<Http>),
    Ssh(Box<Ssh>),
}

/// The two programs on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
}

/// How an answer ends on a way where the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a flush; the program waits for the next request.
    Flush,
    /// With the program.
    Program,
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
    /// The client's certificate or its key is not PEM, or they do not fit.
    #[error("the client certificate could not be read")]
    ClientCertificate(#[source] reqwest::Error),
    /// The proxy's address is none, or of a kind that is not supported.
    #[error("the address of the proxy can't be used\nhint: http://host:port or https://host:port")]
    Proxy,
    /// The credential cannot be sent.
    #[error("the credential cannot be used")]
    Credential(#[source] CredentialError),
    /// The GitHub App got no token.
    #[error("the GitHub App got no access token")]
    Token(#[source] TokenError),
    /// The HTTP client could not be set up.
    #[error("the http client could not be set up")]
    Client(#[source] reqwest::Error),
    /// No address of the host is known.
    #[error("the host was not found")]
    Resolve(#[source] ResolveError),
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
    /// What can go wrong over SSH only.
    #[error(transparent)]
    Ssh(SshError),
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

impl Transport {
    /// Sets up the way to `url`. Makes no connection.
    pub(crate) fn new(url: &RemoteUrl, options: &RemoteOptions) -> Result<Self, TransportError> {
        match url.scheme() {
            Scheme::Https | Scheme::Http => Ok(Self::Http(Box::new(Http::new(url, options)?))),
            Scheme::Ssh => Ok(Self::Ssh(Box::new(Ssh::new(url, options)?))),
        }
    }

    /// Asks what the service can do: version 2 of the protocol of upload-pack, where the server knows
    /// it, version 0 of that of receive-pack.
    pub(crate) async fn advertisement(
        &mut self,
        service: Service,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        match self {
            Self::Http(http) => http.advertisement(service, limit_bytes).await,
            Self::Ssh(ssh) => ssh.advertisement(service, limit_bytes).await,
        }
    }

    /// Sends one request to the service and reads the whole answer.
    pub(crate) async fn exchange(
        &mut self,
        service: Service,
        body: Vec<u8>,
        ending: Ending,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        match self {
            Self::Http(http) => http.exchange(service, body, limit_bytes).await,
            Self::Ssh(ssh) => ssh.exchange(service, body, ending, limit_bytes).await,
        }
    }

    /// Ends what is running on the server. The next question starts anew.
    pub(crate) async fn finish(&mut self) {
        match self {
            Self::Http(_) => {}
            Self::Ssh(ssh) => ssh.finish().await,
        }
    }

    /// Removes the secret from a server's text, should the server have echoed it.
    pub(crate) fn redact(&self, text: &RemoteText) -> RemoteText {
        match self {
            Self::Http(http) => http.redact(text),
            // A private key never leaves this process.
            Self::Ssh(_) => text.clone(),
        }
    }
}

impl TransportError {
    /// Whether the server may have acted on the request in spite of this, or would the next time.
    pub(crate) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Timeout
            | Self::Interrupted(_)
            | Self::ServerError { .. }
            | Self::ContentType { .. }
            | Self::TooLarge { .. } => true,
            Self::Ssh(error) => error.is_in_doubt(),
            Self::PlainHttp
            | Self::CaCertificates(_)
            | Self::ClientCertificate(_)
            | Self::Proxy
            | Self::Credential(_)
            | Self::Token(_)
            | Self::Client(_)
            | Self::Resolve(_)
            | Self::LinkLocal
            | Self::Tls(_)
            | Self::Unauthorized { .. }
            | Self::Forbidden
            | Self::RepositoryNotFound
            | Self::RateLimited { .. }
            | Self::UnexpectedStatus { .. }
            | Self::Redirected { .. } => false,
        }
    }
}
