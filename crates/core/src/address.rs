//! What a network address says about where it leads: to the machine's own services, or inside.
//!
//! Link-local addresses carry a cloud's metadata service, which hands out credentials to whoever
//! asks from the node. No remote and no registry is ever there. Private ranges are fine: that is
//! where most in-house servers are; only who is outside must not lead there.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

/// Says whether `address` is link-local: 169.254.0.0/16 (RFC 3927) or `fe80::/10` (RFC 4291).
///
/// An IPv4 address inside an IPv6 one counts as itself.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || embedded_ipv4(address).is_some_and(is_link_local)
        }
    }
}

/// Says whether the host of `url` is a link-local address that is written out. Names have to be
/// looked at when they are resolved.
#[must_use]
pub fn is_link_local_literal(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_link_local(address.into()),
        Some(Host::Ipv6(address)) => is_link_local(address.into()),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Says whether `address` is not one of the internet: loopback, private (RFC 1918), shared
/// (RFC 6598), unspecified or unique local (RFC 4193).
///
/// An IPv4 address inside an IPv6 one counts as itself.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_loopback() || address.is_unspecified() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || embedded_ipv4(address).is_some_and(is_private)
        }
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped (`::ffff:a.b.c.d`), compatible
/// (`::a.b.c.d`), or behind the well-known NAT64 prefix (`64:ff9b::a.b.c.d`, RFC 6052).
fn embedded_ipv4(address: Ipv6Addr) -> Option<IpAddr> {
    let [prefix @ .., high, low] = address.segments();
    let is_embedded = matches!(
        prefix,
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0]
    );
    let bits = (u32::from(high) << 16) | u32::from(low);
    is_embedded.then(|| IpAddr::V4(bits.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_service_is_link_local_however_it_is_written() {
        check("169.254.169.254", true);
        check("169.254.0.0", true);
        check("::ffff:169.254.169.254", true);
        check("64:ff9b::a9fe:a9fe", true);
        check("::169.254.169.254", true);
        check("fe80::1", true);
        check("febf::1", true);
    }

    #[test]
    fn private_and_public_addresses_are_not() {
        check("10.0.0.1", false);
        check("127.0.0.1", false);
        check("169.255.0.1", false);
        check("192.168.1.1", false);
        check("::1", false);
        check("fec0::1", false);
        check("fd00::1", false);
        check("64:ff9b::a00:1", false);
    }

    #[track_caller]
    fn check(address: &str, expected: bool) {
        let address = address.parse().expect("the row is an address");
        assert_eq!(is_link_local(address), expected, "{address}");
    }

    #[test]
    fn private_addresses_are_told_from_those_of_the_internet() {
        for (text, expected) in [
            ("64:ff9b::10.0.0.1", true),
            ("::10.0.0.1", true),
            ("64:ff9b::8.8.8.8", false),
            ("fe80::1", false),
        ] {
            let address = text.parse().expect("the row is an address");
            assert_eq!(is_private(address), expected, "{text}");
        }
    }
}
