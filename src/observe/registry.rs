//! The digests of a graph's tags in their registries, queried once before the plan.
//!
//! Images that moat builds are in no registry, and a digest is fixed: neither is queried.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use moat_model::engine::{Change, Detail, Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ImageDigest, ImageRef};

/// The answers of the registries.
#[derive(Debug, Default)]
pub struct Registries {
    pub digests: BTreeMap<ImageRef, ImageDigest>,
    /// Local images that stay as they are because their registry did not answer, with the reason.
    pub kept: Vec<(ImageRef, EngineError)>,
}

/// What to do if the engine cannot ask registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutQuery {
    /// Pull the image, and take the digest that the pull recorded.
    Pull,
    /// Keep the local image: nothing may be changed.
    Keep,
}

/// Queries all images in parallel.
pub async fn ask<E: Engine>(engine: &E, graph: &Graph, without: WithoutQuery) -> Registries {
    let answers = asked(graph).map(async |reference| {
        let answer = match engine.registry_digest(reference).await {
            Err(error) if error.detail == Some(Detail::NoRegistryQuery) && without == WithoutQuery::Pull => {
                pulled_digest(engine, reference).await
            }
            answer => answer,
        };
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

/// The digest that a pull records. An image that is here already under this digest stays as it is.
async fn pulled_digest<E: Engine>(engine: &E, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
    engine.change(&Change::Pull { reference: reference.clone() }, &|_| ()).await?;
    let facts = engine.image(reference).await?;
    let digest = facts.and_then(|facts| facts.digests.into_iter().next());
    digest.ok_or_else(|| EngineError::new(Fault::Pull, "the engine does not report the digest of the pulled image"))
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
    let hint = match why.detail {
        Some(Detail::NoRegistryQuery) => "`moat apply --pull` pulls it and compares".to_owned(),
        _ => why.hint.clone().unwrap_or_else(|| "the local image is used".to_owned()),
    };
    (format!("`{reference}` was not refreshed: {why}"), hint)
}
