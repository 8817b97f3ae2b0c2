//! The pools from which an engine chooses a network's range if none is given.

use ipnet::Ipv4Net;

/// The engine's built-in pools, as (range, prefix of each network). From libnetwork's
/// `ipamutils`: 31 networks, of which the default bridge takes the first.
const POOLS: [([u8; 4], u8, u8); 6] = [
    ([172, 17, 0, 0], 16, 16),
    ([172, 18, 0, 0], 16, 16),
    ([172, 19, 0, 0], 16, 16),
    ([172, 20, 0, 0], 14, 16),
    ([172, 24, 0, 0], 13, 16),
    ([192, 168, 0, 0], 16, 20),
];

/// The first range of the pools that overlaps no used one.
pub fn first_free(used: &[Ipv4Net]) -> Option<Ipv4Net> {
    let pools = POOLS.iter().map(|(base, prefix, piece)| (Ipv4Net::new_assert((*base).into(), *prefix), *piece));
    pools.flat_map(|(pool, piece)| pool.subnets(piece).into_iter().flatten()).find(|range| is_free(*range, used))
}

pub fn is_free(range: Ipv4Net, used: &[Ipv4Net]) -> bool {
    !used.iter().any(|other| other.contains(&range.network()) || range.contains(&other.network()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pools_give_thirty_networks_besides_the_default_bridge() {
        let mut used = Vec::new();
        while let Some(range) = first_free(&used) {
            used.push(range);
        }
        assert_eq!(used.len() - 1, 30);
        assert_eq!(used[0].to_string(), "172.17.0.0/16");
    }
}
