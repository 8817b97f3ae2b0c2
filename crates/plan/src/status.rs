//! The status of a run: each of its resources, and one condition for the whole.
//!
//! Derived from a plan: a resource without operations is in sync.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{Action, Cause, Operation, Plan};
use moat_model::graph::{Graph, Node};
use moat_model::resource::{Config, HostPort, ImageId, ImageRef, Kind, Port, PortConfig, ResourceId, Retention, Role};
use moat_model::state::{ContainerFacts, ContainerState, Observed};

/// The status of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub condition: Condition,
    /// The published ports of the running main container, in the order of the spec.
    pub ports: Vec<Published>,
    /// Sorted by resource; several entries for one resource mean an interrupted replacement.
    pub resources: Vec<Standing>,
}

/// A port published on the Docker host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    pub name: Option<String>,
    pub container: Port,
    pub address: IpAddr,
    pub host: u16,
}

/// The overall condition of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// No resource of the run exists, except volumes that `destroy` keeps.
    Absent,
    /// The run becomes ready without further changes; only waiting is left.
    Converging,
    /// A resource is missing, broken or out of sync.
    Degraded,
    /// A user stopped the run.
    Stopped,
    /// The command of the main container exited with a code other than 0.
    Failed,
    /// The command of the main container exited with 0, and everything else is in sync.
    Completed,
    /// Everything is in sync and proven ready.
    Ready,
}

/// The status of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub resource: ResourceId,
    pub role: Role,
    /// The name on the engine.
    pub name: String,
    /// The engine's id; volumes have only a name.
    pub id: Option<String>,
    pub presence: Presence,
    /// The plan has no operation for it.
    pub ready: bool,
    /// The cause of the first operation, if it is not ready.
    pub cause: Option<Cause>,
}

/// Whether a resource exists, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Missing,
    Present,
    /// A grant without its value.
    Locked,
    /// A grant whose value a user took away.
    Revoked,
    /// A volume that the spec no longer has: its data are kept.
    Kept,
    /// A container in this state.
    Container(ContainerState),
    /// A container whose command has completed.
    Completed,
}

impl Status {
    /// Notes that the network policy is not in force, as seen from the main container.
    pub fn is_unproven(&mut self) {
        let policy = ResourceId::policy();
        for standing in self.resources.iter_mut().filter(|it| it.resource == policy && it.ready) {
            standing.ready = false;
            standing.cause = Some(Cause::Unproven);
        }
        if self.condition == Condition::Ready {
            self.condition = Condition::Degraded;
        }
    }
}

impl Published {
    /// The socket address, such as `127.0.0.1:20345`.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.host)
    }
}

impl Condition {
    pub const ALL: [Self; 7] =
        [Self::Absent, Self::Converging, Self::Degraded, Self::Stopped, Self::Failed, Self::Completed, Self::Ready];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Converging => "converging",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Ready => "ready",
        }
    }
}

impl Presence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Present => "present",
            Self::Locked => "locked",
            Self::Revoked => "revoked",
            Self::Kept => "kept",
            Self::Container(state) => state.as_str(),
            Self::Completed => "completed",
        }
    }
}

/// Returns the status of `graph`'s run; `plan` has to be the plan for `observed`.
pub fn status(graph: &Graph, observed: &Observed, plan: &Plan) -> Status {
    let mut resources: Vec<Standing> = desired(graph, observed).chain(surplus(graph, observed)).collect();
    for standing in &mut resources {
        let about = plan.operations.iter().find(|operation| operation.resource == standing.resource);
        standing.cause = about.map(|operation| operation.cause.clone());
        let is_stopped = observed.is_stopped() && standing.resource.kind == Kind::Container;
        standing.ready = about.is_none() && standing.presence != Presence::Missing && !is_stopped;
    }
    resources.sort_by(|a, b| (&a.resource, &a.name, &a.id).cmp(&(&b.resource, &b.name, &b.id)));
    Status { condition: condition(graph, observed, plan), ports: ports(graph, observed), resources }
}

/// The ports of the running main container, including those that moat chose.
pub fn ports(graph: &Graph, observed: &Observed) -> Vec<Published> {
    let id = ResourceId::main();
    let Some(Config::Container(config)) = graph.node(&id).map(|node| &node.config) else { return Vec::new() };
    let running =
        |id: &ResourceId| observed.containers.iter().find(|it| is_running(it, id)).and_then(|it| it.owner.as_ref());
    let Some(owner) = running(&id) else { return Vec::new() };
    if !graph.relays.is_empty() {
        let relays = graph.relays.iter().filter(|relay| relay.to == id);
        let Some(owner) = running(&ResourceId::gateway()) else { return Vec::new() };
        return relays.filter_map(|relay| published(&relay.port, owner.ports.get(&relay.listen))).collect();
    }
    config.ports.iter().filter_map(|port| published(port, owner.ports.get(&port.container))).collect()
}

fn is_running(facts: &ContainerFacts, resource: &ResourceId) -> bool {
    facts.state == ContainerState::Running && facts.owner.as_ref().is_some_and(|owner| owner.resource == *resource)
}

/// `chosen`: the port of the Docker host, where the spec leaves it open.
fn published(port: &PortConfig, chosen: Option<&u16>) -> Option<Published> {
    let host = match port.host {
        HostPort::Fixed(host) => host,
        HostPort::Free => *chosen?,
    };
    let (name, container, address) = (port.name.clone(), port.container, port.address);
    Some(Published { name, container, address, host })
}

fn condition(graph: &Graph, observed: &Observed, plan: &Plan) -> Condition {
    if is_absent(graph, observed) {
        Condition::Absent
    } else if observed.is_stopped() {
        if plan.is_empty() { Condition::Stopped } else { Condition::Degraded }
    } else if plan.is_empty() {
        if has_completed(graph, observed) { Condition::Completed } else { Condition::Ready }
    } else if plan.operations.iter().any(|operation| has_failed(graph, operation)) {
        Condition::Failed
    } else if plan.operations.iter().all(only_needs_time) {
        Condition::Converging
    } else {
        Condition::Degraded
    }
}

/// Whether the command of the main container has completed.
pub fn has_completed(graph: &Graph, observed: &Observed) -> bool {
    let main = ResourceId::main();
    graph.node(&main).is_some_and(Node::may_complete)
        && observed.containers_of(&main).any(ContainerFacts::has_completed)
}

/// Whether an operation's cause is a command that may complete and exited with an error.
fn has_failed(graph: &Graph, operation: &Operation) -> bool {
    let ended = matches!(operation.cause, Cause::NotRunning { state: ContainerState::Exited, exit_code: Some(_), .. });
    ended && graph.node(&operation.resource).is_some_and(Node::may_complete)
}

fn is_absent(graph: &Graph, observed: &Observed) -> bool {
    let kept = |resource: &ResourceId, label: Retention| match graph.node(resource).map(|node| &node.config) {
        Some(Config::Volume(volume)) => volume.retention == Retention::Keep,
        _ => label == Retention::Keep,
    };
    let mut owners = observed.volumes.iter().filter_map(|facts| facts.owner.as_ref());
    observed.containers.is_empty()
        && observed.networks.is_empty()
        && !observed.is_stopped()
        && owners.all(|owner| kept(&owner.resource, owner.retention))
}

/// Whether an operation only waits, or finishes an interrupted creation.
fn only_needs_time(operation: &Operation) -> bool {
    let waits = matches!(operation.action, Action::AwaitReady { .. });
    (waits && !matches!(operation.cause, Cause::Crashing { .. })) || operation.cause == Cause::HalfDone
}

fn desired<'a>(graph: &'a Graph, observed: &'a Observed) -> impl Iterator<Item = Standing> {
    graph.nodes().flat_map(move |node| {
        let id = &node.id;
        let standing = |name: String, engine_id: Option<String>, presence| Standing {
            resource: id.clone(),
            role: node.role,
            name,
            id: engine_id,
            presence,
            ready: false,
            cause: None,
        };
        let mut found: Vec<Standing> = match &node.config {
            Config::Image(image) => {
                let id = image_id(graph, observed, &image.reference);
                let present =
                    |id: ImageId| standing(image.reference.to_string(), Some(id.to_string()), Presence::Present);
                id.map(present).into_iter().collect()
            }
            Config::Network(_) => {
                let networks = observed.networks_of(id);
                networks.map(|it| standing(it.name.clone(), Some(it.id.to_string()), Presence::Present)).collect()
            }
            Config::Volume(_) => {
                observed.volumes_of(id).map(|it| standing(it.name.clone(), None, Presence::Present)).collect()
            }
            Config::Policy(policy) => {
                let mut gateways = observed.containers_of(&policy.gateway);
                let is_answered =
                    |it: &ContainerFacts| observed.policies.get(&it.id).is_some_and(|facts| facts.digest.is_some());
                let present = gateways.any(is_answered);
                present.then(|| standing(graph.run.name_of(id), None, Presence::Present)).into_iter().collect()
            }
            Config::Grant(config) => {
                let gateways = observed.containers_of(&config.gateway);
                let mut facts = gateways.filter_map(|it| observed.policies.get(&it.id)?.grants.get(&id.name));
                let presence = facts.next().map(|it| match (it.revoked, it.locked) {
                    (true, _) => Presence::Revoked,
                    (false, true) => Presence::Locked,
                    (false, false) => Presence::Present,
                });
                presence.map(|it| standing(graph.run.name_of(id), None, it)).into_iter().collect()
            }
            Config::Container(_) => {
                let containers = observed.containers_of(id);
                let presence = |it: &ContainerFacts| match it.state {
                    _ if node.may_complete() && it.has_completed() => Presence::Completed,
                    state => Presence::Container(state),
                };
                containers.map(|it| standing(it.name.clone(), Some(it.id.to_string()), presence(it))).collect()
            }
        };
        if found.is_empty() {
            found.push(standing(graph.run.name_of(id), None, Presence::Missing));
        }
        found
    })
}

/// The id of an existing image. An image that was not looked up exists: a container in sync was created from it.
fn image_id(graph: &Graph, observed: &Observed, reference: &ImageRef) -> Option<ImageId> {
    if let Some(found) = observed.images.get(reference) {
        return found.as_ref().map(|facts| facts.id.clone());
    }
    let users = graph.nodes().filter(|user| matches!(&user.config, Config::Container(it) if it.image == *reference));
    users.flat_map(|user| observed.containers_of(&user.id)).next().map(|facts| facts.image.clone())
}

/// The names of the volumes that the spec no longer has, and that are kept for their data.
pub fn kept(graph: &Graph, observed: &Observed) -> Vec<String> {
    surplus(graph, observed).filter(|it| it.presence == Presence::Kept).map(|it| it.name).collect()
}

/// Resources that have the run's labels and are not in the graph.
fn surplus<'a>(graph: &'a Graph, observed: &'a Observed) -> impl Iterator<Item = Standing> {
    // The stop mark is no resource: the condition reports it.
    let foreign = |resource: &ResourceId| graph.node(resource).is_none() && *resource != ResourceId::stop_mark();
    let standing = |resource: &ResourceId, name: &str, id: Option<String>, presence| Standing {
        resource: resource.clone(),
        role: if resource.kind == Kind::Container { Role::Sidecar } else { Role::Support },
        name: name.to_owned(),
        id,
        presence,
        ready: false,
        cause: None,
    };
    let containers = observed.containers.iter().filter_map(move |it| {
        let resource = &it.owner.as_ref()?.resource;
        let state = Presence::Container(it.state);
        foreign(resource).then(|| standing(resource, &it.name, Some(it.id.to_string()), state))
    });
    let networks = observed.networks.iter().filter_map(move |it| {
        let resource = &it.owner.as_ref()?.resource;
        foreign(resource).then(|| standing(resource, &it.name, Some(it.id.to_string()), Presence::Present))
    });
    let volumes = observed.volumes.iter().filter_map(move |it| {
        let resource = &it.owner.as_ref()?.resource;
        foreign(resource).then(|| standing(resource, &it.name, None, Presence::Kept))
    });
    containers.chain(networks).chain(volumes)
}
