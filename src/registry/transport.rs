//! HTTP clients, one for each way of using TLS, and what their failures mean.
//!
//! Follows no redirect and sends nothing of its own accord: that is up to [`super::exchange`].

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity};
use rustls::InvalidMessage;
use rustls::crypto::{CryptoProvider, ring};

use super::access::{Access, AccessKey};
use crate::hosts::resolver::{ResolveError, Resolver};

/// The time a connection may take, its TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time between two pieces of an answer.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections that nobody uses are closed before common load balancers (60 s) do it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// The most ways of using TLS that are remembered. Each holds the trusted authorities, a few
/// hundred KiB; an installation has a handful.
const MAX_CLIENTS: usize = 64;

/// The most registries that are remembered to speak plain HTTP.
const MAX_PLAIN: usize = 1024;

const USER_AGENT: &str = concat!("image-update-operator/", env!("CARGO_PKG_VERSION"));

/// The clients, and which insecure registries speak plain HTTP.
#[derive(Default)]
pub(super) struct Transport {
    clients: Mutex<HashMap<AccessKey, reqwest::Client>>,
    plain: Mutex<HashSet<(AccessKey, String)>>,
}

/// The certificates of an [`Access`] cannot be used; there is no cause when there are none.
pub(super) struct BadCertificates(pub(super) Option<reqwest::Error>);

impl Transport {
    /// The client for an access; clones share connections.
    pub(super) fn client(&self, access: &Access) -> Result<reqwest::Client, BadCertificates> {
        let key = access.tls_key();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(access)?;
        if clients.len() >= MAX_CLIENTS {
            // The price of forgetting is a handshake, so the order does not matter.
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// Whether an insecure registry is known to speak plain HTTP.
    pub(super) fn is_plain(&self, access: &Access, endpoint: &str) -> bool {
        let plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.contains(&(access.tls_key(), endpoint.to_owned()))
    }

    /// Remembers that an insecure registry speaks plain HTTP.
    pub(super) fn remember_plain(&self, access: &Access, endpoint: &str) {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if plain.len() >= MAX_PLAIN {
            plain.clear();
        }
        plain.insert((access.tls_key(), endpoint.to_owned()));
    }

    /// Forgets it again: the registry may have been given TLS.
    pub(super) fn forget_plain(&self, access: &Access, endpoint: &str) {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.remove(&(access.tls_key(), endpoint.to_owned()));
    }
}

fn build(access: &Access) -> Result<reqwest::Client, BadCertificates> {
    if CryptoProvider::get_default().is_none() {
        // Refused when another thread was faster, which has installed the same provider.
        drop(ring::default_provider().install_default());
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Resolver)
        .tls_danger_accept_invalid_certs(access.insecure);
    if let Some(pem) = &access.ca_pem {
        let authorities =
            Certificate::from_pem_bundle(pem).map_err(|error| BadCertificates(Some(error)))?;
        if authorities.is_empty() {
            return Err(BadCertificates(None));
        }
        builder = builder.tls_certs_merge(authorities);
    }
    if let Some(pem) = &access.client_identity_pem {
        let identity = Identity::from_pem(pem).map_err(|error| BadCertificates(Some(error)))?;
        builder = builder.identity(identity);
    }
    builder
        .build()
        .map_err(|error| BadCertificates(Some(error)))
}

/// What a failed request means for who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    LinkLocal,
    /// The other side answers a handshake with something that is not TLS.
    NotTls,
    Tls,
    /// Nobody listens there.
    Refused,
    Connect,
    Timeout,
    /// Broke after the connection was there.
    Interrupted,
}

impl Failure {
    /// Finds the reason in the chain of causes.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut is_tls = false;
        let mut cause = error.source();
        while let Some(current) = cause {
            match current.downcast_ref() {
                Some(ResolveError::LinkLocal) => return Self::LinkLocal,
                // It was waited for long enough.
                Some(ResolveError::Late) => return Self::Timeout,
                Some(ResolveError::Lookup(_)) | None => {}
            }
            if let Some(error) = current.downcast_ref() {
                return Self::of_tls(error);
            }
            let io = current.downcast_ref::<io::Error>();
            if io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
                return Self::Refused;
            }
            // How the TLS stream reports an alert that comes after the handshake.
            is_tls |= io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
            // The source of an io::Error is the source of what it wraps, which it passes over.
            let wrapped = io
                .and_then(io::Error::get_ref)
                .map(|error| error as &(dyn Error + 'static));
            cause = wrapped.or_else(|| current.source());
        }
        if is_tls {
            Self::Tls
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Interrupted
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let is_other_protocol = matches!(
            error,
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
        );
        if is_other_protocol {
            Self::NotTls
        } else {
            Self::Tls
        }
    }

    /// Whether it may be gone a moment later.
    pub(super) fn may_pass(self) -> bool {
        match self {
            Self::Refused | Self::Connect | Self::Interrupted => true,
            Self::LinkLocal | Self::NotTls | Self::Tls | Self::Timeout => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, link-local addresses behind a name would be asked.
    #[tokio::test]
    async fn names_are_looked_up_by_the_resolver_that_hides_addresses() {
        let client = Transport::default().client(&Access::default());
        let client = client.ok().expect("the system's certificates will do");
        // An empty label: no name server needs to be asked to know that there is no address.
        let sent = client.get("http://a..invalid/").send().await;
        let error = sent.expect_err("the name has no address");
        let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
        assert!(
            causes.any(|it| matches!(it.downcast_ref(), Some(ResolveError::Lookup(_)))),
            "{error:?}"
        );
    }
}
