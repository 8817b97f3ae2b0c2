//! An independent checker of plans. It shares no code with the planner: it knows the requirements of an engine.

use std::collections::{BTreeMap, BTreeSet};

use moat_model::graph::{Gate, Graph};
use moat_model::resource::{Config, Probe, ResourceId, RestartPolicy};
use moat_model::state::{ContainerState, Health, ImageFacts, Observed};
use moat_plan::{Action, Handle, OpId, Operation, Plan};

use super::gateway;
use super::reading::{brings, closure, is_create, is_up, known_container, removes, renames, stops};
use super::soundness::is_sound;
use super::verdict::differs_in_place;

/// Checks that `plan` leads from `observed` to `graph`, in an order that the engine and the graph allow.
///
/// `consent`: volumes may be removed.
pub fn accepts(graph: &Graph, observed: &Observed, plan: &Plan, consent: bool) -> Result<(), String> {
    is_sound(plan)?;
    let check = PlanCheck { graph, observed, plan, before: closure(plan) };
    for operation in &plan.operations {
        check.operation(operation, consent).map_err(|why| format!("{operation}: {why}"))?;
    }
    check.every_resource_is_provided()?;
    gateway::is_complete(graph, observed, plan, &check.before)?;
    check.no_surplus_stays(consent)?;
    check.names_stay_unique()
}

struct PlanCheck<'a> {
    graph: &'a Graph,
    observed: &'a Observed,
    plan: &'a Plan,
    /// The operations that have certainly been done before another one starts.
    before: Vec<BTreeSet<OpId>>,
}

impl PlanCheck<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm for each action, and each arm is short")]
    fn operation(&self, operation: &Operation, consent: bool) -> Result<(), String> {
        if let Some(known) = known_container(operation) {
            let facts = self.observed.containers.iter().find(|it| it.id.as_str() == known);
            let owner = facts.and_then(|it| it.owner.as_ref()).ok_or("acts on a foreign container")?;
            if owner.resource != operation.resource {
                return Err("acts on another resource's container".to_owned());
            }
        }
        match &operation.action {
            Action::CreateContainer { labels, network, config, .. } => {
                self.gate(operation, Gate::Create)?;
                let pulls = |it: &Operation| match &it.action {
                    Action::PullImage { reference, .. } | Action::ImportImage { reference, .. } => {
                        *reference == config.image
                    }
                    _ => false,
                };
                if matches!(self.observed.images.get(&config.image), Some(None)) && !self.certainly(operation, pulls) {
                    return Err("the image is missing".to_owned());
                }
                let is_of_another = |it: &ImageFacts| {
                    let (desired, observed) = (config.platform.as_ref(), it.platform.as_ref());
                    desired.zip(observed).is_some_and(|(desired, observed)| desired != observed)
                };
                let here = self.observed.images.get(&config.image).and_then(Option::as_ref);
                if here.is_some_and(is_of_another) && !self.certainly(operation, pulls) {
                    return Err("the image is of another platform".to_owned());
                }
                let node = self.graph.node(&operation.resource).ok_or("creates an undesired resource")?;
                if labels.get("moat.hash").map(String::as_str) != Some(node.config.hash().as_str()) {
                    return Err("creates another configuration than desired".to_owned());
                }
                if let Handle::Known(id) = network {
                    let there = self.observed.networks.iter().any(|it| it.id == *id && it.owner.is_some());
                    let goes = self
                        .plan
                        .operations
                        .iter()
                        .any(|it| matches!(&it.action, Action::RemoveNetwork { network } if network == id));
                    if !there || goes {
                        return Err("uses a network that is missing or to be removed".to_owned());
                    }
                }
            }
            Action::StartContainer { container } => {
                self.gate(operation, Gate::Start)?;
                self.is_proven_after(operation)?;
                self.files_first(operation, container)?;
                self.alone(operation, container)?;
            }
            Action::RestartContainer { .. } | Action::UnpauseContainer { .. } => {
                self.gate(operation, Gate::Start)?;
                self.is_proven_after(operation)?;
            }
            Action::StopContainer { .. } if self.takes_over(operation) => {
                self.gate(operation, Gate::Start)?;
                self.gate(operation, Gate::Prove)?;
                self.every(operation, "stops the old one before the new one exists", |it| {
                    let connects = matches!(it.action, Action::ConnectNetwork { container: Handle::From(_), .. });
                    connects || matches!(it.action, Action::CreateContainer { .. } | Action::UploadFiles { .. })
                })?;
            }
            // A proof without dependencies or network does not count.
            Action::AwaitReady { .. } => {
                self.gate(operation, Gate::Start)?;
                self.gate(operation, Gate::Prove)?;
                self.every(operation, "is proven before it is connected", |it| {
                    matches!(it.action, Action::ConnectNetwork { .. } | Action::DisconnectNetwork { .. })
                })?;
            }
            Action::CreateNetwork { .. } => {
                self.graph.node(&operation.resource).ok_or("creates an undesired resource")?;
                for bearer in self.observed.networks.iter().filter(|it| it.owner.is_some() && it.name == operation.name)
                {
                    if !self.certainly(operation, |it| removes(it, bearer.id.as_str())) {
                        return Err("another network of the run has the name".to_owned());
                    }
                }
            }
            Action::PullImage { .. } => {
                let mut others = self.plan.operations.iter();
                others.find(|it| it.after.contains(&operation.id)).ok_or("pulls an unneeded image")?;
            }
            Action::CreateVolume { .. } => {
                self.graph.node(&operation.resource).ok_or("creates an undesired resource")?;
            }
            Action::RemoveNetwork { network } => {
                let ours = self.observed.networks.iter().any(|it| it.id == *network && it.owner.is_some());
                if !ours {
                    return Err("removes a foreign network".to_owned());
                }
                for facts in &self.observed.containers {
                    let on_it = facts.networks.iter().any(|end| end.id.as_ref() == Some(network));
                    let gone = |it: &Operation| {
                        removes(it, facts.id.as_str()) || (is_up(facts.state) && stops(it, facts.id.as_str()))
                    };
                    let stays = facts.owner.is_none() || !self.goes(facts.id.as_str());
                    if on_it && (!stays || is_up(facts.state)) && !self.certainly(operation, gone) {
                        return Err(format!("removes the network under {}", facts.name));
                    }
                }
            }
            Action::RemoveVolume => {
                let facts = self.observed.volumes.iter().find(|it| it.name == operation.name && it.owner.is_some());
                facts.ok_or("removes a foreign volume")?;
                if !consent {
                    return Err("removes a volume without consent".to_owned());
                }
                for user in self.observed.containers.iter().filter(|it| it.volumes.contains(&operation.name)) {
                    if !self.certainly(operation, |it| removes(it, user.id.as_str())) {
                        return Err(format!("removes the volume under {}", user.name));
                    }
                }
            }
            Action::RemoveContainer { container } => {
                let facts = self.observed.containers.iter().find(|it| it.id == *container);
                let facts = facts.ok_or("removes a missing container")?;
                if is_up(facts.state) && !self.certainly(operation, |it| stops(it, container.as_str())) {
                    return Err("kills a container without a stop".to_owned());
                }
                if self.takes_over(operation) {
                    self.every(operation, "removes the old one before the new one is ready", |it| {
                        matches!(it.action, Action::AwaitReady { .. })
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an operation has certainly been done before another one starts.
    fn certainly(&self, operation: &Operation, done: impl Fn(&Operation) -> bool) -> bool {
        self.before[operation.id.0].iter().any(|id| done(&self.plan.operations[id.0]))
    }

    /// Checks that the requirements of a dependent at a gate are met, or certainly done before.
    fn gate(&self, operation: &Operation, gate: Gate) -> Result<(), String> {
        for dependency in self.graph.dependencies(&operation.resource).into_iter().filter(|it| it.edge.gates == gate) {
            for pending in &self.plan.operations {
                let holds_back = pending.resource == *dependency.on && brings(&pending.action, dependency.edge.until);
                if holds_back && !self.before[operation.id.0].contains(&pending.id) {
                    return Err(format!("does not wait for {} to be {:?}", dependency.on, dependency.edge.until));
                }
            }
        }
        Ok(())
    }

    /// Checks that every started container is probed.
    fn is_proven_after(&self, start: &Operation) -> Result<(), String> {
        let asks = |it: &&Operation| {
            matches!(it.action, Action::AwaitReady { .. })
                && it.resource == start.resource
                && self.before[it.id.0].contains(&start.id)
        };
        if self.plan.operations.iter().any(|it| asks(&it)) { Ok(()) } else { Err("is not proven ready".to_owned()) }
    }

    /// Whether an operation concerns a container that is replaced. A container that
    /// is removed with its network is not: it cannot be replaced before.
    fn takes_over(&self, operation: &Operation) -> bool {
        let Some(id) = known_container(operation) else { return false };
        let facts = self.observed.containers.iter().find(|it| it.id.as_str() == id);
        let loses_network = facts.is_some_and(|it| {
            it.networks.iter().any(|end| end.id.as_ref().is_some_and(|network| self.goes(network.as_str())))
        });
        self.graph.node(&operation.resource).is_some() && !loses_network
    }

    /// Checks that all operations of one kind on the same resource are certainly done before.
    fn every(&self, operation: &Operation, why: &str, sort: impl Fn(&Operation) -> bool) -> Result<(), String> {
        let mut others = self.plan.operations.iter().filter(|it| it.resource == operation.resource && sort(it));
        if others.all(|it| self.before[operation.id.0].contains(&it.id)) { Ok(()) } else { Err(why.to_owned()) }
    }

    fn files_first(
        &self,
        operation: &Operation,
        container: &Handle<moat_model::resource::ContainerId>,
    ) -> Result<(), String> {
        let Some(Config::Container(config)) = self.graph.node(&operation.resource).map(|node| &node.config) else {
            return Ok(());
        };
        let fresh = match container {
            Handle::From(_) => true,
            Handle::Known(id) => {
                self.observed.containers.iter().any(|it| it.id == *id && it.state == ContainerState::Created)
            }
        };
        let uploaded =
            |it: &Operation| matches!(&it.action, Action::UploadFiles { container: to, .. } if to == container);
        if fresh && !config.files.is_empty() && !self.certainly(operation, uploaded) {
            return Err("starts a container without its files".to_owned());
        }
        Ok(())
    }

    /// Two containers of one resource would share volumes and aliases.
    fn alone(
        &self,
        operation: &Operation,
        container: &Handle<moat_model::resource::ContainerId>,
    ) -> Result<(), String> {
        let this = match container {
            Handle::Known(id) => Some(id.as_str()),
            Handle::From(_) => None,
        };
        for other in self.observed.containers_of(&operation.resource).filter(|it| Some(it.id.as_str()) != this) {
            let gone = |it: &Operation| stops(it, other.id.as_str()) || removes(it, other.id.as_str());
            if is_up(other.state) && !self.certainly(operation, gone) {
                return Err(format!("starts beside {}", other.name));
            }
        }
        Ok(())
    }

    fn every_resource_is_provided(&self) -> Result<(), String> {
        for node in self.graph.nodes() {
            let makes =
                self.plan.operations.iter().filter(|it| it.resource == node.id && is_create(&it.action)).count();
            let stays = match node.id.kind {
                moat_model::resource::Kind::Image
                | moat_model::resource::Kind::Policy
                | moat_model::resource::Kind::Grant => continue,
                moat_model::resource::Kind::Volume => self.observed.volumes_of(&node.id).count(),
                moat_model::resource::Kind::Network => {
                    self.observed.networks_of(&node.id).filter(|it| !self.goes(it.id.as_str())).count()
                }
                moat_model::resource::Kind::Container => {
                    self.observed.containers_of(&node.id).filter(|it| !self.goes(it.id.as_str())).count()
                }
            };
            if makes + stays != 1 {
                return Err(format!("there would be {} of {}", makes + stays, node.id));
            }
            for create in self.plan.operations.iter().filter(|it| it.resource == node.id) {
                let starts =
                    |it: &Operation| it.action == Action::StartContainer { container: Handle::From(create.id) };
                if matches!(create.action, Action::CreateContainer { .. }) && !self.plan.operations.iter().any(starts) {
                    return Err(format!("{create}: is never started"));
                }
            }
            if node.id.kind == moat_model::resource::Kind::Container && stays == 1 {
                self.the_remaining_container_runs(&node.id)?;
            }
        }
        Ok(())
    }

    fn the_remaining_container_runs(&self, id: &ResourceId) -> Result<(), String> {
        let mut stays = self.observed.containers_of(id).filter(|it| !self.goes(it.id.as_str()));
        let Some(facts) = stays.next() else { return Ok(()) };
        let (Some(node), Some(owner)) = (self.graph.node(id), &facts.owner) else { return Ok(()) };
        let Config::Container(config) = &node.config else { return Ok(()) };
        if owner.hash != node.config.hash() && !differs_in_place(owner, node) {
            return Err(format!("{} is out of sync, and stays", facts.name));
        }
        let live = self.observed.live.get(&facts.id);
        let is_so = live.is_none_or(|live| live.limits == config.limits && live.restart == Some(config.restart));
        let updates =
            |it: &Operation| matches!(&it.action, Action::UpdateContainer { container, .. } if *container == facts.id);
        if is_so == self.plan.operations.iter().any(updates) {
            return Err(format!("{} is updated although it is in sync, or is not updated", facts.name));
        }
        let is_run =
            node.id == ResourceId::main() && matches!(config.restart, RestartPolicy::No | RestartPolicy::OnFailure);
        if is_run && facts.state == ContainerState::Exited && facts.exit_code == Some(0) {
            let again = self.plan.operations.iter().any(
                |it| matches!(&it.action, Action::StartContainer { container: Handle::Known(id) } if *id == facts.id),
            );
            return if again { Err(format!("{} has completed, and is rerun", facts.name)) } else { Ok(()) };
        }
        let mends = |it: &Operation| {
            known_container(it) == Some(facts.id.as_str())
                && match facts.state {
                    ContainerState::Paused => matches!(it.action, Action::UnpauseContainer { .. }),
                    ContainerState::Running => matches!(it.action, Action::RestartContainer { .. }),
                    ContainerState::Restarting => matches!(it.action, Action::AwaitReady { .. }),
                    _ => matches!(it.action, Action::StartContainer { .. }),
                }
        };
        let is_well = facts.state == ContainerState::Running && facts.health != Health::Unhealthy;
        if !is_well && !self.plan.operations.iter().any(mends) {
            return Err(format!("{} would stay {}", facts.name, facts.state.as_str()));
        }
        let asks = |it: &Operation| {
            matches!(it.action, Action::AwaitReady { .. }) && known_container(it) == Some(facts.id.as_str())
        };
        let probe = self.graph.node(id).and_then(|node| node.probe.as_ref());
        let in_doubt = matches!(probe, Some(Probe::Exec { .. })) && facts.health != Health::Healthy;
        if in_doubt && !self.plan.operations.iter().any(asks) {
            return Err(format!("{} is not probed", facts.name));
        }
        let connected = facts.networks.iter().any(|end| end.id.is_none() || end.id == facts.home);
        let connects = |it: &Operation| matches!(&it.action, Action::ConnectNetwork { container: Handle::Known(container), .. } if *container == facts.id);
        if !connected && !self.plan.operations.iter().any(connects) {
            return Err(format!("{} would stay disconnected", facts.name));
        }
        Ok(())
    }

    fn no_surplus_stays(&self, consent: bool) -> Result<(), String> {
        for facts in &self.observed.containers {
            let owner = facts.owner.as_ref().map(|owner| &owner.resource);
            if owner.is_some_and(|resource| self.graph.node(resource).is_none()) && !self.goes(facts.id.as_str()) {
                return Err(format!("{} is surplus, and stays", facts.name));
            }
        }
        for facts in &self.observed.networks {
            let owner = facts.owner.as_ref().map(|owner| &owner.resource);
            if owner.is_some_and(|resource| self.graph.node(resource).is_none()) && !self.goes(facts.id.as_str()) {
                return Err(format!("{} is surplus, and stays", facts.name));
            }
        }
        let gone =
            |name: &str| self.plan.operations.iter().any(|it| it.action == Action::RemoveVolume && it.name == name);
        let all_go = consent && self.graph.nodes().next().is_none();
        match self.observed.volumes.iter().find(|it| it.owner.is_some() && !gone(&it.name)) {
            Some(facts) if all_go => Err(format!("{} is surplus, and stays", facts.name)),
            _ => Ok(()),
        }
    }

    /// Checks that a name is taken only after it was given up, and that all resources end with their own.
    fn names_stay_unique(&self) -> Result<(), String> {
        let mut finally: BTreeMap<&ResourceId, &str> = BTreeMap::new();
        for facts in &self.observed.containers {
            if let Some(owner) = facts.owner.as_ref().filter(|_| !self.goes(facts.id.as_str())) {
                finally.insert(&owner.resource, &facts.name);
            }
        }
        for operation in &self.plan.operations {
            let takes = match &operation.action {
                Action::CreateContainer { .. } => operation.name.as_str(),
                Action::RenameContainer { to, .. } => to,
                _ => continue,
            };
            finally.insert(&operation.resource, takes);
            for bearer in self.observed.containers.iter().filter(|it| it.name == takes) {
                if !self.certainly(operation, |it| removes(it, bearer.id.as_str()) || renames(it, bearer.id.as_str())) {
                    return Err(format!("{operation}: {} has the name", bearer.id));
                }
            }
        }
        for node in self.graph.nodes().filter(|node| node.id.kind == moat_model::resource::Kind::Container) {
            if finally.get(&node.id) != Some(&self.graph.run.name_of(&node.id).as_str()) {
                return Err(format!("{} would be named {:?}", node.id, finally.get(&node.id)));
            }
        }
        Ok(())
    }

    fn goes(&self, id: &str) -> bool {
        self.plan.operations.iter().any(|it| removes(it, id))
    }
}
