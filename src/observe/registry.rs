//! The digests of a graph's tags in their registries, queried once before the plan.
//!
//! Images that moat builds are in no registry, and a digest is fixed: neither is queried.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use moat_model::engine::{Change, Detail, Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ImageConfig, ImageDigest, ImageRef};
use moat_model::state::ImageFacts;

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
    let answers = asked(graph).map(async |config| {
        let reference = &config.reference;
        let answer = match engine.registry_digest(reference).await {
            Ok(digest) => of_platform(engine, config, digest).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Err(error) if error.detail == Some(Detail::NoRegistryQuery) && without == WithoutQuery::Pull => {
                pulled_digest(engine, config).await
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

/// The registry's digest for an image of a named platform, if it can be compared with the local one.
///
/// Docker's classic image store records the digest of an index for one image only: the first one that was pulled. Whether
/// the image of another platform is the registry's is then known only after a pull.
async fn of_platform<E: Engine>(
    engine: &E,
    config: &ImageConfig,
    digest: ImageDigest,
) -> Result<ImageDigest, EngineError> {
    if config.platform.is_none() {
        return Ok(digest);
    }
    match engine.image(&config.reference).await? {
        Some(here) if !here.digests.contains(&digest) => {
            let message = "the engine has not recorded its digest for this platform";
            Err(EngineError::new(Fault::Refused, message).because(Detail::NoRegistryQuery))
        }
        _ => Ok(digest),
    }
}

/// The digest that a pull records. An image that is here already under this digest stays as it is. An image without any
/// is compared by its id.
async fn pulled_digest<E: Engine>(engine: &E, config: &ImageConfig) -> Result<ImageDigest, EngineError> {
    let (reference, platform) = (&config.reference, config.platform.clone());
    engine.change(&Change::Pull { reference: reference.clone(), platform }, &|_| ()).await?;
    let facts = engine.image(reference).await?;
    let by_id = |facts: &ImageFacts| config.platform.is_some().then(|| ImageDigest::new(facts.id.as_str()));
    let digest = facts.and_then(|facts| facts.digests.first().cloned().or_else(|| by_id(&facts)));
    digest.ok_or_else(|| EngineError::new(Fault::Pull, "the engine does not report the digest of the pulled image"))
}

/// The images that a registry is asked about.
pub fn asked(graph: &Graph) -> impl Iterator<Item = &ImageConfig> {
    graph.nodes().filter_map(|node| match &node.config {
        Config::Image(config) if config.dockerfile.is_none() && !config.reference.is_pinned() => Some(config),
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
