//! `--subnets`: the address range for networks, without the ranges that the host routes elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;

use clap::Args;
use ipnet::Ipv4Net;

use moat_docker::{Docker, Endpoint};
use moat_model::resource::SubnetRange;
use moat_plan::Options;

#[derive(Debug, Clone, Args)]
pub struct Addresses {
    /// Address range for networks
    #[arg(long, value_name = "RANGE", env = "MOAT_SUBNETS", default_value_t)]
    subnets: SubnetRange,
}

/// All IPv4 routing tables, including those selected by rules, which some VPNs use.
const ALL_ROUTES: &str = "/proc/net/fib_trie";

/// The main IPv4 routing table: proc(5), `/proc/net/route`.
const ROUTES: &str = "/proc/net/route";

/// The flag of an active route: `RTF_UP` of route(4).
const UP: u32 = 1;

impl Addresses {
    /// Plan options with this address range.
    pub fn options(&self, engine: &Docker) -> Options {
        Options { range: self.subnets, avoid: avoid(&engine.located().endpoint), ..Options::default() }
    }
}

/// The ranges that the Docker host routes elsewhere. Known only if it is this host: otherwise the engine refuses a range
/// in use, and moat tries another.
fn avoid(endpoint: &Endpoint) -> Vec<Ipv4Net> {
    match endpoint {
        Endpoint::Unix(_) => {
            let main = fs::read_to_string(ROUTES).map(|table| parse(&table)).unwrap_or_default();
            let all = fs::read_to_string(ALL_ROUTES).map(|tables| parse_all(&tables)).unwrap_or_default();
            let nets: BTreeSet<Ipv4Net> = main.into_iter().chain(all).collect();
            nets.into_iter().collect()
        }
        Endpoint::Tcp { .. } | Endpoint::Ssh(_) => Vec::new(),
    }
}

/// The ranges with a route, except the default route.
fn parse(table: &str) -> Vec<Ipv4Net> {
    table.lines().skip(1).filter_map(route).filter(|net| net.prefix_len() > 0).collect()
}

/// The ranges with a route in any table: a leaf is `|-- ADDRESS`, followed by a line `/BITS SCOPE TYPE` per route. The
/// host's own addresses (`LOCAL`, `BROADCAST`) are covered by the route of their network.
fn parse_all(tables: &str) -> Vec<Ipv4Net> {
    let mut address: Option<Ipv4Addr> = None;
    let mut nets = Vec::new();
    for line in tables.lines().map(str::trim_start) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.trim().parse().ok();
        } else if let (Some(address), Some(route)) = (address, line.strip_prefix('/')) {
            let words: Vec<&str> = route.split_whitespace().collect();
            let is_elsewhere = words.last().is_some_and(|kind| !matches!(*kind, "LOCAL" | "BROADCAST"));
            let bits = words.first().and_then(|bits| bits.parse().ok()).filter(|bits| is_elsewhere && *bits > 0);
            nets.extend(bits.and_then(|bits| Ipv4Net::new(address, bits).ok()).map(|net| net.trunc()));
        }
    }
    nets
}

fn route(line: &str) -> Option<Ipv4Net> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
    // The kernel prints an address as one number in host byte order.
    let address = |at: usize| Some(Ipv4Addr::from(number(at)?.to_ne_bytes()));
    if number(3)? & UP == 0 {
        return None;
    }
    Some(Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?.trunc())
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    fn the_main_routing_table_is_parsed() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n";
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            // The default route.
            ("eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", &[]),
            ("eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", &["192.168.1.0/24"]),
            ("tun0\t0000530A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n", &["10.83.0.0/16"]),
            // A single host, and a route that is not up.
            ("tun0\t0102030A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", &["10.3.2.1/32"]),
            ("tun0\t0102030A\t00000000\t0004\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", &[]),
            ("garbage\n\nx\ty\tz\n", &[]),
        ];
        for (lines, nets) in table {
            let found: Vec<String> = parse(&format!("{head}{lines}")).iter().map(ToString::to_string).collect();
            assert_eq!(found, *nets, "{lines}");
        }
        assert!(parse("").is_empty());
    }

    // Output of Linux 6.18, with the routing table of a VPN.
    #[test]
    fn all_routing_tables_are_parsed() {
        let tables = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     |-- 192.168.1.0
        /24 link UNICAST
Id 52:
  +-- 0.0.0.0/0 4 1 9
     |-- 10.83.0.0
        /16 universe UNICAST
        /17 universe BLACKHOLE
     |-- garbage
        /24 link UNICAST
";
        let found: Vec<String> = parse_all(tables).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.1.0/24", "10.83.0.0/16", "10.83.0.0/17"]);
        assert!(parse_all("").is_empty());
    }
}
