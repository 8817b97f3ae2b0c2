//! The volumes of a container, by their names on the engine.

use std::collections::BTreeMap;

use super::builder::PlanBuilder;
use moat_model::engine::VolumeMount;
use moat_model::resource::{ContainerConfig, Mount, MountSource, ResourceId, label};

pub(super) fn mounts(draft: &PlanBuilder<'_>, config: &ContainerConfig) -> Vec<VolumeMount> {
    let name = |volume: &ResourceId| {
        let found = draft.observed.volumes_of(volume).next().map(|facts| facts.name.clone());
        found.unwrap_or_else(|| draft.graph.run.name_of(volume))
    };
    // If the volume is removed before the container is created, the engine creates it; moat must recognise it.
    let labels = |volume: &ResourceId| {
        let node = draft.graph.node(volume);
        node.map(|node| label::labels(&draft.graph.run, volume, &node.config)).unwrap_or_default()
    };
    let mount = |it: &Mount| {
        let (volume, labels) = match &it.source {
            MountSource::Volume(id) => (name(id), labels(id)),
            MountSource::Foreign(name) => (name.clone(), BTreeMap::new()),
            MountSource::Path(_) | MountSource::Empty | MountSource::Memory { .. } => return None,
        };
        Some(VolumeMount { volume, target: it.target.clone(), read_only: it.read_only, labels })
    };
    config.mounts.iter().filter_map(mount).collect()
}
