//! Why a registry could not be asked: one variant for each thing a person would do differently.

use std::fmt;
use std::time::Duration;

use image_update_core::image::{Digest, Excerpt, Repository, Tag};
use image_update_core::wire::{challenge, link_header, manifest, tag_page};

use super::remark::Remark;

/// Why a question to a registry has no answer.
///
/// No variant holds a credential: text from the registry is searched for the one that was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry's name cannot be made into a URL.
    #[error("{repository}: the registry's name is not a host")]
    InvalidRegistry {
        /// The repository that was asked for.
        repository: Repository,
    },
    /// The certificates given for the registry cannot be used.
    #[error("{repository}: the certificate authority or the client certificate cannot be used")]
    Certificates {
        /// The repository that was asked for.
        repository: Repository,
        /// What is wrong with them; `None` when the PEM holds no certificate.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The address is link-local; those are never asked.
    #[error("{repository}: {host} is a link-local address, which is never asked")]
    LinkLocal {
        /// The repository that was asked for.
        repository: Repository,
        /// The host with that address.
        host: Host,
    },
    /// No connection: no such name, nobody listening, no route.
    #[error("{repository}: could not connect to {host}")]
    Connect {
        /// The repository that was asked for.
        repository: Repository,
        /// The host that was called.
        host: Host,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The host answers, but not with TLS.
    #[error(
        "{repository}: {host} does not speak TLS; plain HTTP is used only where `insecure` is set"
    )]
    PlainHttp {
        /// The repository that was asked for.
        repository: Repository,
        /// The host that was called.
        host: Host,
    },
    /// The certificate is not trusted, or the handshake failed otherwise.
    #[error("{repository}: could not agree on TLS with {host}")]
    Tls {
        /// The repository that was asked for.
        repository: Repository,
        /// The host that was called.
        host: Host,
        /// What was wrong, such as an unknown issuer.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke while the answer was on its way.
    #[error("{repository}: the connection to {host} broke off")]
    Interrupted {
        /// The repository that was asked for.
        repository: Repository,
        /// The host that was called.
        host: Host,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was not complete in time.
    #[error("{repository}: no complete answer within {} s", after.as_secs_f64())]
    Timeout {
        /// The repository that was asked for.
        repository: Repository,
        /// The time that was given.
        after: Duration,
    },
    /// The registry wants a credential, or does not take this one.
    #[error("{repository}: {}{said}", refused(*presented))]
    Unauthorized {
        /// The repository that was asked for.
        repository: Repository,
        /// Whether a credential was there to be shown.
        presented: bool,
        /// The registry's own words.
        said: Remark,
    },
    /// The registry knows who asks, and says no.
    #[error("{repository}: access is forbidden{said}")]
    Forbidden {
        /// The repository that was asked for.
        repository: Repository,
        /// The registry's own words.
        said: Remark,
    },
    /// The registry has no such repository, or hides it from who asks.
    #[error("{repository}: no such repository, or it is hidden from this credential{said}")]
    RepositoryNotFound {
        /// The repository that was asked for.
        repository: Repository,
        /// The registry's own words.
        said: Remark,
    },
    /// The repository has no such tag.
    #[error("{repository}: no tag {tag}{said}")]
    TagNotFound {
        /// The repository that was asked for.
        repository: Repository,
        /// The tag that was asked for.
        tag: Tag,
        /// The registry's own words.
        said: Remark,
    },
    /// Too many questions; try again later.
    #[error("{repository}: the registry's rate limit is reached{said}")]
    RateLimited {
        /// The repository that was asked for.
        repository: Repository,
        /// How long the registry asks to wait, where it says.
        retry_after: Option<Duration>,
        /// The registry's own words.
        said: Remark,
    },
    /// The registry is in trouble; it was asked again a few times.
    #[error("{repository}: the registry failed with HTTP status {status}{said}")]
    ServerError {
        /// The repository that was asked for.
        repository: Repository,
        /// From 500 to 599.
        status: u16,
        /// How long the registry asks to wait, where it says.
        retry_after: Option<Duration>,
        /// The registry's own words.
        said: Remark,
    },
    /// A status that has no meaning here.
    #[error("{repository}: the registry answered with HTTP status {status}{said}")]
    UnexpectedStatus {
        /// The repository that was asked for.
        repository: Repository,
        /// The status.
        status: u16,
        /// The registry's own words.
        said: Remark,
    },
    /// How to authenticate cannot be read.
    #[error("{repository}: the registry's challenge cannot be read")]
    InvalidChallenge {
        /// The repository that was asked for.
        repository: Repository,
        /// What is wrong with it.
        #[source]
        source: challenge::Error,
    },
    /// The registry offers no way to authenticate that is known here.
    #[error("{repository}: the registry offers neither Basic nor Bearer authentication")]
    UnsupportedChallenge {
        /// The repository that was asked for.
        repository: Repository,
    },
    /// The token server is not one a credential may be sent to.
    #[error("{repository}: the registry names a token server without TLS: {realm}")]
    UntrustedRealm {
        /// The repository that was asked for.
        repository: Repository,
        /// The realm, as the registry wrote it.
        realm: Excerpt,
    },
    /// The token server is inside, and the registry is not.
    #[error(
        "{repository}: the registry names a token server in a private network, where it is not \
         itself: {realm}"
    )]
    InsideRealm {
        /// The repository that was asked for.
        repository: Repository,
        /// The realm, as the registry wrote it.
        realm: Excerpt,
    },
    /// The token server's answer holds no token.
    #[error("{repository}: the token server {host} gave no token")]
    NoToken {
        /// The repository that was asked for.
        repository: Repository,
        /// The token server.
        host: Host,
    },
    /// The host a redirect led to wants a credential; it is the registry's, so it gets none.
    #[error(
        "{repository}: the registry redirects to {host}, which asks for a credential of its own"
    )]
    ForeignChallenge {
        /// The repository that was asked for.
        repository: Repository,
        /// The host behind the redirect.
        host: Host,
    },
    /// A redirect leads inside, and the registry is not there itself.
    #[error(
        "{repository}: the registry redirects to {host}, which is in a private network, where it is \
         not itself"
    )]
    InsideRedirect {
        /// The repository that was asked for.
        repository: Repository,
        /// The host behind the redirect.
        host: Host,
    },
    /// A redirect leads nowhere, or from TLS to plain HTTP.
    #[error("{repository}: the registry redirects to where it cannot be followed")]
    InvalidRedirect {
        /// The repository that was asked for.
        repository: Repository,
    },
    /// One redirect after the other.
    #[error("{repository}: the registry redirects in circles")]
    TooManyRedirects {
        /// The repository that was asked for.
        repository: Repository,
    },
    /// Where the next page is cannot be read.
    #[error("{repository}: the registry's link to the next page cannot be read")]
    InvalidLink {
        /// The repository that was asked for.
        repository: Repository,
        /// What is wrong with it; `None` when its target is not a URL.
        #[source]
        source: Option<link_header::Error>,
    },
    /// The next page is said to be on another host.
    #[error("{repository}: the registry's next page is on another host, {host}")]
    ForeignLink {
        /// The repository that was asked for.
        repository: Repository,
        /// That host.
        host: Host,
    },
    /// The listing goes on for longer than any real one.
    #[error("{repository}: the tag list has more than {limit} pages")]
    TooManyPages {
        /// The repository that was asked for.
        repository: Repository,
        /// The most pages that are read.
        limit: u32,
    },
    /// The listing is longer than any real one.
    #[error("{repository}: the tag list has more than {limit} tags")]
    TooManyTags {
        /// The repository that was asked for.
        repository: Repository,
        /// The most tags that are read.
        limit: usize,
    },
    /// The listing goes in circles.
    #[error("{repository}: the registry repeats a page of the tag list")]
    RepeatedPage {
        /// The repository that was asked for.
        repository: Repository,
    },
    /// An answer is larger than any real one.
    #[error("{repository}: the answer of {host} is larger than {limit} bytes")]
    BodyTooLarge {
        /// The repository that was asked for.
        repository: Repository,
        /// The host that was called.
        host: Host,
        /// The most bytes that are read.
        limit: usize,
    },
    /// An answer is not what was asked for.
    #[error("{repository}: the registry's answer is not {expected}")]
    InvalidBody {
        /// The repository that was asked for.
        repository: Repository,
        /// What it should have been.
        expected: Expected,
        /// Why it is not.
        #[source]
        source: BodyError,
    },
    /// The registry names another digest than its manifest has.
    #[error(
        "{repository}:{tag}: the manifest has digest {computed}, but the registry names {named}"
    )]
    DigestMismatch {
        /// The repository that was asked for.
        repository: Repository,
        /// The tag that was asked for.
        tag: Tag,
        /// The digest in the header.
        named: Digest,
        /// The digest of the body.
        computed: Digest,
    },
    /// The registry sent something else than the content that was asked for by its digest.
    #[error("{repository}: the registry sent content with digest {computed} for {asked}")]
    ContentMismatch {
        /// The repository that was asked for.
        repository: Repository,
        /// The digest that was asked for.
        asked: Digest,
        /// The digest of the body.
        computed: Digest,
    },
}

impl Error {
    /// How long the registry asks to wait before the next question.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::RateLimited { retry_after, .. } | Self::ServerError { retry_after, .. } = self
        {
            *retry_after
        } else {
            None
        }
    }
}

fn refused(presented: bool) -> &'static str {
    if presented {
        "the registry refuses the credential"
    } else {
        "the registry asks for a credential"
    }
}

/// What an answer should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A page of tags.
    TagList,
    /// A manifest or an index.
    Manifest,
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TagList => "a tag list",
            Self::Manifest => "a manifest",
        })
    }
}

/// Why a body is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The content type is another one: often the page of a proxy or a login.
    #[error("its content type is {0}")]
    ContentType(Excerpt),
    /// It says nothing about its content type, and has to.
    #[error("it has no content type")]
    NoContentType,
    /// It is no manifest, perhaps cut off.
    #[error(transparent)]
    Document(manifest::Error),
    /// It is no page of a tag list, perhaps cut off.
    #[error(transparent)]
    TagPage(tag_page::Error),
}

/// A host, with its port where it has one, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(Excerpt);

impl Host {
    pub(super) fn of(url: &url::Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        Self(match url.port() {
            Some(port) => Excerpt::new(&format!("{host}:{port}")),
            None => Excerpt::new(host),
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}
