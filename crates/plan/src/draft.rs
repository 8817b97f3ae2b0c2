//! Plans each resource of a graph, dependencies first.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::json;

use super::builder::PlanBuilder;
use super::{Action, Cause, FieldDiff, Handle, OpId, Options, Plan, container, grant, policy, power, refresh, removal};
use moat_model::engine::ImageBuild;
use moat_model::graph::{Gate, Graph, Milestone, Node};
use moat_model::resource::{Config, ImageConfig, NetworkConfig, ResourceId, SubnetSize, label};
use moat_model::state::{ImageFacts, NetworkFacts, Observed};

/// The plan without pulls of the images that are `needless`.
pub(super) fn draft(graph: &Graph, observed: &Observed, options: &Options, needless: &BTreeSet<ResourceId>) -> Plan {
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
            // A restore only concerns what failed.
            Config::Container(_) if !options.restore.is_empty() && !options.restore.contains(&node.id) => {}
            Config::Container(config) => container::plan(&mut draft, node, config),
            Config::Policy(config) => policy::plan(&mut draft, node, config),
            Config::Grant(config) => grant::plan(&mut draft, node, config),
        }
    }
    power::started(&mut draft);
    if options.restore.is_empty() {
        removal::surplus(&mut draft);
    }
    draft.finish()
}

fn image(draft: &mut PlanBuilder<'_>, node: &Node) {
    let Config::Image(config) = &node.config else { return };
    // An image that was not looked up is not needed: its containers exist.
    let cause = match draft.observed.images.get(&config.reference) {
        Some(None) => Cause::Missing,
        Some(Some(facts)) => {
            match other_platform(config, facts).or_else(|| refresh::moved(draft, &config.reference, facts)) {
                Some(cause) => cause,
                None => return,
            }
        }
        None => return,
    };
    let labels = || [(label::IMAGE.to_owned(), draft.graph.run.agent.to_string())].into();
    let (action, cause) = match &config.dockerfile {
        None if config.program => {
            let labels = [(label::PROGRAM.to_owned(), config.reference.to_string())].into();
            (Action::ImportImage { reference: config.reference.clone(), labels }, cause)
        }
        None => {
            // The engine may not record the digest for another platform.
            let digest = draft.options.registry.get(&config.reference).filter(|_| config.platform.is_none()).cloned();
            let (reference, platform) = (config.reference.clone(), config.platform.clone());
            (Action::PullImage { reference, platform, digest }, cause)
        }
        Some(dockerfile) => {
            let ImageConfig { reference, context, network, platform, .. } = config.clone();
            let dockerfile = dockerfile.clone();
            let build = ImageBuild { reference, dockerfile, context, labels: labels(), network, platform };
            (Action::BuildImage { build }, why_built(draft, config))
        }
    };
    let made = draft.add(&node.id, config.reference.as_str(), action, cause, []);
    draft.hold(&node.id, Milestone::Created, made);
}

/// Why an existing image has to be pulled again for its platform; `None` if it has the one of the spec, if the spec names
/// none, or if the engine does not report it.
fn other_platform(config: &ImageConfig, here: &ImageFacts) -> Option<Cause> {
    let (desired, observed) = (config.platform.as_ref()?, here.platform.as_ref()?);
    let (old, new) = (Some(json!(observed)), Some(json!(desired)));
    (!desired.accepts(observed)).then(|| Cause::Changed(vec![FieldDiff { field: "platform".to_owned(), old, new }]))
}

/// A built image is identified by its inputs: if it does not exist, the container was created from another one.
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

/// An existing volume is always kept, whatever its options: its data is worth more.
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

/// The oldest network in sync, which containers are most likely connected to.
pub(super) fn kept_network<'a>(observed: &'a Observed, node: &'a Node) -> Option<&'a NetworkFacts> {
    let desired = node.config.hash();
    let is_as_recorded = |facts: &&NetworkFacts| facts.owner.as_ref().is_some_and(|owner| owner.hash == desired);
    observed.networks_of(&node.id).filter(is_as_recorded).find(|facts| holds(facts, node))
}

/// Whether a network still keeps containers inside. Its flags cannot be changed; it may have been made again by hand, with
/// the same labels.
fn holds(facts: &NetworkFacts, node: &Node) -> bool {
    let Config::Network(config) = &node.config else { return true };
    (!config.internal || facts.internal) && (!config.gateway || facts.without_host)
}

/// What is not as desired in a network with the desired configuration in its labels.
fn weakened(facts: &NetworkFacts, config: &NetworkConfig) -> Vec<FieldDiff> {
    let lost = |field: &str| FieldDiff { field: field.to_owned(), old: Some(json!(false)), new: Some(json!(true)) };
    let internal = (config.internal && !facts.internal).then(|| lost("internal"));
    internal.into_iter().chain((config.gateway && !facts.without_host).then(|| lost("gateway"))).collect()
}

fn network(draft: &mut PlanBuilder<'_>, node: &Node) {
    let found: Vec<_> = draft.observed.networks_of(&node.id).collect();
    if let Some(keep) = kept_network(draft.observed, node) {
        draft.networks.insert(node.id.clone(), Handle::Known(keep.id.clone()));
        draft.subnets.extend(keep.subnets.first().map(|subnet| (node.id.clone(), *subnet)));
        return;
    }
    let cause = match found.first().and_then(|old| Some((old, old.owner.as_ref()?))) {
        Some((old, owner)) => {
            let mut diffs = super::diff::between(&owner.config, &node.config.canonical());
            if let (true, Config::Network(config)) = (diffs.is_empty(), &node.config) {
                diffs = weakened(old, config);
            }
            Cause::Changed(diffs)
        }
        None => Cause::Missing,
    };
    // Two networks cannot share a name, so the old one is removed first, with the containers that refer to its id.
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
    // If the range is used up, the engine's own pools are left; if those are too, the engine reports an error.
    let others = draft.options.avoid.iter().chain(draft.subnets.values());
    let taken: Vec<Ipv4Net> = draft.observed.taken.iter().flatten().chain(others).copied().collect();
    let size = if config.gateway { SubnetSize::WithGateway } else { SubnetSize::Plain };
    let subnet = config.subnet.or_else(|| draft.options.range.free(size, run.id.as_str(), &taken));
    let action = Action::CreateNetwork { labels, internal: config.internal, subnet, gateway: config.gateway };
    draft.subnets.extend(subnet.map(|subnet| (node.id.clone(), subnet)));
    let name = run.name_of(&node.id);
    let held = draft.held(&node.id, Gate::Create);
    let create = draft.add(&node.id, name, action, cause, held.into_iter().chain(after));
    draft.networks.insert(node.id.clone(), Handle::From(create));
    draft.hold(&node.id, Milestone::Created, create);
}
