//! Which network addresses are never contacted.
//!
//! Link-local addresses carry a cloud's metadata service, which hands out credentials to whoever
//! asks from the node. No remote and no registry is ever there. Private ranges are fine: that is
//! where most in-house servers are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Says whether `address` is link-local: 169.254.0.0/16 (RFC 3927) or `fe80::/10` (RFC 4291).
///
/// IPv4 addresses inside IPv6 ones (mapped, NAT64's `64:ff9b::/96`) count as the IPv4 address.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || embedded_ipv4(address).is_some_and(|inner| inner.is_link_local())
        }
    }
}

/// The IPv4 address a packet to `address` would end at, where it is translated on the way.
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
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
}
