//! Name resolution for git remotes and receivers of notifications.
//!
//! The system's resolver, with one rule on top: a name that leads to a link-local address is
//! refused, so that a record in somebody's DNS cannot point the operator at a metadata service.
//! Behind an HTTP proxy the proxy resolves, and the rule is the proxy's to make.

use std::net::SocketAddr;

use image_update_core::address::is_link_local;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The resolver handed to the HTTP client.
#[derive(Debug, Default)]
pub(crate) struct Resolver;

/// Why a host has no address to connect to. A type of its own, so that it is found in the chain
/// of the HTTP client's error.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system's resolver failed.
    #[error("the name of the host could not be resolved")]
    Lookup(#[source] std::io::Error),
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
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(ResolveError::Lookup)?.collect();
    let allowed: Vec<SocketAddr> = found
        .iter()
        .copied()
        .filter(|it| !is_link_local(it.ip()))
        .collect();
    if allowed.is_empty() && !found.is_empty() {
        return Err(ResolveError::LinkLocal);
    }
    Ok(allowed)
}
