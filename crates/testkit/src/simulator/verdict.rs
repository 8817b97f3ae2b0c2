//! Invariants of an engine's state, checked on the engine's side.

use std::collections::{BTreeMap, BTreeSet};

use moat_model::engine::{Call, Engine, Filter};
use moat_model::graph::{Graph, Node};
use moat_model::resource::label::Ownership;
use moat_model::resource::{Config, ContainerId, Kind, NetworkId, Probe, ResourceId, gateway};
use moat_model::state::{ContainerState, NetworkFacts};
use moat_sim::sim::{Entry, Scope, Violation};

use super::case::MAX_IN_FLIGHT;
use super::stage::{Stage, Verdict, check};

/// Whether a container matches the desired configuration, except for fields that can be changed in place.
pub fn differs_in_place(owner: &Ownership, node: &Node) -> bool {
    let without = |text: &str| {
        let mut config: serde_json::Value = serde_json::from_str(text).expect("a canonical configuration");
        for field in ["restart", "limits"] {
            config.as_object_mut().expect("an object").remove(field);
        }
        config
    };
    without(&owner.config) == without(&node.config.canonical())
}

fn id_of(networks: &[NetworkFacts], resource: &ResourceId) -> Option<NetworkId> {
    let found = networks.iter().find(|it| it.owner.as_ref().is_some_and(|owner| owner.resource == *resource));
    found.map(|network| network.id.clone())
}

fn is_held(graph: &Graph, network: &ResourceId) -> bool {
    matches!(graph.node(network).map(|node| &node.config), Some(Config::Network(network)) if network.gateway)
}

impl Stage {
    /// Every desired resource exists once, in sync, under its name, and is ready; no other resource exists.
    pub async fn is_in_sync(&self, graph: &Graph) -> Verdict {
        let of = Filter::Run(graph.run.id.clone());
        let containers = self.sim.containers(&of).await.map_err(|error| error.to_string())?;
        let networks = self.sim.networks(&of).await.map_err(|error| error.to_string())?;
        let volumes = self.sim.volumes(&of).await.map_err(|error| error.to_string())?;
        let world = || format!("\n{}", self.sim.snapshot(&Scope::Of(graph.run.id.clone())));
        for node in graph.nodes() {
            let hash = node.config.hash();
            let name = graph.run.name_of(&node.id);
            match &node.config {
                Config::Image(_) => {}
                Config::Volume(_) => {
                    let there = volumes.iter().any(|it| it.name == name);
                    check(there, || format!("{} is missing{}", node.id, world()))?;
                }
                Config::Network(_) => {
                    let found: Vec<_> = networks
                        .iter()
                        .filter(|it| it.owner.as_ref().is_some_and(|owner| owner.resource == node.id))
                        .collect();
                    let [network] = found[..] else {
                        return Err(format!("{} of {}{}", found.len(), node.id, world()));
                    };
                    let fits = network.owner.as_ref().is_some_and(|owner| owner.hash == hash) && network.name == name;
                    check(fits, || format!("{} is out of sync{}", node.id, world()))?;
                }
                Config::Container(config) => {
                    // A program without a probe is only known to be running.
                    let is_asked = matches!(node.probe, Some(Probe::Exec { .. })) || config.health.is_some();
                    let found: Vec<_> = containers
                        .iter()
                        .filter(|it| it.owner.as_ref().is_some_and(|owner| owner.resource == node.id))
                        .collect();
                    let [container] = found[..] else {
                        return Err(format!("{} of {}{}", found.len(), node.id, world()));
                    };
                    let made_so = container.owner.as_ref().is_some_and(|owner| differs_in_place(owner, node));
                    let now = self.sim.inspect(&container.id).await.map_err(|error| error.to_string())?;
                    let is_so = now.restart == Some(config.restart) && now.limits == config.limits;
                    let fits = made_so && is_so && container.name == name;
                    check(fits, || format!("{} is out of sync{}", node.id, world()))?;
                    if node.may_complete() && now.state == ContainerState::Exited && now.exit_code == 0 {
                        continue;
                    }
                    check(container.state == ContainerState::Running, || {
                        format!("{} is not running{}", node.id, world())
                    })?;
                    if is_asked && !self.sim.is_ready(&container.id) {
                        // A command may have completed since.
                        let now = self.sim.inspect(&container.id).await.map_err(|error| error.to_string())?;
                        let is_done = node.may_complete() && now.state == ContainerState::Exited && now.exit_code == 0;
                        check(is_done, || format!("{} is not ready{}", node.id, world()))?;
                    }
                    let on: BTreeSet<_> = container.networks.iter().filter_map(|end| end.id.clone()).collect();
                    let wanted: BTreeSet<_> = config.networks().filter_map(|id| id_of(&networks, id)).collect();
                    // Without a gateway a user may connect it elsewhere.
                    let is_held = config.networks().any(|id| is_held(graph, id));
                    let fits = if is_held { on == wanted } else { wanted.is_subset(&on) };
                    check(fits, || format!("{} is not on its networks{}", node.id, world()))?;
                }
                Config::Policy(policy) => {
                    let mut gateways = containers
                        .iter()
                        .filter(|it| it.owner.as_ref().is_some_and(|it| it.resource == policy.gateway));
                    let Some(gateway) = gateways.next_back() else { return Err(format!("no gateway{}", world())) };
                    let answer =
                        self.sim.exec(&gateway.id, &gateway::status()).await.map_err(|error| error.to_string())?;
                    check(answer.output.contains(&policy.digest()), || format!("{} is not in force", node.id))?;
                }
                Config::Grant(grant) => {
                    let mut gateways =
                        containers.iter().filter(|it| it.owner.as_ref().is_some_and(|it| it.resource == grant.gateway));
                    let Some(gateway) = gateways.next_back() else { return Err(format!("no gateway{}", world())) };
                    let answer =
                        self.sim.exec(&gateway.id, &gateway::status()).await.map_err(|error| error.to_string())?;
                    let digest = grant.value.tag().unwrap_or_default();
                    check(answer.output.contains(&digest), || format!("{} has not its value{}", node.id, world()))?;
                }
            }
        }
        let count = graph.nodes().filter(|node| node.id.kind == Kind::Network).count();
        check(networks.len() == count, || format!("{} networks, {count} wanted{}", networks.len(), world()))?;
        let wanted = graph.nodes().filter(|node| node.id.kind == Kind::Container).count();
        check(containers.len() == wanted, || format!("{} containers, {wanted} wanted{}", containers.len(), world()))
    }

    /// No object has the run's label.
    pub fn is_empty(&self) -> Verdict {
        let left = self.sim.snapshot(&Scope::Of(self.run.clone()));
        check(left.is_empty(), || format!("left behind:\n{left}"))
    }

    /// No call was refused, except probes: a container may exit during one.
    pub fn no_call_was_refused(&self) -> Verdict {
        let refused = |entry: &&Entry| entry.fault().is_some() && entry.call != Call::Exec;
        match self.sim.calls().iter().find(refused) {
            None => Ok(()),
            Some(entry) => {
                Err(format!("refused without a reason: {} {}: {:?}", entry.call, entry.subject, entry.outcome))
            }
        }
    }

    /// No foreign object was changed and, without interference, no order was broken.
    pub fn no_order_was_broken(&self, undisturbed: bool) -> Verdict {
        let broken = self.sim.violations().into_iter().find(|violation| match violation {
            Violation::Foreign { .. } => true,
            Violation::SharedState { .. } | Violation::Order { .. } => undisturbed,
        });
        check(broken.is_none(), || format!("broken: {broken:?}"))
    }

    pub fn few_calls_at_a_time(&self) -> Verdict {
        let peak = self.sim.peak_in_flight();
        check(peak <= MAX_IN_FLIGHT, || format!("{peak} calls at one time"))
    }

    /// Each of the run's containers, with the time of its last start.
    pub async fn lives(&self) -> BTreeMap<ResourceId, (ContainerId, String)> {
        let all = self.sim.containers(&Filter::Run(self.run.clone())).await.unwrap_or_default();
        let snapshot = self.sim.snapshot(&Scope::Of(self.run.clone()));
        let started = |name: &str| {
            let line = snapshot.lines().find(|line| line.starts_with(&format!("container {name} ")));
            line.and_then(|line| line.split(' ').find(|word| word.starts_with("started=")))
                .unwrap_or_default()
                .to_owned()
        };
        all.into_iter().filter_map(|it| Some((it.owner?.resource, (it.id, started(&it.name))))).collect()
    }
}
