//! Decides which IP addresses may be connected to.
//!
//! IPv4 uses a deny list: the non-public networks of IANA's special-purpose registry. IPv6 uses an allow list: only
//! global unicast (2000::/3) is public, minus its special-purpose blocks, so that future allocations are refused by
//! default. Forms that embed an IPv4 address (mapped, compatible, 6to4, Teredo) are refused outright, since no
//! service's name resolves to them. The exception is NAT64's well-known prefix: in an IPv6-only subnet, DNS64
//! synthesizes such an address for every IPv4-only name, so there the embedded address decides.
//!
//! Sources: <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// Public addresses only: the rule of every deployment.
    Public,
    /// Public addresses, 127.0.0.0/8 and ::1: for the local stack and tests.
    PublicOrLoopback,
    /// Also the private networks of RFC 1918: functions in containers, which reach the local stack there. Not
    /// link-local addresses, where clouds have their metadata services.
    PublicOrPrivate,
}

impl From<bool> for AddressRule {
    /// Whether loopback is allowed.
    fn from(loopback: bool) -> Self {
        if loopback { Self::PublicOrLoopback } else { Self::Public }
    }
}

impl AddressRule {
    /// Whether a connection to `address` is allowed.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        let public = match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        };
        let private = matches!(address, IpAddr::V4(address) if address.is_private());
        match self {
            Self::Public => public,
            Self::PublicOrLoopback => public || address.is_loopback(),
            Self::PublicOrPrivate => public || address.is_loopback() || private,
        }
    }
}

const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // "this network": Linux takes 0.0.0.0 for itself
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT, also used inside clouds
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local: the metadata service
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, deprecated
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved
    (Ipv4Addr::BROADCAST, 32),            // broadcast; covered by the line above, listed for clarity
];

const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const NOT_PUBLIC_IN_GLOBAL_UNICAST: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarking, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// The well-known prefix of RFC 6052. The local-use prefix beside it, 64:ff9b:1::/48 (RFC 8215), is not public.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|&(network, length)| (u32::from(address) ^ u32::from(network)) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if within(address, NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(address, GLOBAL_UNICAST_V6) && !NOT_PUBLIC_IN_GLOBAL_UNICAST.iter().any(|&network| within(address, network))
}

fn within(address: Ipv6Addr, (network, length): (Ipv6Addr, u32)) -> bool {
    (u128::from(address) ^ u128::from(network)) >> (128 - length) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_public_addresses_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            // Unspecified, loopback, mapped, compatible, local-use and private NAT64.
            "::",
            "::1",
            "::2",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::93.184.216.34",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::93.184.216.34",
            // Discard, segment routing, ULA (including the metadata service), link-local, site-local, multicast.
            "100::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            // Inside 2000::/3: Teredo, benchmarking, ORCHID, documentation, 6to4.
            "2001::1",
            "2001:0:5ef5:79fd::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:5db8:d822::1",
            "3fff::1",
            "3fff:fff::1",
            // Not allocated.
            "1000::1",
            "4000::1",
            "8000::1",
            "e000::1",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(!AddressRule::Public.permits(parsed), "{address}");
            assert_eq!(AddressRule::PublicOrLoopback.permits(parsed), parsed.is_loopback(), "{address}");
            let private = ["10.", "172.16.", "172.31.", "192.168."].iter().any(|network| address.starts_with(network));
            assert_eq!(AddressRule::PublicOrPrivate.permits(parsed), parsed.is_loopback() || private, "{address}");
        }
    }

    #[test]
    fn public_addresses_next_to_refused_ranges_are_permitted() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2a05:d018::1",
            "3ffe:ffff::1",
            "3fff:1000::1",
            "64:ff9b::93.184.216.34",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(AddressRule::Public.permits(parsed), "{address}");
            assert!(AddressRule::PublicOrLoopback.permits(parsed), "{address}");
            assert!(AddressRule::PublicOrPrivate.permits(parsed), "{address}");
        }
    }
}
