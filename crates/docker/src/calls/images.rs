//! Images: what a reference resolves to on the engine and in its registry.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::Deserialize;

use super::{credentials, pull, pull_fault};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::version::Vendor;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use moat_model::engine::{Call, Detail, EngineError, Fault};
use moat_model::resource::label::{self, Origin};
use moat_model::resource::{ImageDigest, ImageId, ImageRef, Platform};
use moat_model::state::ImageFacts;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    /// Such as `busybox@sha256:…`, one for each repository that it was pulled from or pushed to.
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Distributed {
    descriptor: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

pub(crate) async fn image(docker: &Docker, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
    // A reference needs no encoding in a path, slashes included.
    match docker.get::<Inspected>(Call::Image, &format!("/images/{reference}/json")).await {
        Ok(found) => {
            let names = found.repo_digests.unwrap_or_default();
            let digests = names.iter().filter_map(|name| name.split_once('@'));
            let digests = digests.map(|(_, digest)| ImageDigest::new(digest)).collect();
            let platform = Platform::observed(&found.architecture, &found.variant);
            Ok(Some(ImageFacts { id: ImageId::new(found.id), digests, platform }))
        }
        Err(Failure::Refused { status: 404, .. }) => Ok(None),
        Err(failure) => Err(failure.into_error(Call::Image)),
    }
}

/// The images that themselves have the label of a run, with one call.
pub(crate) async fn claiming(docker: &Docker) -> Result<BTreeSet<ImageId>, EngineError> {
    let filters = serde_json::json!({ "label": [label::RUN] }).to_string();
    let path = format!("/images/json?all=1&filters={}", encoded(&filters));
    let found: Vec<Listed> = docker.get(Call::Image, &path).await.map_err(|failure| failure.into_error(Call::Image))?;
    Ok(found.into_iter().map(|image| ImageId::new(image.id)).collect())
}

/// Whether the labels of a container may come from its image, given by name or id.
pub(crate) async fn origin(docker: &Docker, image: &str) -> Result<Origin, EngineError> {
    match docker.get::<Inspected>(Call::Image, &format!("/images/{image}/json")).await {
        Ok(found) => {
            let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
            Ok(if label::are_claimed(labels.keys()) { Origin::Claiming } else { Origin::Plain })
        }
        Err(Failure::Refused { status: 404, .. }) => Ok(Origin::Gone),
        Err(failure) => Err(failure.into_error(Call::Image)),
    }
}

/// The digest of a reference in its registry: the one that a pull would record, for any platform.
pub(crate) async fn registry_digest(docker: &Docker, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
    let asked = async {
        let path = format!("/distribution/{reference}/json");
        let request = pull::authorised(docker, reference, wire::plain(Method::GET, &path)?).await?;
        answer::json::<Distributed>(docker.wire.send(request).await?).await
    };
    match docker.call(Call::RegistryDigest, asked).await {
        Ok(found) => Ok(ImageDigest::new(found.descriptor.digest)),
        // Podman does not have this path.
        Err(Failure::Refused { status: 404, .. }) if docker.vendor == Vendor::Podman => {
            let message = "the engine cannot ask a registry without a pull";
            Err(EngineError::new(Fault::Refused, message).because(Detail::NoRegistryQuery))
        }
        Err(Failure::Refused { message, .. }) => {
            Err(credentials::explained(pull_fault::explain(reference, None, &message), docker.credentials_problem()))
        }
        Err(failure) => Err(failure.into_error(Call::RegistryDigest)),
    }
}
