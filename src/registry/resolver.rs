//! Looks names up as the system does, and leaves out link-local addresses.
//!
//! The check is on the addresses that are then connected to, so a name that changes its address
//! between a check and a connection gains nothing.

use image_update_core::address::is_link_local;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The resolver of every connection to a registry or a token server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver;

/// A name has link-local addresses only.
#[derive(Debug, thiserror::Error)]
#[error("the name has link-local addresses only")]
pub(super) struct OnlyLinkLocal;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("could not look up the name")]
pub(super) struct LookUp(#[source] std::io::Error);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is a placeholder: the connector puts the URL's in its place.
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(LookUp)?;
            let found: Vec<_> = found.collect();
            let had_addresses = !found.is_empty();
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|address| !is_link_local(address.ip()))
                .collect();
            if had_addresses && allowed.is_empty() {
                return Err(OnlyLinkLocal.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
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
        assert!(refusal.is::<OnlyLinkLocal>(), "{refusal}");
    }
}
