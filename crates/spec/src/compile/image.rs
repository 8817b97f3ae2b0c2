//! The images of a graph's containers.

use std::collections::BTreeMap;

use super::dockerfile::Dockerfile;
use crate::diagnostic::quoted;
use crate::{Diagnostic, Spec};
use moat_model::graph::Node;
use moat_model::resource::{
    BuildNetwork, Config, ContainerConfig, ImageConfig, ImageRef, Platform, ResourceId, gateway,
};

/// The configuration of a container's image. `made`: how it is built, if it is.
pub(super) fn config(container: &ContainerConfig, made: Option<&Dockerfile>, network: BuildNetwork) -> ImageConfig {
    ImageConfig {
        reference: container.image.clone(),
        dockerfile: made.map(|made| made.text.clone()),
        context: made.and_then(|made| made.context.clone()),
        network: if made.is_some() { network } else { BuildNetwork::Default },
        program: container.image == gateway::image(),
        platform: container.platform.clone(),
    }
}

/// Images that containers want for different platforms: on the engine a name refers to one of them at a time.
pub(super) fn of_two_platforms(spec: &Spec, nodes: &[Node]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&ImageRef, Option<&Platform>> = BTreeMap::new();
    let mut found = Vec::new();
    for node in nodes {
        let Config::Container(config) = &node.config else { continue };
        let platform = config.platform.as_ref();
        let other = *first.entry(&config.image).or_insert(platform);
        if other != platform {
            let names = [other, platform].map(|it| it.map_or("no platform".to_owned(), |it| quoted(&it.to_string())));
            let message =
                format!("the image {} is used with {} and {}", quoted(config.image.as_str()), names[0], names[1]);
            let hint = "write the same `platform` in both places, or choose different tags";
            found.push(Diagnostic::error(spec.place(&place(spec, &node.id)), message).hint(hint));
        }
    }
    found
}

/// The key of a container's platform, or else of its image.
fn place(spec: &Spec, container: &ResourceId) -> String {
    match spec.services.get(&container.name) {
        Some(service) if service.platform.is_some() => format!("services.{}.platform", container.name),
        Some(_) => format!("services.{}.image", container.name),
        None if spec.platform.is_some() => "platform".to_owned(),
        None => "image".to_owned(),
    }
}
