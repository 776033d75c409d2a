//! How a remote is reached: credential, trust, proxy, patience.

use std::{fmt, sync::Arc, time::Duration};

use image_update_core::address::is_link_local_literal;
use reqwest::{NoProxy, Url};
use zeroize::Zeroizing;

use super::transport::TransportError;
pub use super::{
    github_app::{GithubApp, GithubAppError},
    ssh::identity::{Identity, IdentityError},
};

/// How a remote is reached. The default is anonymous HTTPS with the system's certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Proves who we are, without waiting to be asked; never to another host.
    pub credential: Option<Credential>,
    /// Certificates in PEM, trusted besides the system's own.
    pub ca_pem: Option<Vec<u8>>,
    /// Shown to servers that ask for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Between us and the remote. Unset: what the environment says (`HTTPS_PROXY`, `NO_PROXY`).
    pub proxy: Option<Proxy>,
    /// Allows plain `http://`, and any certificate. Said aloud by the user, never a fallback. SSH
    /// has no such mode.
    pub insecure: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// How long to wait for a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection: TLS included, and over SSH the login. 10 seconds by default.
    pub connect: Duration,
    /// Without a byte from the server. 60 seconds by default: hooks may think before they answer.
    pub idle: Duration,
    /// For one request with its answer. 5 minutes by default.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(5),
        }
    }
}

impl RemoteOptions {
    /// Whether the remote is shown something that proves who we are.
    pub fn has_proof(&self) -> bool {
        self.credential.is_some() || self.client_certificate.is_some()
    }

    /// The hosts, with their ports, that somebody named besides the remote's: the proxy's and that
    /// of a GitHub App's API.
    pub fn named_hosts(&self) -> Vec<(String, Option<u16>)> {
        let api = self.credential.as_ref().and_then(|it| match &it.0 {
            Kind::GithubApp(app) => app.named_api(),
            Kind::Basic { .. } | Kind::Bearer { .. } | Kind::Identity(_) => None,
        });
        let proxy = self.proxy.as_ref().and_then(Proxy::parsed);
        [api.cloned(), proxy]
            .into_iter()
            .flatten()
            .filter_map(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default())))
            .collect()
    }
}

/// What proves to the remote who we are. Erased from memory when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Kind);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Basic {
        username: String,
        password: Zeroizing<String>,
    },
    Bearer {
        token: Zeroizing<String>,
    },
    GithubApp(Arc<GithubApp>),
    Identity(Arc<Identity>),
}

/// Why a credential is not one for the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It holds a character that no HTTP header may hold.
    #[error("the credential holds a character that cannot be sent, such as a line break")]
    Unsendable,
    /// An SSH key, for a remote over HTTPS.
    #[error(
        "it is an SSH key, and the remote's address is not one of SSH\n\
         hint: use the remote's address that starts with ssh:// or git@"
    )]
    KeyOverHttp,
    /// A password or token, or nothing, for a remote over SSH.
    #[error("a remote over SSH needs a private key and known_hosts")]
    NoKeyOverSsh,
    /// An HTTP proxy, for a remote over SSH.
    #[error("a remote over SSH is not reached through a proxy; remove proxy, or use HTTPS")]
    ProxyOverSsh,
    /// Where the App's API is can't be told from the remote's address.
    #[error(
        "the address of the GitHub App's API is not known, for the remote is not on github.com\n\
         hint: set githubAppBaseURL, such as https://github.example.com/api/v3"
    )]
    NoAppApi,
}

impl Credential {
    /// A user name and a password or access token.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        let password = Zeroizing::new(password.into());
        Self(Kind::Basic {
            username: username.into(),
            password,
        })
    }

    /// A token sent as `Authorization: Bearer`.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(Kind::Bearer {
            token: Zeroizing::new(token.into()),
        })
    }

    /// A GitHub App, which gets a token for each hour.
    pub fn github_app(app: GithubApp) -> Self {
        Self(Kind::GithubApp(Arc::new(app)))
    }

    /// A private key for SSH, and the servers it may be used with.
    pub fn identity(identity: Identity) -> Self {
        Self(Kind::Identity(Arc::new(identity)))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Kind::Basic { .. } => "Credential(basic, redacted)",
            Kind::Bearer { .. } => "Credential(bearer, redacted)",
            Kind::GithubApp(_) => "Credential(GitHub App, redacted)",
            Kind::Identity(_) => "Credential(SSH key, redacted)",
        })
    }
}

/// A certificate and its private key. Erased from memory when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate(Zeroizing<Vec<u8>>);

impl ClientCertificate {
    /// Takes both in PEM; the certificate may be followed by those of its authorities.
    pub fn new(certificate_pem: &[u8], key_pem: &[u8]) -> Self {
        Self(Zeroizing::new([certificate_pem, b"\n", key_pem].concat()))
    }

    pub(super) fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientCertificate(redacted)")
    }
}

/// An HTTP proxy. Its address may hold a user and a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Zeroizing<String>,
    no_proxy: Option<String>,
}

impl Proxy {
    /// Takes the proxy's address, and the hosts that are reached without it: names, domains with a
    /// leading dot, addresses and ranges, divided by commas.
    pub fn new(url: impl Into<String>, no_proxy: Option<String>) -> Self {
        Self {
            url: Zeroizing::new(url.into()),
            no_proxy,
        }
    }

    /// What the HTTP client understands.
    pub(super) fn to_client(&self) -> Result<reqwest::Proxy, TransportError> {
        let url = self.parsed().ok_or(TransportError::Proxy)?;
        if is_link_local_literal(&url) {
            return Err(TransportError::LinkLocal);
        }
        let no_proxy = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let proxy = reqwest::Proxy::all(url).map_err(|_| TransportError::Proxy)?;
        Ok(proxy.no_proxy(no_proxy))
    }

    /// The address; nothing if it is not one of an HTTP proxy.
    fn parsed(&self) -> Option<Url> {
        let url = Url::parse(&self.url).ok();
        url.filter(|it| matches!(it.scheme(), "http" | "https"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proxy(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_user_nor_secret() {
        let options = RemoteOptions {
            client_certificate: Some(ClientCertificate::new(b"certificate", b"hunter2")),
            proxy: Some(Proxy::new("http://somebody:hunter2@proxy.example", None)),
            ..RemoteOptions::default()
        };
        let shown = format!(
            "{:?} {:?} {options:?}",
            Credential::basic("somebody", "hunter2"),
            Credential::bearer("hunter2"),
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("somebody"),
            "{shown}"
        );
    }

    #[test]
    fn proxy_is_one_of_http() {
        for (url, expected) in [
            ("http://proxy.example:3128", "taken"),
            ("https://me:secret@proxy.example", "taken"),
            ("socks5://proxy.example", "no proxy"),
            ("proxy.example:3128", "no proxy"),
            ("", "no proxy"),
            ("http://169.254.169.254", "link-local"),
            ("http://2852039166:3128", "link-local"),
            ("http://[fe80::1]:3128", "link-local"),
        ] {
            let taken = Proxy::new(url, None).to_client();
            let is_expected = match expected {
                "taken" => taken.is_ok(),
                "no proxy" => matches!(taken, Err(TransportError::Proxy)),
                _ => matches!(taken, Err(TransportError::LinkLocal)),
            };
            assert!(is_expected, "{url}: {taken:?}");
        }
    }

    #[test]
    fn hosts_that_somebody_named_are_told() {
        let mut options = RemoteOptions::default();
        assert_eq!(options.named_hosts(), []);
        options.proxy = Some(Proxy::new("http://me:secret@proxy.example", None));
        let expected = ("proxy.example".to_owned(), Some(80));
        assert_eq!(options.named_hosts(), [expected]);
    }
}
