//! The ports of the Docker host that lead to a container.
//!
//! A free port is chosen when a container is created, and stored in a label: a replacement gets the same one.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::PlanBuilder;
use moat_model::engine::PortBinding;
use moat_model::resource::{ContainerConfig, HostPort, Port};
use moat_model::state::ContainerFacts;

/// The range of chosen ports: below the ephemeral ports of kernels (Linux from 32768), and apart from
/// the node ports of Kubernetes (from 30000).
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// The bindings of a new container, and the ports that were chosen for it. `others`: the containers that it
/// replaces, the newest last.
pub(super) fn bindings(
    draft: &PlanBuilder<'_>,
    config: &ContainerConfig,
    others: &[&ContainerFacts],
) -> (Vec<PortBinding>, BTreeMap<Port, u16>) {
    let mut chosen = BTreeMap::new();
    let fixed = config.ports.iter().filter_map(|port| match port.host {
        HostPort::Fixed(host) => Some(host),
        HostPort::Free => None,
    });
    let mut unusable: BTreeSet<u16> = draft.options.avoid_ports.iter().copied().chain(fixed).collect();
    let had = |port: Port, unusable: &BTreeSet<u16>| {
        let owners = others.iter().rev().filter_map(|it| it.owner.as_ref());
        owners.filter_map(|owner| owner.ports.get(&port)).find(|host| !unusable.contains(host)).copied()
    };
    let mut bindings = Vec::with_capacity(config.ports.len());
    for port in &config.ports {
        let host = match port.host {
            HostPort::Fixed(host) => host,
            HostPort::Free => {
                let others = draft.observed.ports_taken.as_ref();
                let taken = |host: u16| unusable.contains(&host) || others.is_some_and(|it| it.contains(&host));
                let seed = format!("{} {}", draft.graph.run.id, port.container);
                let host = had(port.container, &unusable).unwrap_or_else(|| free(&seed, taken));
                unusable.insert(host);
                chosen.insert(port.container, host);
                host
            }
        };
        bindings.push(PortBinding { container: port.container, address: port.address, host });
    }
    (bindings, chosen)
}

/// The first free port at or after the one that `seed` selects. If all are taken, the engine reports the conflict.
fn free(seed: &str, taken: impl Fn(u16) -> bool) -> u16 {
    let start = seed.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let nth = |step: u16| {
        let place = (start % u32::from(COUNT) + u32::from(step)) % u32::from(COUNT);
        FIRST + u16::try_from(place).unwrap_or_default()
    };
    (0..COUNT).map(nth).find(|port| !taken(*port)).unwrap_or(nth(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_stable_and_wraps_around() {
        let first = free("a-1 80/tcp", |_| false);
        assert_eq!(free("a-1 80/tcp", |_| false), first);
        assert_ne!(free("a-2 80/tcp", |_| false), first);
        assert_ne!(free("a-1 80/tcp", |port| port == first), first);
        assert_eq!(free("a-1 80/tcp", |port| port != FIRST), FIRST);
        assert_eq!(free("a-1 80/tcp", |port| port != FIRST + COUNT - 1), FIRST + COUNT - 1);
    }
}
