//! Name resolution for registries, git remotes and receivers of notifications.
//!
//! The system's resolver, with one rule on top: a name that leads to a link-local address is
//! refused, so that a record in somebody's DNS cannot point the operator at a metadata service. The
//! rule is on the addresses that are then connected to, so a name that changes its address between a
//! check and a connection gains nothing.
//! Behind an HTTP proxy the proxy resolves, and the rule is the proxy's to make.

use std::net::SocketAddr;
use std::sync::Arc;

use image_update_core::address::is_link_local;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::lookups::{Failure, PATIENCE, SYSTEM};

/// The resolver handed to the HTTP client.
#[derive(Debug, Default)]
pub(crate) struct Resolver;

/// Why a host has no address to connect to. A type of its own, so that it is found in the chain
/// of the HTTP client's error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system's resolver failed.
    #[error("the name of the host could not be resolved")]
    Lookup(#[source] Arc<std::io::Error>),
    /// The system's resolver does not answer.
    #[error("no name server answered for the name of the host within {PATIENCE:?}")]
    Late,
    /// The name leads to nothing but link-local addresses.
    #[error("the name of the host leads to a link-local address, which is never contacted")]
    LinkLocal,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = addresses(name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// The addresses of a host that may be contacted.
pub(crate) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let found = SYSTEM.of(host).await.map_err(|failure| match failure {
        Failure::System(source) => ResolveError::Lookup(source),
        Failure::Late => ResolveError::Late,
    })?;
    let allowed: Vec<SocketAddr> = found
        .iter()
        .filter(|it| !is_link_local(**it))
        .map(|it| SocketAddr::new(*it, port))
        .collect();
    if allowed.is_empty() && !found.is_empty() {
        return Err(ResolveError::LinkLocal);
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finds_other_addresses() {
        let name = "localhost".parse().expect("localhost is a name");
        let found = Resolver
            .resolve(name)
            .await
            .expect("every system knows localhost");
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn hides_link_local_addresses() {
        let name = "169.254.169.254"
            .parse()
            .expect("an address can stand for a name");
        let refusal = Resolver.resolve(name).await.err().expect("nothing is left");
        assert!(
            matches!(refusal.downcast_ref(), Some(ResolveError::LinkLocal)),
            "{refusal}"
        );
    }
}
