//! The planner: what is wanted against what is there, resource by resource, dependencies first.
//!
//! Total: whatever world it is shown, it gives a plan. A plan for the empty graph removes everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;

use super::builder::PlanBuilder;
use super::{Action, Cause, Handle, OpId, Plan, container, power, refresh, removal};
use moat_model::engine::ImageBuild;
use moat_model::graph::{Gate, Graph, Milestone, Node, comparable};
use moat_model::resource::{
    Config, ContainerId, ImageConfig, ImageDigest, ImageRef, ResourceId, Retention, SubnetRange, label,
};
use moat_model::state::{NetworkFacts, Observed};

/// What a plan depends on besides the desired and the observed state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Containers that were proven ready in this very run: they need no second proof.
    pub proven: BTreeSet<ContainerId>,
    /// Containers that were there, and whose probe did not say yes in time in this very run. They get their files again
    /// and are restarted, unless they were proven since.
    pub unready: BTreeSet<ContainerId>,
    /// Containers that were updated in this very run: what they do not have now is what the engine drops.
    pub updated: BTreeSet<ContainerId>,
    /// Resources whose replacement failed: the older one is put back.
    pub restore: BTreeSet<ResourceId>,
    /// What becomes of volumes that the graph does not want.
    pub volumes: Volumes,
    /// What goes does so because an apply failed.
    pub undo: bool,
    /// Where networks get their addresses from.
    pub range: SubnetRange,
    /// Addresses that cannot be used, though no network of the engine has them: the host's routes, and what the
    /// engine has refused.
    pub avoid: Vec<Ipv4Net>,
    /// Resources that are left as they are for now, with whatever waits for them.
    pub leave: BTreeSet<ResourceId>,
    /// Whether the run is to be up.
    pub power: Power,
    /// Containers that the user wants restarted, and that have not been yet.
    pub restart: BTreeSet<ContainerId>,
    /// Ports of the engine's machine that turned out to be in use.
    pub avoid_ports: BTreeSet<u16>,
    /// What tags mean in their registries, of those that the user wants refreshed. None of others.
    pub registry: BTreeMap<ImageRef, ImageDigest>,
    /// In place of each probe's own timeout.
    pub wait_timeout: Option<Duration>,
    /// In place of the time that each container has to stop. In seconds.
    pub grace: Option<u32>,
}

/// Whether a run is to be up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Power {
    /// As a user has left it: down if there is a mark that says so, otherwise up.
    #[default]
    AsLeft,
    /// Down from now on.
    Stop,
    /// Up from now on.
    Start,
}

/// The consent given to remove volumes that are not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Volumes {
    /// None: they stay.
    #[default]
    Keep,
    /// Those that go with the run. What a volume's own label says is overruled by the spec where it knows the volume.
    Scratch(BTreeMap<ResourceId, Retention>),
    /// All.
    All,
}

/// Compares what is wanted with what is there.
pub fn compute(graph: &Graph, observed: &Observed, options: &Options) -> Plan {
    let graph = &*comparable(graph, &observed.containers);
    let plan = draft(graph, observed, options, &BTreeSet::new());
    // Which containers are created shows only at the end; one that is merely started again needs no image.
    let needless = needless_pulls(&plan);
    if needless.is_empty() { plan } else { draft(graph, observed, options, &needless) }
}

/// The images whose pull nothing waits for.
fn needless_pulls(plan: &Plan) -> BTreeSet<ResourceId> {
    let waited_for: BTreeSet<OpId> = plan.operations.iter().flat_map(|operation| &operation.after).copied().collect();
    let pulls = plan.operations.iter().filter(|operation| matches!(operation.action, Action::PullImage { .. }));
    pulls.filter(|pull| !waited_for.contains(&pull.id)).map(|pull| pull.resource.clone()).collect()
}

/// The plan without pulls of the images that are `needless`.
fn draft(graph: &Graph, observed: &Observed, options: &Options, needless: &BTreeSet<ResourceId>) -> Plan {
    let mut draft = PlanBuilder::new(graph, observed, options);
    if power::is_down(&draft) {
        power::stop(&mut draft);
        return draft.finish();
    }
    power::start(&mut draft);
    for node in graph.in_order() {
        match &node.config {
            Config::Image(_) if needless.contains(&node.id) => {}
            Config::Image(_) => image(&mut draft, node),
            Config::Volume(_) => volume(&mut draft, node),
            Config::Network(_) => network(&mut draft, node),
            // Putting back is about what failed, and nothing else.
            Config::Container(_) if !options.restore.is_empty() && !options.restore.contains(&node.id) => {}
            Config::Container(config) => container::plan(&mut draft, node, config),
        }
    }
    power::started(&mut draft);
    if options.restore.is_empty() {
        removal::unwanted(&mut draft);
    }
    draft.finish()
}

fn image(draft: &mut PlanBuilder<'_>, node: &Node) {
    let Config::Image(config) = &node.config else { return };
    // An image that nobody asked about is one that nobody needs: its containers are there.
    let cause = match draft.observed.images.get(&config.reference) {
        Some(None) => Cause::Missing,
        Some(Some(facts)) => match refresh::moved(draft, &config.reference, facts) {
            Some(cause) => cause,
            None => return,
        },
        None => return,
    };
    let (action, cause) = match &config.dockerfile {
        None => {
            let digest = draft.options.registry.get(&config.reference).cloned();
            (Action::PullImage { reference: config.reference.clone(), digest }, cause)
        }
        Some(dockerfile) => {
            let labels = [(label::IMAGE.to_owned(), draft.graph.run.agent.to_string())].into();
            let ImageConfig { reference, context, network, .. } = config.clone();
            let build = ImageBuild { reference, dockerfile: dockerfile.clone(), context, labels, network };
            (Action::BuildImage { build }, why_built(draft, config))
        }
    };
    let made = draft.add(&node.id, config.reference.as_str(), action, cause, []);
    draft.hold(&node.id, Milestone::Created, made);
}

/// An image is known by what it is made of: one that is not there is another one than the container was created from.
fn why_built(draft: &PlanBuilder<'_>, config: &ImageConfig) -> Cause {
    let uses = |node: &&Node| matches!(&node.config, Config::Container(it) if it.image == config.reference);
    let node = draft.graph.in_order().into_iter().find(uses);
    let diffs = node.and_then(|node| {
        let applied = draft.observed.containers_of(&node.id).last()?.owner.as_ref()?;
        Some(super::diff::between(&applied.config, &node.config.canonical()))
    });
    let image: Vec<_> = diffs.into_iter().flatten().filter(|diff| diff.field == "image").collect();
    if image.is_empty() { Cause::Missing } else { Cause::Changed(image) }
}

/// A volume that is there is right, whatever it was made of: its data is worth more than its options.
fn volume(draft: &mut PlanBuilder<'_>, node: &Node) {
    if draft.observed.volumes_of(&node.id).next().is_some() {
        return;
    }
    let run = &draft.graph.run;
    let action = Action::CreateVolume { labels: label::labels(run, &node.id, &node.config) };
    let name = run.name_of(&node.id);
    let create = draft.add(&node.id, name, action, Cause::Missing, []);
    draft.hold(&node.id, Milestone::Created, create);
}

/// Keeps the oldest network that is as wanted, since that is the one that containers are most likely on.
fn network(draft: &mut PlanBuilder<'_>, node: &Node) {
    let found: Vec<_> = draft.observed.networks_of(&node.id).collect();
    let wanted = node.config.hash();
    let as_wanted = |facts: &&&NetworkFacts| facts.owner.as_ref().is_some_and(|owner| owner.hash == wanted);
    if let Some(keep) = found.iter().find(as_wanted) {
        draft.networks.insert(node.id.clone(), Handle::Known(keep.id.clone()));
        return;
    }
    let cause = match found.first().and_then(|old| old.owner.as_ref()) {
        Some(owner) => Cause::Changed(super::diff::between(&owner.config, &node.config.canonical())),
        None => Cause::Missing,
    };
    // Two networks cannot share a name, so the old one goes first, and with it the containers that hold its id.
    draft.renewed.insert(node.id.clone());
    let mut cleared = BTreeSet::new();
    for old in &found {
        cleared.insert(removal::network(draft, old, &cause));
    }
    create_network(draft, node, cause, cleared);
}

fn create_network(draft: &mut PlanBuilder<'_>, node: &Node, cause: Cause, after: BTreeSet<OpId>) {
    let Config::Network(config) = &node.config else { return };
    let run = &draft.graph.run;
    let labels = label::labels(run, &node.id, &node.config);
    // With the range used up the engine's own pools are what is left, and if those are too, it says so.
    let taken: Vec<Ipv4Net> = draft.observed.taken.iter().chain(&draft.options.avoid).copied().collect();
    let subnet = config.subnet.or_else(|| draft.options.range.free(run.id.as_str(), &taken));
    let action = Action::CreateNetwork { labels, internal: config.internal, subnet };
    let name = run.name_of(&node.id);
    let held = draft.held(&node.id, Gate::Create);
    let create = draft.add(&node.id, name, action, cause, held.into_iter().chain(after));
    draft.networks.insert(node.id.clone(), Handle::From(create));
    draft.hold(&node.id, Milestone::Created, create);
}
