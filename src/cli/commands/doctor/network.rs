//! Checks of network exposure and addresses, from the engine's version and the host's settings. Pure functions.

use ipnet::Ipv4Net;

use super::engine::older;
use crate::ui::render::doctor::Check;
use moat_docker::{Info, Version};
use moat_model::resource::SubnetRange;

/// The network settings of the Docker host. `None`: unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    /// The iptables policy of FORWARD, `ACCEPT` or `DROP`. Only root can read it.
    pub forward_policy: Option<String>,
    /// A name server is on loopback, as with systemd-resolved.
    pub resolver_is_local: Option<bool>,
}

/// The address range of an inner Docker: `--bip` and the pools in `specs/docker-dind.yaml`.
const INNER: &str = "10.199.0.0/16";

/// The number of free networks below which to warn.
const POOL_LOW: u32 = 16;

/// The first version that drops outside packets to unpublished ports and to ports on loopback.
const CLOSED: &str = "28.0";

/// Engines of these versions are said to ask no name server on internal networks, which is how names lead to a gateway.
const NAMELESS: [&str; 2] = ["25.0.5", "26.1.3"];

/// Checks what a network policy holds back on this engine.
pub(super) fn policy(info: &Info, version: &Version) -> Check {
    if version.component("Podman Engine").is_some() {
        let found = "Podman gives the host an address on every network, so `network.policy` is refused".to_owned();
        return Check::care("policy", found, "use Docker for sandboxes with a network policy");
    }
    let found = &info.server_version;
    let [from, until] = NAMELESS;
    if !older(found, from) && older(found, until) {
        let found =
            "names possibly do not resolve to the gateway of a network policy; `moat apply` tests it".to_owned();
        let hint = "Docker 25.0.5 to 26.1.2 are reported to have this error: use another version";
        return Check::care("policy", found, hint);
    }
    if lets_root_reach_the_host(info) {
        let found = "despite a network policy, root with `NET_ADMIN` in a sandbox (`isolation: privileged` or `mapped`) can turn \
                     IPv6 on, and reach services of the Docker host that listen on `::`"
            .to_owned();
        let hint = "use `isolation: rootless` or a rootless engine, or let the services listen on single addresses";
        return Check::care("policy", found, hint);
    }
    Check::good("policy", "the engine can enforce network policies".to_owned())
}

/// Whether root with `NET_ADMIN` reaches services of the Docker host that listen on `::`, whatever the network policy is: by
/// the link-local address that the kernel gives to the bridge. On a rootless engine they are those of its own network
/// namespace.
pub(in crate::cli) fn lets_root_reach_the_host(info: &Info) -> bool {
    !info.security_options.iter().any(|it| it.contains("name=rootless"))
}

/// Checks whether ports on loopback are reachable only from there. Before 28.0 a neighbour on the local network can reach
/// them through a route to the container's address.
pub(super) fn ports(info: &Info, version: &Version) -> Check {
    if has_no_bridge_of_the_host(info, version) {
        return Check::good("ports", "ports are published in the engine's own network namespace".to_owned());
    }
    if older(&info.server_version, CLOSED) {
        let found = "ports on 127.0.0.1 can be reached from the local network (Docker before 28.0)".to_owned();
        let hint = "update Docker, or drop traffic from outside: `iptables -I DOCKER-USER -i INTERFACE -m conntrack \
                    --ctstate NEW -j DROP`";
        return Check::care("ports", found, hint);
    }
    Check::good("ports", "ports on 127.0.0.1 are reachable only from the Docker host".to_owned())
}

/// Checks whether unpublished ports are reachable: the engine sets the FORWARD policy to DROP only if it enabled
/// forwarding itself; since 28.0 it has its own rules.
pub(super) fn forwarding(info: &Info, version: &Version, host: &Host) -> Check {
    if !info.forwards {
        let found = "the Docker host does not forward packets: sandboxes have no outside network".to_owned();
        return Check::care("forwarding", found, "`sysctl net.ipv4.ip_forward=1` on the Docker host");
    }
    if has_no_bridge_of_the_host(info, version) || !older(&info.server_version, CLOSED) {
        return Check::good("forwarding", "unpublished ports are not reachable from outside".to_owned());
    }
    match host.forward_policy.as_deref() {
        Some("ACCEPT") => {
            let found = "the FORWARD policy is ACCEPT: the local network reaches unpublished ports".to_owned();
            Check::care("forwarding", found, "update Docker to 28.0, or `iptables -P FORWARD DROP` on the Docker host")
        }
        Some(policy) => Check::good("forwarding", format!("the FORWARD policy is {policy}")),
        None => Check::unknown("forwarding", "only root on the Docker host can read the FORWARD policy".to_owned()),
    }
}

/// Checks whether internal networks leak DNS queries: CVE-2024-29018, fixed in 23.0.11, 25.0.5 and 26.0.0.
pub(super) fn names(info: &Info, version: &Version, host: &Host) -> Check {
    let found = info.server_version.as_str();
    let is_fixed = !older(found, "26.0")
        || (!older(found, "25.0.5") && older(found, "26.0"))
        || (!older(found, "23.0.11") && older(found, "24.0"));
    if version.component("Podman Engine").is_some() || is_fixed {
        return Check::good("names", "DNS queries from internal networks stay inside".to_owned());
    }
    if host.resolver_is_local == Some(false) {
        return Check::good(
            "names",
            "DNS queries from internal networks stay inside: the resolver is not on loopback".to_owned(),
        );
    }
    let found = "DNS queries from internal networks reach outside resolvers (CVE-2024-29018)".to_owned();
    let hint = "update Docker to 23.0.11, 25.0.5 or 26.0: until then DNS queries leak data from `network.internal`";
    Check::care("names", found, hint)
}

/// Checks the number of free networks and conflicts with other routes. `routes`: ranges that the Docker host routes
/// elsewhere.
pub(super) fn addresses(range: SubnetRange, networks: &[Ipv4Net], routes: &[Ipv4Net]) -> Check {
    let taken: Vec<Ipv4Net> = networks.iter().chain(routes).copied().collect();
    let (all, free) = range.left(&taken);
    let found = format!("{free} of {all} networks in {range} are free");
    // A route to a network of the engine is no conflict.
    let is_foreign = |net: &&Ipv4Net| !networks.iter().any(|known| known == *net);
    let conflicts: Vec<&Ipv4Net> = routes.iter().filter(is_foreign).filter(|net| range.overlaps(**net)).collect();
    let hint = "remove unused networks (`docker network prune`), or set another range with `--subnets`";
    if let Some(route) = conflicts.first() {
        let found = format!("{found}; the Docker host has a route to {route}, perhaps of a VPN");
        let hint = "set an unused range with `--subnets` or MOAT_SUBNETS";
        return if free == 0 { Check::bad("addresses", found, hint) } else { Check::care("addresses", found, hint) };
    }
    match free {
        0 => Check::bad("addresses", found, hint),
        _ if free < POOL_LOW.min(all) => Check::care("addresses", found, hint),
        _ => Check::good("addresses", found),
    }
}

/// Checks whether the range of an inner Docker hides a route of the Docker host.
pub(super) fn inner(routes: &[Ipv4Net]) -> Check {
    let inner: Ipv4Net = INNER.parse().unwrap_or_default();
    let hides = |net: &&Ipv4Net| inner.contains(&net.network()) || net.contains(&inner.network());
    match routes.iter().find(hides) {
        None => Check::good("inner", format!("{INNER} is free for the networks of an inner Docker")),
        Some(route) => {
            let found = format!("{INNER} of an inner Docker hides the Docker host's route to {route}");
            let hint = "if a sandbox must reach it, set `bip` and `default-address-pools` in /etc/docker/daemon.json of \
                        its image";
            Check::care("inner", found, hint)
        }
    }
}

/// Returns whether the engine's networks are in a separate namespace or virtual machine, unreachable for neighbours.
fn has_no_bridge_of_the_host(info: &Info, version: &Version) -> bool {
    let is_rootless = info.security_options.iter().any(|it| it.contains("name=rootless"));
    is_rootless || info.operating_system.contains("Docker Desktop") || version.component("Podman Engine").is_some()
}
