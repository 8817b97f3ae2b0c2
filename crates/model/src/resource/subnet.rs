//! Address ranges: the private range that moat divides into networks, and its free part.
//!
//! An engine's own pools have room for about thirty networks. Each run takes a small one from moat's range instead.

use std::fmt;
use std::str::FromStr;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The range for networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetRange(Ipv4Net);

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IPv4 range of /{SUBNET_BITS} or larger, such as `10.83.0.0/16`")]
pub struct SubnetRangeError(String);

/// The size of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetSize {
    Plain,
    /// Of a network with a gateway.
    WithGateway,
}

/// The lower half of a network with a gateway is for the bridge and the gateway; the upper half has fifteen addresses
/// for containers.
const GATEWAY_BITS: u8 = 27;

/// The largest number of containers on a network with a gateway, besides the gateway.
pub const GATEWAY_CONTAINERS_MAX: usize = 15;

/// Sixteen addresses: one for the network, one for broadcasts, one for the gateway, and thirteen containers.
const SUBNET_BITS: u8 = 28;

/// A private /16 with 4,096 networks, which neither Docker nor common overlay networks use by default.
const DEFAULT_RANGE: &str = "10.83.0.0/16";

impl SubnetRange {
    /// The first free subnet of a size at or after a position that `seed` selects, so that concurrent runs
    /// rarely collide. `None` if all are taken.
    pub fn free(self, size: SubnetSize, seed: &str, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
        let bits = size.bits().max(self.0.prefix_len());
        let count = 1_u32 << (bits - self.0.prefix_len());
        let start = seed.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % count;
        (0..count)
            .map(|step| self.nth(bits, (start + step) % count))
            .find(|subnet| !taken.iter().any(|it| overlap(*it, *subnet)))
    }

    /// The number of subnets, and of free ones.
    pub fn left(self, taken: &[Ipv4Net]) -> (u32, u32) {
        let count = 1_u32 << (SUBNET_BITS - self.0.prefix_len());
        let free = |n: &u32| !taken.iter().any(|it| overlap(*it, self.nth(SUBNET_BITS, *n)));
        (count, u32::try_from((0..count).filter(free).count()).unwrap_or(count))
    }

    /// Whether a range overlaps this one.
    pub fn overlaps(self, other: Ipv4Net) -> bool {
        overlap(self.0, other)
    }

    fn nth(self, bits: u8, n: u32) -> Ipv4Net {
        let size = 1_u32 << (32 - bits);
        let base = u32::from(self.0.network()).wrapping_add(n * size);
        Ipv4Net::new_assert(base.into(), bits)
    }
}

impl SubnetSize {
    fn bits(self) -> u8 {
        match self {
            Self::Plain => SUBNET_BITS,
            Self::WithGateway => GATEWAY_BITS,
        }
    }
}

/// The address of the gateway on its network: the second one. The first one is the bridge's, although the bridge has none.
pub fn gateway_address(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()).wrapping_add(2))
}

/// The first address, which engines reserve for the bridge.
pub fn bridge_address(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()).wrapping_add(1))
}

/// The part of a network with a gateway from which the engine assigns addresses: the upper half.
pub fn assigned_range(subnet: Ipv4Net) -> Ipv4Net {
    subnet.subnets(subnet.prefix_len() + 1).ok().and_then(Iterator::last).unwrap_or(subnet)
}

impl Default for SubnetRange {
    fn default() -> Self {
        DEFAULT_RANGE.parse().expect("a constant that a test parses")
    }
}

impl FromStr for SubnetRange {
    type Err = SubnetRangeError;

    fn from_str(text: &str) -> Result<Self, SubnetRangeError> {
        let range: Ipv4Net = text.parse().map_err(|_| SubnetRangeError(text.to_owned()))?;
        // A larger range than /8 would be public space, whatever its first address is.
        if !(8..=SUBNET_BITS).contains(&range.prefix_len()) {
            return Err(SubnetRangeError(text.to_owned()));
        }
        Ok(Self(range.trunc()))
    }
}

impl fmt::Display for SubnetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn overlapping_subnets_are_not_free() {
        let range: SubnetRange = "10.83.0.0/27".parse().unwrap();
        for taken in ["10.83.0.0/28", "10.83.0.8/30", "10.83.0.0/28"] {
            assert_eq!(range.free(SubnetSize::Plain, "any", &[net(taken)]), Some(net("10.83.0.16/28")), "{taken}");
        }
        assert_eq!(range.free(SubnetSize::Plain, "any", &[net("10.0.0.0/8")]), None);
        assert_eq!(range.free(SubnetSize::Plain, "any", &[net("10.83.0.0/28"), net("10.83.0.16/28")]), None);
    }

    #[test]
    fn a_network_with_a_gateway_is_twice_as_large() {
        let range: SubnetRange = "10.83.0.0/26".parse().unwrap();
        let free = |taken: &str| range.free(SubnetSize::WithGateway, "", &[net(taken)]);
        assert_eq!(free("10.83.0.16/28"), Some(net("10.83.0.32/27")));
        assert_eq!(free("10.83.0.48/28"), Some(net("10.83.0.0/27")));
        assert_eq!(gateway_address(net("10.83.0.32/27")).to_string(), "10.83.0.34");
        assert_eq!(assigned_range(net("10.83.0.32/27")), net("10.83.0.48/28"));
        let small: SubnetRange = "10.83.0.0/28".parse().unwrap();
        assert_eq!(small.free(SubnetSize::WithGateway, "", &[]), Some(net("10.83.0.0/28")), "no larger one fits");
    }

    #[test]
    fn every_subnet_is_found_before_the_range_is_used_up() {
        let range: SubnetRange = "10.83.0.0/23".parse().unwrap();
        let mut taken = Vec::new();
        while let Some(subnet) = range.free(SubnetSize::Plain, "builder-1f2e3d4c", &taken) {
            taken.push(subnet);
        }
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), 32);
    }

    #[test]
    fn the_choice_is_stable_and_differs_between_runs() {
        let range = SubnetRange::default();
        assert_eq!(range.free(SubnetSize::Plain, "a-11111111", &[]), range.free(SubnetSize::Plain, "a-11111111", &[]));
        assert_ne!(range.free(SubnetSize::Plain, "a-11111111", &[]), range.free(SubnetSize::Plain, "a-11111112", &[]));
    }

    #[test]
    fn invalid_ranges_are_rejected() {
        for text in ["", "10.83.0.0", "10.83.0.0/30", "0.0.0.0/0", "fd00::/64", "10.83.0.0/16x"] {
            assert!(text.parse::<SubnetRange>().is_err(), "{text}");
        }
        assert_eq!("10.83.7.9/16".parse::<SubnetRange>().unwrap().to_string(), "10.83.0.0/16");
    }
}
