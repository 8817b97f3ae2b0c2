//! Containers: kept and repaired in place where the facts allow, otherwise replaced.
//!
//! A replacement is created beside the old container. The old one is stopped only when the new one is ready or, where
//! both cannot run at once, when the new one is created and its dependencies are ready. The old one is removed only
//! when the new one is ready, which then takes its name.
//! After an interruption at any point, the next plan finds both and continues.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::PlanBuilder;
use super::completion::{is_done, is_rerun_requested};
use super::in_place::{self, Comparison};
use super::link::{Link, address, link, networks_to_leave, resolver};
use super::proof::{is_settled, prove, require_stability};
use super::{Action, Cause, Handle, OpId, diff, port, refresh, removal, restart, sources, volumes};
use moat_model::engine::{PortBinding, VolumeMount};
use moat_model::graph::{Gate, Milestone, Node};
use moat_model::resource::label;
use moat_model::resource::{Config, ContainerConfig, ContainerId, MountSource, Probe, ResourceId, Role};
use moat_model::state::{ContainerFacts, ContainerState};

pub(super) fn plan(draft: &mut PlanBuilder<'_>, node: &Node, config: &ContainerConfig) {
    let found: Vec<&ContainerFacts> = draft.observed.containers_of(&node.id).collect();
    let current = choose(draft, node, config, &found);
    let others: Vec<&ContainerFacts> =
        found.iter().filter(|it| current.is_none_or(|current| current.id != it.id)).copied().collect();
    match current {
        Some(current) => keep(draft, node, config, current, &others),
        // No older container exists to restore. The next apply creates the desired one.
        None if draft.options.restore.contains(&node.id) => {}
        None => create(draft, node, config, &others),
    }
}

/// The container that can be kept: in sync, on an existing network, not being removed. A running one is
/// preferred, then one with the right name, then the oldest.
fn choose<'a>(
    draft: &PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    found: &[&'a ContainerFacts],
) -> Option<&'a ContainerFacts> {
    let name = draft.graph.run.name_of(&node.id);
    let restoring = draft.options.restore.contains(&node.id) && found.len() > 1;
    let usable = |it: &&&ContainerFacts| {
        let fits = !matches!(in_place::fit(draft.observed, it, node, config, draft.options), Comparison::Recreate(_));
        let as_wanted = fits && refresh::outdated(draft, &config.image, it).is_none();
        let leaving = matches!(it.state, ContainerState::Removing | ContainerState::Dead);
        // The replacement failed: the older container is better than none, and than another failure.
        let fits = if restoring { !as_wanted && it.state != ContainerState::Created } else { as_wanted };
        fits && !leaving && !lost_port(draft, it) && !matches!(link(draft, node, config, it), Link::Dead)
    };
    let rank = |it: &&&ContainerFacts| {
        let runs = it.state == ContainerState::Running;
        if restoring { (it.name != name, false) } else { (!runs, it.name != name) }
    };
    found.iter().filter(usable).min_by_key(rank).copied()
}

/// Whether a port chosen for it has turned out to be in use.
fn lost_port(draft: &PlanBuilder<'_>, facts: &ContainerFacts) -> bool {
    let mut chosen = facts.owner.iter().flat_map(|owner| owner.ports.values());
    facts.state != ContainerState::Running && chosen.any(|port| draft.options.avoid_ports.contains(port))
}

fn create(draft: &mut PlanBuilder<'_>, node: &Node, config: &ContainerConfig, others: &[&ContainerFacts]) {
    let cause = why_created(draft, node, config, others);
    let final_name = draft.graph.run.name_of(&node.id);
    // A container removed earlier no longer holds the name.
    let in_the_way: Vec<&ContainerFacts> =
        others.iter().filter(|it| !draft.removed.contains_key(it.id.as_str())).copied().collect();
    let name = free_name(&final_name, &in_the_way);
    let cleared: Vec<OpId> = others.iter().filter_map(|it| draft.removed.get(it.id.as_str()).copied()).collect();

    let Some(network) = draft.networks.get(&config.network.network).cloned() else { return };
    let mut labels = label::labels(&draft.graph.run, &node.id, &node.config);
    labels.extend(draft.graph.approved.iter().flat_map(|approved| label::approved(&node.id, approved)));
    let (ports, chosen) = port::bindings(draft, config, others);
    if !chosen.is_empty() {
        labels.insert(label::PORTS.to_owned(), label::ports(&chosen));
    }
    let files: BTreeMap<&str, String> =
        sources::mounted(draft.graph, config).map(|(path, file)| (path, file.identity())).collect();
    if !files.is_empty() {
        labels.insert(label::FILES.to_owned(), label::files(&files));
    }
    let mounts = volumes::mounts(draft, config);
    let beside = may_run_beside(node, config, &ports, &mounts, &in_the_way);
    let (address, resolver) = (address(draft, config), resolver(draft, config));
    let config_sent = Box::new(config.clone());
    let action = Action::CreateContainer { labels, config: config_sent, network, mounts, ports, address, resolver };
    let held = draft.held(&node.id, Gate::Create);
    let created = draft.add(&node.id, &name, action, cause.clone(), held.into_iter().chain(cleared));
    draft.hold(&node.id, Milestone::Created, created);
    let container = Handle::From(created);
    draft.containers.insert(node.id.clone(), container.clone());
    let mut before_start = draft.held(&node.id, Gate::Start);
    before_start.insert(created);
    if let Some(uplink) = &config.uplink {
        before_start.extend(connect(draft, node, config, uplink, &name, &container, &cause));
    }
    before_start.extend(upload(draft, node, config, &name, &container, &cause));
    let stopped: Vec<_> = in_the_way.iter().filter(|it| removal::is_up(it.state) && !beside).collect();
    if !stopped.is_empty() {
        // The old one keeps running until the new one can become ready.
        before_start.extend(draft.held(&node.id, Gate::Prove));
    }
    for other in stopped {
        let after = before_start.clone();
        let stop = removal::stop(draft, &node.id, other, &Cause::Superseded, after);
        before_start.insert(stop);
    }
    let ready = start(draft, node, &name, &container, &cause, before_start);
    retire(draft, &node.id, &in_the_way, Some(ready), container, &name, &final_name);
}

/// Whether a new container can be proven while the old one still runs: they share no port and no name on the network,
/// and the new one writes to nothing that the old one may have locked.
fn may_run_beside(
    node: &Node,
    config: &ContainerConfig,
    ports: &[PortBinding],
    volumes: &[VolumeMount],
    old: &[&ContainerFacts],
) -> bool {
    let shares_port = ports.iter().any(|port| old.iter().any(|it| it.published.contains(&port.host)));
    let shares_volume = || {
        let mut written = volumes.iter().filter(|it| !it.read_only);
        written.any(|it| old.iter().any(|old| old.volumes.contains(&it.volume)))
    };
    let writes_here = || config.mounts.iter().any(|it| matches!(it.source, MountSource::Path(_)) && !it.read_only);
    // An idle container locks nothing, whatever is mounted.
    let idles = matches!(node.probe, Some(Probe::Idle { .. }));
    node.role == Role::Main
        && config.network.aliases.is_empty()
        && !shares_port
        && (idles || !(shares_volume() || writes_here()))
}

/// Brings a container in sync to its desired state, name and network.
fn keep(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    current: &ContainerFacts,
    others: &[&ContainerFacts],
) {
    let id = &node.id;
    let name = current.name.clone();
    let handle = Handle::Known(current.id.clone());
    let mut before: BTreeSet<OpId> = draft.held(id, Gate::Start);
    draft.containers.insert(id.clone(), handle.clone());
    let mut relinked = Vec::new();
    for stray in networks_to_leave(draft, config, current) {
        let action = Action::DisconnectNetwork { network: stray, container: current.id.clone() };
        relinked.push(draft.add(id, &name, action, Cause::OtherNetwork, []));
    }
    if let Link::Missing(networks) = link(draft, node, config, current) {
        for network in networks {
            relinked.extend(connect(draft, node, config, &network, &name, &handle, &Cause::Disconnected));
        }
    }
    for operation in relinked {
        draft.hold(id, Milestone::Started, operation);
        draft.hold(id, Milestone::Ready, operation);
        before.insert(operation);
    }
    let restoring = draft.options.restore.contains(id);
    let fit = in_place::fit(draft.observed, current, node, config, draft.options);
    if let (Comparison::Update(update, diffs), false) = (fit, restoring) {
        let action = Action::UpdateContainer { container: current.id.clone(), update };
        draft.add(id, &name, action, Cause::Changed(diffs), []);
    }
    // An older container that still runs would use the same volumes and the same alias.
    if !is_settled(draft, current, node, config) || current.state != ContainerState::Running {
        let running: Vec<_> = others.iter().filter(|it| removal::is_up(it.state)).collect();
        if !running.is_empty() {
            before.extend(draft.held(id, Gate::Prove));
        }
        for other in running {
            let stop = removal::stop(draft, id, other, &Cause::Superseded, before.clone());
            before.insert(stop);
        }
    }
    let ready = repair_in_place(draft, node, config, current, &handle, before);
    let final_name = draft.graph.run.name_of(id);
    retire(draft, id, others, ready, handle, &name, &final_name);
}

/// Adds the connection of a container to one of its networks.
fn connect(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    network: &ResourceId,
    name: &str,
    container: &Handle<ContainerId>,
    cause: &Cause,
) -> Option<OpId> {
    let is_first = *network == config.network.network;
    let aliases = if is_first { config.network.aliases.clone() } else { Vec::new() };
    let address = if is_first { address(draft, config) } else { None };
    let created = match container {
        Handle::From(created) => Some(*created),
        Handle::Known(_) => None,
    };
    let after = draft.reached(network, Milestone::Created).into_iter().chain(created);
    let to = draft.networks.get(network)?.clone();
    let action = Action::ConnectNetwork { network: to, container: container.clone(), aliases, address };
    Some(draft.add(&node.id, name, action, cause.clone(), after))
}

/// Adds the operations that bring a kept container from its state to ready; returns the last one.
fn repair_in_place(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    current: &ContainerFacts,
    handle: &Handle<ContainerId>,
    mut before: BTreeSet<OpId>,
) -> Option<OpId> {
    let (id, name) = (&node.id, current.name.clone());
    let (unready, proven) = (&draft.options.unready, &draft.options.proven);
    if is_done(draft, node, current) {
        return None;
    }
    let has_failed = unready.contains(&current.id) && !proven.contains(&current.id);
    let not_running = not_running(draft, current);
    let due = restart::cause(draft, node, config, current, has_failed);
    if has_failed && current.state != ContainerState::Created {
        // It may have been started before its files were uploaded.
        before.extend(upload(draft, node, config, &name, handle, &Cause::Unhealthy));
    }
    match current.state {
        ContainerState::Created => {
            // It may have been created without its files: a start would then run something different.
            before.extend(upload(draft, node, config, &name, handle, &Cause::HalfDone));
            Some(start(draft, node, &name, handle, &Cause::HalfDone, before))
        }
        ContainerState::Paused => {
            let action = Action::UnpauseContainer { container: current.id.clone() };
            let unpause = draft.add(id, &name, action, not_running.clone(), before);
            Some(started(draft, node, &name, handle, &not_running, unpause))
        }
        ContainerState::Running | ContainerState::Restarting if let Some(cause) = &due => {
            let action = Action::RestartContainer { container: current.id.clone() };
            let restart = draft.add(id, &name, action, cause.clone(), before);
            Some(started(draft, node, &name, handle, cause, restart))
        }
        ContainerState::Running if is_settled(draft, current, node, config) => None,
        ContainerState::Running | ContainerState::Restarting | ContainerState::Unknown => {
            let crashes = draft.observed.crashes(current);
            let cause = crashes.map_or(Cause::Unproven, |restarts| Cause::Crashing { restarts });
            let mut action = prove(draft, node, config, handle.clone())?;
            if let (Some(_), Action::AwaitReady { probe, .. }) = (crashes, &mut action) {
                require_stability(probe);
            }
            before.extend(draft.held(id, Gate::Prove));
            let ready = draft.add(id, &name, action, cause, before);
            draft.hold(id, Milestone::Ready, ready);
            Some(ready)
        }
        ContainerState::Exited if is_rerun_requested(draft, current) => {
            Some(start(draft, node, &name, handle, &Cause::Asked, before))
        }
        ContainerState::Exited | ContainerState::Removing | ContainerState::Dead => {
            Some(start(draft, node, &name, handle, &not_running, before))
        }
    }
}

/// Adds the upload of the files; `None` if there are none.
fn upload(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    name: &str,
    container: &Handle<ContainerId>,
    cause: &Cause,
) -> Option<OpId> {
    if config.files.is_empty() {
        return None;
    }
    let created = match container {
        Handle::From(created) => Some(*created),
        Handle::Known(_) => None,
    };
    let action = Action::UploadFiles { container: container.clone(), files: config.files.clone() };
    Some(draft.add(&node.id, name, action, cause.clone(), created))
}

fn start(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    name: &str,
    container: &Handle<ContainerId>,
    cause: &Cause,
    after: BTreeSet<OpId>,
) -> OpId {
    let action = Action::StartContainer { container: container.clone() };
    let start = draft.add(&node.id, name, action, cause.clone(), after);
    started(draft, node, name, container, cause, start)
}

/// Marks the container as started after `start` and as ready after its proof. Returns the proof.
fn started(
    draft: &mut PlanBuilder<'_>,
    node: &Node,
    name: &str,
    container: &Handle<ContainerId>,
    cause: &Cause,
    start: OpId,
) -> OpId {
    draft.hold(&node.id, Milestone::Started, start);
    let Config::Container(config) = &node.config else { return start };
    let Some(action) = prove(draft, node, config, container.clone()) else {
        draft.hold(&node.id, Milestone::Ready, start);
        return start;
    };
    let after = draft.held(&node.id, Gate::Prove).into_iter().chain([start]);
    let ready = draft.add(&node.id, name, action, cause.clone(), after);
    draft.hold(&node.id, Milestone::Ready, ready);
    ready
}

/// Removes the replaced containers, and renames the remaining one.
fn retire(
    draft: &mut PlanBuilder<'_>,
    id: &ResourceId,
    others: &[&ContainerFacts],
    ready: Option<OpId>,
    container: Handle<ContainerId>,
    name: &str,
    final_name: &str,
) {
    let mut freed = ready;
    for other in others {
        let removal = removal::container(draft, id, other, &Cause::Superseded, ready);
        if other.name == final_name {
            freed = Some(removal);
        }
    }
    if name != final_name {
        let action = Action::RenameContainer { container, to: final_name.to_owned() };
        let cause = Cause::Misnamed { found: name.to_owned() };
        draft.add(id, final_name, action, cause, freed);
    }
}

fn not_running(draft: &PlanBuilder<'_>, facts: &ContainerFacts) -> Cause {
    let out_of_memory = draft.observed.out_of_memory.contains(&facts.id);
    Cause::NotRunning { state: facts.state, exit_code: facts.exit_code, out_of_memory }
}

fn why_created(draft: &PlanBuilder<'_>, node: &Node, config: &ContainerConfig, others: &[&ContainerFacts]) -> Cause {
    let network = &config.network.network;
    // The newest container has the last applied configuration.
    let Some((newest, owner)) = others.last().and_then(|old| Some((old, old.owner.as_ref()?))) else {
        return Cause::Missing;
    };
    let diffs = diff::between(&owner.config, &node.config.canonical());
    let mut diffs = in_place::unmended(draft.observed, newest, config, diffs);
    // No reason to create a container.
    diffs.retain(|diff| !diff.field.starts_with("extras."));
    if let (true, Comparison::Recreate(found)) =
        (diffs.is_empty(), in_place::fit(draft.observed, newest, node, config, draft.options))
    {
        diffs = found;
    }
    let all_dead = others.iter().all(|it| matches!(link(draft, node, config, it), Link::Dead));
    if !diffs.is_empty() {
        Cause::Changed(diffs)
    } else if let Some(cause) = refresh::outdated(draft, &config.image, newest) {
        cause
    } else if draft.renewed.contains(network) && others.iter().all(|it| draft.removed.contains_key(it.id.as_str())) {
        Cause::DependencyReplaced(network.clone())
    } else if all_dead {
        Cause::DeadNetwork
    } else {
        not_running(draft, newest)
    }
}

/// A name that none of the run's containers has; the final one if it is free.
fn free_name(final_name: &str, taken: &[&ContainerFacts]) -> String {
    let candidates =
        std::iter::once(final_name.to_owned()).chain((1..).map(|n| format!("{final_name}{}{n}", label::NEXT)));
    candidates.into_iter().find(|name| taken.iter().all(|it| it.name != *name)).unwrap_or_else(|| final_name.to_owned())
}
