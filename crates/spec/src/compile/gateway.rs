//! The gateway of a sandbox with a network policy: its networks, its container, its rules, and what changes for the
//! other containers.
//!
//! The sandbox's network becomes internal, so published ports go through the gateway, too. Which address the gateway has
//! is decided in the plan.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::vault::Sealer;
use super::{Parts, agent_plane, pulls};
use crate::Spec;
use moat_model::graph::{Edge, Gate, Milestone, Relay};
use moat_model::resource::{
    Config, ContainerConfig, HealthConfig, Limits, Mount, NetworkAttachment, NetworkConfig, PolicyConfig, Port,
    PortConfig, Probe, Protocol, ResourceId, RestartPolicy, Retention, Role, Run, Size, VolumeConfig, gateway,
};
use moat_policy::{HOST, Policy};

/// The version of the configuration that the gateway reads.
const VERSION: u32 = 1;

/// The first port of the gateway for a published port; high, so that no rule is likely to need it.
const FIRST_RELAY: u16 = 20_000;

/// With a thousand connections the gateway needs an eighth of it.
const MEMORY: Size = Size(256 << 20);

/// Threads of its runtime, and the processes of execs.
const PIDS: u32 = 128;

/// In seconds. Connections get a shorter time to end.
const STOP_TIMEOUT: u32 = 5;

/// Its sockets open within a fraction of a second; a busy machine may take longer.
const READY: Duration = Duration::from_secs(30);
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// The network of a sandbox, with or without a policy.
pub(super) fn network(spec: &Spec) -> NetworkConfig {
    let gateway = spec.network.egress.is_some();
    NetworkConfig { internal: spec.network.internal || gateway, subnet: spec.network.subnet, gateway }
}

/// Adds the gateway to the parts of a sandbox with a build sidecar or none. Returns the published ports that go through it.
pub(super) fn add(
    parts: &mut Parts,
    spec: &Spec,
    sealer: Sealer<'_>,
    policy: &Policy,
    builder: Option<&ResourceId>,
) -> Vec<Relay> {
    let run = sealer.run;
    let relays = relays(parts, policy);
    let names: Vec<(String, String)> = parts.nodes.iter().flat_map(|node| names(run, &node.id, &node.config)).collect();
    parts.add(ResourceId::egress(), Role::Support, Config::Network(NetworkConfig::default()));
    let state = ResourceId::volume(".gateway");
    parts.add(state.clone(), Role::Support, Config::Volume(VolumeConfig { retention: Retention::Scratch }));
    let trust = policy.reads_requests().then(|| agent_plane::trust(parts));
    let mounts = [Mount::volume(state, gateway::STATE)];
    let mounts = mounts.into_iter().chain(trust.clone().map(|trust| Mount::volume(trust, gateway::TRUST))).collect();
    let published = relays.iter().map(|relay| PortConfig { container: relay.listen, ..relay.port.clone() }).collect();
    let image = spec.network.gateway_image.clone().unwrap_or_else(gateway::image);
    let mut config = ContainerConfig {
        entrypoint: gateway::entrypoint(),
        command: gateway::run(&settings(spec, run, &relays, names).to_string()),
        user: Some(gateway::USER.to_owned()),
        hostname: Some("gateway".to_owned()),
        uplink: Some(ResourceId::egress()),
        // The default of Docker, but not of every engine.
        sysctls: BTreeMap::from([("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())]),
        hosts: host(policy),
        ports: published,
        mounts,
        limits: Limits { memory: Some(MEMORY), pids: Some(PIDS), ..Limits::default() },
        restart: RestartPolicy::UnlessStopped,
        stop_timeout: Some(STOP_TIMEOUT),
        health: Some(HealthConfig::new(gateway::status())),
        ..ContainerConfig::new(image, attachment(trust.is_some()))
    };
    config.rights.read_only = true;
    config.rights.cap_drop = ["ALL".to_owned()].into();
    let probe =
        Probe::Exec { command: gateway::status(), interval: READY_INTERVAL, timeout: READY, settle: Duration::ZERO };
    let id = ResourceId::gateway();
    parts.container(id.clone(), Role::Sidecar, config, probe, Vec::new());
    let create = Edge { gates: Gate::Create, until: Milestone::Created };
    parts.edges.push((id.clone(), ResourceId::egress(), create));
    let rules = Config::Policy(PolicyConfig { gateway: id.clone(), text: policy.to_json() });
    parts.add(ResourceId::policy(), Role::Support, rules);
    let after = Edge { gates: Gate::Create, until: Milestone::Started };
    parts.edges.push((ResourceId::policy(), id, after));
    wait_for_rules(parts);
    if let Some(trust) = trust {
        pulls::add(parts, spec, policy, builder, &trust);
        agent_plane::add(parts, spec, sealer, policy, trust);
    }
    relays
}

/// Containers that may need the outside at their start wait for the rules. Those of capabilities do not: their daemons
/// connect nowhere by themselves, and their start takes longest.
fn wait_for_rules(parts: &mut Parts) {
    let is_held = |node: &moat_model::graph::Node| {
        let brought = parts.brought.contains(&node.id);
        matches!(node.config, Config::Container(_)) && node.id != ResourceId::gateway() && !brought
    };
    let held: Vec<ResourceId> = parts.nodes.iter().filter(|node| is_held(node)).map(|node| node.id.clone()).collect();
    let edge = Edge { gates: Gate::Start, until: Milestone::Created };
    parts.edges.extend(held.into_iter().map(|id| (id, ResourceId::policy(), edge)));
}

/// Takes the published ports away from the containers.
fn relays(parts: &mut Parts, policy: &Policy) -> Vec<Relay> {
    let is_taken = |number: u16| policy.named_ports().keys().any(|port| port.number() == number);
    let mut free = (FIRST_RELAY..).filter(|number| !is_taken(*number));
    let mut relays = Vec::new();
    for node in &mut parts.nodes {
        let Config::Container(config) = &mut node.config else { continue };
        for port in config.ports.drain(..) {
            let Some(number) = free.next() else { break };
            let listen = Port { number, protocol: Protocol::Tcp };
            relays.push(Relay { listen, to: node.id.clone(), port });
        }
    }
    relays
}

/// The names by which containers reach each other, with the names of the containers on the engine.
fn names(run: &Run, id: &ResourceId, config: &Config) -> Vec<(String, String)> {
    let Config::Container(config) = config else { return Vec::new() };
    config.network.aliases.iter().map(|alias| (alias.clone(), run.name_of(id))).collect()
}

fn settings(spec: &Spec, run: &Run, relays: &[Relay], names: Vec<(String, String)>) -> Value {
    let resolvers: Vec<String> =
        spec.dns.iter().map(|server| std::net::SocketAddr::new(*server, 53).to_string()).collect();
    let relay = |relay: &Relay| {
        let to = run.name_of(&relay.to);
        json!({ "listen": relay.listen.number, "to": to, "port": relay.port.container.number })
    };
    let mut settings = json!({
        "version": VERSION,
        "resolvers": resolvers,
        "names": names.into_iter().collect::<BTreeMap<_, _>>(),
        "relays": relays.iter().map(relay).collect::<Vec<_>>(),
        "state": gateway::STATE,
    });
    if spec.network.egress.as_ref().is_some_and(Policy::reads_requests) {
        settings["trust"] = json!(gateway::TRUST);
        if let Some(roots) = &spec.network.roots {
            settings["roots"] = json!(roots);
        }
    }
    settings
}

/// The Docker host's address, for a policy that opens ports of it.
fn host(policy: &Policy) -> BTreeMap<String, String> {
    let opens = !policy.host_ports().is_empty();
    opens.then(|| (HOST.to_owned(), "host-gateway".to_owned())).into_iter().collect()
}

fn attachment(has_name: bool) -> NetworkAttachment {
    super::attachment(has_name.then(|| gateway::NAME.to_owned()).into_iter().collect())
}
