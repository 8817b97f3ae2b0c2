//! The digests of a graph's tags in their registries, queried once before the plan.
//!
//! Images that moat builds are in no registry, and a digest is fixed: neither is queried.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use moat_model::engine::{Engine, EngineError};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ImageDigest, ImageRef};

/// The answers of the registries.
#[derive(Debug, Default)]
pub struct Registries {
    pub digests: BTreeMap<ImageRef, ImageDigest>,
    /// Local images that stay as they are because their registry did not answer, with the reason.
    pub kept: Vec<(ImageRef, EngineError)>,
}

/// Queries all images in parallel.
pub async fn ask<E: Engine>(engine: &E, graph: &Graph) -> Registries {
    let answers = asked(graph).map(async |reference| {
        let answer = engine.registry_digest(reference).await;
        // A missing image has to be pulled, and the pull reports its own error.
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

/// The message and the hint for an image that was not refreshed.
pub fn words(reference: &ImageRef, why: &EngineError) -> (String, String) {
    let hint = why.hint.clone().unwrap_or_else(|| "the local image is used".to_owned());
    (format!("`{reference}` was not refreshed: {why}"), hint)
}
