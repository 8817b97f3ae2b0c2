//! What the tags of a graph mean in their registries now: asked once, before anything is planned.
//!
//! Images that moat makes are in no registry, and a digest means the same everywhere: neither is asked about.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use moat_model::engine::{Engine, EngineError};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ImageDigest, ImageRef};

/// The registries' answers.
#[derive(Debug, Default)]
pub struct Registries {
    pub digests: BTreeMap<ImageRef, ImageDigest>,
    /// Images that are on the engine and stay as they are: no registry told of them, and why.
    pub kept: Vec<(ImageRef, EngineError)>,
}

/// Asks about all images at once.
pub async fn ask<E: Engine>(engine: &E, graph: &Graph) -> Registries {
    let answers = asked(graph).map(async |reference| {
        let answer = engine.registry_digest(reference).await;
        // One that is not here has to be pulled, and that tells by itself why it cannot be.
        let is_here = answer.is_err() && matches!(engine.image(reference).await, Ok(Some(_)));
        (reference.clone(), answer, is_here)
    });
    let mut found = Registries::default();
    for (reference, answer, is_here) in join_all(answers).await {
        match answer {
            Ok(digest) => {
                found.digests.insert(reference, digest);
            }
            Err(error) if is_here => found.kept.push((reference, error)),
            Err(_) => {}
        }
    }
    found
}

/// The images that a registry is asked about.
pub fn asked(graph: &Graph) -> impl Iterator<Item = &ImageRef> {
    graph.nodes().filter_map(|node| match &node.config {
        Config::Image(config) if config.dockerfile.is_none() && !config.reference.is_pinned() => {
            Some(&config.reference)
        }
        _ => None,
    })
}

/// What a user is told of an image that stays as it is: a message, and a hint.
pub fn words(reference: &ImageRef, why: &EngineError) -> (String, String) {
    let hint = why.hint.clone().unwrap_or_else(|| "the image that the engine has is used".to_owned());
    (format!("`{reference}` is kept as it is on the engine: {why}"), hint)
}
