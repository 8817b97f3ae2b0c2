//! Addresses that a name must not resolve to.
//!
//! The owner of a name controls the address that it resolves to. Without this check, an allowed name could lead to
//! the host, its network or a cloud's metadata service. Documentation ranges are not refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a connection to an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Loopback,
    Private,
    LinkLocal,
    /// The range of carrier-grade NAT, RFC 6598. Overlay networks use it too.
    SharedNat,
    Multicast,
    /// A metadata service of a cloud.
    Metadata,
    /// Unspecified, broadcast or reserved.
    Unusable,
}

/// Metadata services of AWS, Google, Azure, Alibaba and Oracle. Most are also in a private range; the one of Azure is
/// public.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Metadata services of AWS and Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

impl Refusal {
    /// Whether a rule can name such addresses. On a gateway, loopback is the gateway itself.
    pub fn can_be_allowed(self) -> bool {
        !matches!(self, Self::Loopback | Self::Multicast | Self::Unusable)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::SharedNat => "an address of a carrier's network",
            Self::Multicast => "a multicast address",
            Self::Metadata => "a metadata service",
            Self::Unusable => "a reserved address",
        })
    }
}

/// Why an address is refused; `None`: it is public.
pub fn refusal(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<Refusal> {
    let octets = address.octets();
    if METADATA_V4.contains(&address) {
        Some(Refusal::Metadata)
    } else if address.is_loopback() {
        Some(Refusal::Loopback)
    } else if address.is_private() {
        Some(Refusal::Private)
    } else if address.is_link_local() {
        Some(Refusal::LinkLocal)
    } else if octets[0] == 100 && octets[1] & 0xc0 == 64 {
        Some(Refusal::SharedNat)
    } else if address.is_multicast() {
        Some(Refusal::Multicast)
    } else if octets[0] == 0 || octets[0] >= 240 || octets[..3] == [192, 0, 0] {
        Some(Refusal::Unusable)
    } else {
        None
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<Refusal> {
    if let Some(inner) = embedded(address) {
        return refusal_v4(inner);
    }
    let first = address.segments()[0];
    if METADATA_V6.contains(&address) {
        Some(Refusal::Metadata)
    } else if address.is_loopback() {
        Some(Refusal::Loopback)
    } else if address.is_unspecified() {
        Some(Refusal::Unusable)
    } else if first & 0xfe00 == 0xfc00 {
        Some(Refusal::Private)
    } else if first & 0xff80 == 0xfe80 {
        // fe80::/10, and with it fec0::/10, which was site-local.
        Some(Refusal::LinkLocal)
    } else if first & 0xff00 == 0xff00 {
        Some(Refusal::Multicast)
    } else {
        None
    }
}

/// The IPv4 address that a translated address leads to: mapped and compatible ones, NAT64 (RFC 6052, 8215), 6to4 and
/// Teredo.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        [0x2001, 0, .., high, low] => Some(from(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Refusal> {
        refusal(text.parse().unwrap())
    }

    #[test]
    fn the_bounds_of_private_ranges_are_exact() {
        let table = [
            ("10.0.0.0", Some(Refusal::Private)),
            ("10.255.255.255", Some(Refusal::Private)),
            ("11.0.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Refusal::Private)),
            ("172.31.255.255", Some(Refusal::Private)),
            ("172.32.0.0", None),
            ("192.168.1.1", Some(Refusal::Private)),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Refusal::SharedNat)),
            ("100.127.255.255", Some(Refusal::SharedNat)),
            ("100.128.0.0", None),
            ("127.0.0.1", Some(Refusal::Loopback)),
            ("127.255.255.254", Some(Refusal::Loopback)),
            ("169.254.0.1", Some(Refusal::LinkLocal)),
            ("169.254.169.254", Some(Refusal::Metadata)),
            ("168.63.129.16", Some(Refusal::Metadata)),
            ("168.63.129.17", None),
            ("100.100.100.200", Some(Refusal::Metadata)),
            ("192.0.0.192", Some(Refusal::Metadata)),
            ("192.0.0.1", Some(Refusal::Unusable)),
            ("0.0.0.0", Some(Refusal::Unusable)),
            ("0.1.2.3", Some(Refusal::Unusable)),
            ("223.255.255.255", None),
            ("224.0.0.1", Some(Refusal::Multicast)),
            ("239.255.255.250", Some(Refusal::Multicast)),
            ("240.0.0.1", Some(Refusal::Unusable)),
            ("255.255.255.255", Some(Refusal::Unusable)),
            ("8.8.8.8", None),
        ];
        for (address, expected) in table {
            assert_eq!(of(address), expected, "{address}");
        }
    }

    #[test]
    fn documentation_ranges_are_not_refused() {
        for address in ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn embedded_ipv4_addresses_are_found() {
        let table = [
            ("::1", Some(Refusal::Loopback)),
            ("::", Some(Refusal::Unusable)),
            ("::ffff:127.0.0.1", Some(Refusal::Loopback)),
            ("::ffff:169.254.169.254", Some(Refusal::Metadata)),
            ("::ffff:8.8.8.8", None),
            ("::10.0.0.1", Some(Refusal::Private)),
            ("::ffff:0:10.0.0.1", Some(Refusal::Private)),
            ("64:ff9b::a9fe:a9fe", Some(Refusal::Metadata)),
            ("64:ff9b::808:808", None),
            ("64:ff9b:1::10.0.0.1", Some(Refusal::Private)),
            ("2002:7f00:1::", Some(Refusal::Loopback)),
            ("2002:808:808::1", None),
            // Teredo stores the client's address inverted.
            ("2001:0:1:2:3:4:5601:5601", Some(Refusal::Metadata)),
            ("fd00:ec2::254", Some(Refusal::Metadata)),
            ("fc00::1", Some(Refusal::Private)),
            ("fdff::1", Some(Refusal::Private)),
            ("fe80::1", Some(Refusal::LinkLocal)),
            ("febf::1", Some(Refusal::LinkLocal)),
            ("fec0::1", Some(Refusal::LinkLocal)),
            ("fe7f::1", None),
            ("ff02::1", Some(Refusal::Multicast)),
            ("2606:4700::1111", None),
        ];
        for (address, expected) in table {
            assert_eq!(of(address), expected, "{address}");
        }
    }
}
