//! Values that cannot be compared: those sealed with another user's key, and those not fetched.
//!
//! Pure. They count as unchanged, unless a container has to be recreated anyway: then all containers with
//! sealed values are, since a service and its clients have to agree on a password.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Graph, Node};
use crate::resource::{Config, ResourceId, Secret};
use crate::state::ContainerFacts;

/// Returns the graph in a form that can be compared with `containers`.
pub fn comparable<'a>(graph: &'a Graph, containers: &[ContainerFacts]) -> Cow<'a, Graph> {
    let sealed: Vec<&Node> = graph.nodes().filter(|node| !secrets(&node.config).is_empty()).collect();
    let is_fetched = sealed.iter().all(|node| secrets(&node.config).values().all(|secret| secret.key().is_some()));
    let mut foreign: BTreeMap<ResourceId, Config> = BTreeMap::new();
    let mut all_fit = true;
    for node in sealed {
        let owners = containers.iter().filter_map(|facts| facts.owner.as_ref()).filter(|it| it.resource == node.id);
        let mut is_there = false;
        for owner in owners {
            if let Some(config) = owner.comparable(&node.config) {
                is_there |= owner.fits(&config);
                foreign.insert(node.id.clone(), config);
            } else {
                is_there |= owner.fits(&node.config);
            }
        }
        all_fit &= is_there;
    }
    if foreign.is_empty() || (is_fetched && !all_fit) {
        return Cow::Borrowed(graph);
    }
    Cow::Owned(graph.with_configs(foreign))
}

fn secrets(config: &Config) -> &BTreeMap<String, Secret> {
    static NONE: BTreeMap<String, Secret> = BTreeMap::new();
    match config {
        Config::Container(container) => &container.secrets,
        _ => &NONE,
    }
}
