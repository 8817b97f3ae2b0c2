//! The facts that a plan needs besides the lists of a run's resources. `observe` asks here before it queries the engine.
//!
//! Some needs depend on facts: whether a container has to be replaced may show only in its inspection. So the needs are
//! computed again after each query, until the facts are complete.

use std::collections::BTreeSet;

use super::{Action, Options, Plan, Power, draft, in_place, policy};
use moat_model::graph::{Graph, Node, comparable};
use moat_model::resource::{Config, ContainerConfig, ContainerId, HostPort, ImageRef, Mount, MountSource, Probe};
use moat_model::state::{ContainerFacts, ContainerState, Health, Observed, STABLE_RUN};

/// Facts that are not observed yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a query of its own")]
pub struct Needs {
    /// Images of containers that may be created.
    pub images: BTreeSet<ImageRef>,
    /// The address ranges in use, to create a network.
    pub subnets: bool,
    /// The ports that other runs use, to choose a free one.
    pub ports: bool,
    /// The folders that other runs can write to, to mount a path of the host.
    pub writable: bool,
    /// The names of all volumes, to mount a foreign one.
    pub volumes: bool,
    /// Containers to inspect.
    pub live: BTreeSet<ContainerId>,
    /// Gateways to ask for the rules in force.
    pub policies: BTreeSet<ContainerId>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the needs of the creation of a container.
    fn create(&mut self, config: &ContainerConfig) {
        self.images.insert(config.image.clone());
        self.ports |= config.ports.iter().any(|port| port.host == HostPort::Free);
        self.writable |= config.mounts.iter().any(|mount| mount.path().is_some());
        self.volumes |= config.mounts.iter().any(|mount| matches!(mount.source, MountSource::Foreign(_)));
    }

    /// The needs that `facts` does not meet.
    fn unmet(mut self, facts: &Observed) -> Self {
        self.images.retain(|image| !facts.images.contains_key(image));
        self.subnets &= facts.taken.is_none();
        self.ports &= facts.ports_taken.is_none();
        self.writable &= facts.writable.is_none();
        self.volumes &= facts.all_volumes.is_none();
        self.live.retain(|id| !is_inspected(facts, id));
        self.policies.retain(|id| !facts.policies.contains_key(id));
        self
    }
}

/// The facts that the plan for `graph` needs and `facts` lacks; `facts` must have the lists of the run's resources.
///
/// They suffice for a plan with any options that do not refresh images: a refreshed one has to be looked up as well.
pub fn needs(graph: &Graph, facts: &Observed) -> Needs {
    let graph = &*comparable(graph, &facts.containers);
    let inspected = facts.containers.iter().filter(|it| shows_only_in_detail(graph, it));
    let policies = policy::gateways(graph, facts).cloned().collect();
    let mut needs = Needs { live: inspected.map(|it| it.id.clone()).collect(), policies, ..Needs::default() };
    // Unlike the other options, the start of a stopped run may need more.
    let options = Options { power: Power::Start, ..Options::default() };
    let plan = draft::draft(graph, facts, &options, &BTreeSet::new());
    needs.subnets = plan.operations.iter().any(|it| matches!(it.action, Action::CreateNetwork { .. }));
    for node in graph.nodes() {
        let Config::Container(config) = &node.config else { continue };
        let is_known = |it: &ContainerFacts| !needs.live.contains(&it.id) || is_inspected(facts, &it.id);
        let is_created = || facts.containers_of(&node.id).all(is_known) && creates(&plan, node);
        if !runs_in_sync(graph, facts, node, config) || is_created() {
            needs.create(config);
        }
    }
    needs.unmet(facts)
}

/// The facts that a finished plan depends on and that were not observed.
pub(super) fn unobserved(plan: &Plan, facts: &Observed) -> Needs {
    let mut needs = Needs::default();
    for operation in &plan.operations {
        match &operation.action {
            Action::CreateContainer { config, .. } => needs.create(config),
            Action::CreateNetwork { .. } => needs.subnets = true,
            _ => {}
        }
    }
    needs.unmet(facts)
}

fn is_inspected(facts: &Observed, id: &ContainerId) -> bool {
    facts.live.contains_key(id) || facts.vanished.contains(id)
}

fn creates(plan: &Plan, node: &Node) -> bool {
    let creates = |action: &Action| matches!(action, Action::CreateContainer { .. });
    plan.operations.iter().any(|operation| operation.resource == node.id && creates(&operation.action))
}

/// Whether a container runs in sync, as far as lists show. Any other may have to be created again. So may one whose network
/// is removed: because it is replaced, or because it is not the only one of its name.
fn runs_in_sync(graph: &Graph, facts: &Observed, node: &Node, config: &ContainerConfig) -> bool {
    let network = &config.network.network;
    let is_only = facts.networks_of(network).nth(1).is_none();
    let kept = graph.node(network).and_then(|node| draft::kept_network(facts, node)).filter(|_| is_only);
    let is_fine = |it: &ContainerFacts| {
        let fits = it.owner.as_ref().is_some_and(|owner| owner.fits(&node.config));
        let is_connected = kept.is_some_and(|network| it.home.as_ref() == Some(&network.id));
        fits && is_connected && it.state == ContainerState::Running
    };
    facts.containers_of(&node.id).any(is_fine)
}

/// Whether a container has to be inspected: its values that can be changed in place, its restarts and its start are in no
/// list. Only where they can matter, so that the number of calls does not grow with the number of containers as such.
fn shows_only_in_detail(graph: &Graph, facts: &ContainerFacts) -> bool {
    let Some(owner) = &facts.owner else { return false };
    let Some(node) = graph.node(&owner.resource) else { return false };
    in_place::is_compared(node, owner) || may_be_crashing(node, facts) || mounts_a_file(graph, node)
}

/// Whether another file may have taken the place of a mounted one since the container was started.
fn mounts_a_file(graph: &Graph, node: &Node) -> bool {
    let Config::Container(config) = &node.config else { return false };
    config.mounts.iter().filter_map(Mount::path).any(|path| graph.files.contains_key(path))
}

/// Whether the engine may be restarting a container over and over, without a probe that would notice. Only for a short
/// time after a start, so that stable containers cost no call.
fn may_be_crashing(node: &Node, facts: &ContainerFacts) -> bool {
    let is_young = facts.up_seconds.is_some_and(|seconds| seconds < STABLE_RUN.as_secs());
    let is_open = matches!(node.probe, Some(Probe::Running { .. })) && facts.health == Health::None;
    facts.state == ContainerState::Restarting || (facts.state == ContainerState::Running && is_young && is_open)
}
