//! Whether a host is inside: on this machine, or in a network that is not the internet's.
//!
//! A registry of the internet must not have the operator ask what only the operator can reach.

use image_update_core::address::is_private;
use url::{Host, Url};

use crate::hosts::resolver::{ResolveError, addresses};

/// Whether the host of a URL has an address inside. A name that can't be looked up has none: who
/// is behind a proxy asks nobody but the proxy.
async fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        Some(Host::Domain(name)) => match addresses(name, 0).await {
            Ok(found) => found.iter().any(|address| is_private(address.ip())),
            // Link-local ones are never contacted.
            Err(ResolveError::LinkLocal | ResolveError::Lookup(_) | ResolveError::Late) => false,
        },
        None => false,
    }
}

/// Whether a server outside leads to an address inside that is not its own.
pub(super) async fn leads_inside(from: &Url, to: &Url) -> bool {
    to.host() != from.host() && is_inside(to).await && !is_inside(from).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn private_and_local_addresses_are_inside() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("0.0.0.0", true),
            ("8.8.8.8", false),
            ("[::1]", true),
            ("[fd00::1]", true),
            ("[::ffff:10.0.0.1]", true),
            ("[2606:4700::1]", false),
            ("localhost", true),
            ("no-such-host.invalid", false),
        ] {
            let url = format!("https://{host}/token")
                .parse()
                .expect("it is a URL");
            assert_eq!(is_inside(&url).await, expected, "{host}");
        }
    }

    #[tokio::test]
    async fn who_is_outside_leads_nobody_inside() {
        for (from, to, expected) in [
            ("8.8.8.8", "10.0.0.1", true),
            ("8.8.8.8", "localhost", true),
            ("8.8.8.8", "8.8.4.4", false),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "8.8.8.8", false),
            ("10.0.0.1:5000", "10.0.0.1:443", false),
        ] {
            let [from, to] = [from, to].map(|host| {
                let url = format!("https://{host}/v2/").parse();
                url.expect("it is a URL")
            });
            assert_eq!(leads_inside(&from, &to).await, expected, "{from} {to}");
        }
    }
}
