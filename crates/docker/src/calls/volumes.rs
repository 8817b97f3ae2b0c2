//! Volumes: removal, and creation, which fails if another owner has the name.

use std::collections::{BTreeMap, HashMap};

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;
use serde::Deserialize;

use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError, Fault, VolumeCreate};

/// The created or existing volume.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreatedVolume {
    labels: Option<BTreeMap<String, String>>,
}

pub(crate) async fn create(docker: &Docker, create: &VolumeCreate) -> Result<(), EngineError> {
    let request = VolumeCreateRequest {
        name: Some(create.name.clone()),
        labels: Some(create.labels.clone().into_iter().collect::<HashMap<_, _>>()),
        ..Default::default()
    };
    let made: CreatedVolume = docker
        .post(Call::CreateVolume, "/volumes/create", &request)
        .await
        .map_err(|failure| failure.into_error(Call::CreateVolume))?;
    let has = made.labels.unwrap_or_default();
    if create.labels.iter().all(|(key, value)| has.get(key) == Some(value)) {
        return Ok(());
    }
    let message = format!("a volume `{}` exists already and does not belong to this sandbox", create.name);
    Err(EngineError::new(Fault::Conflict, message))
}

pub(crate) async fn remove(docker: &Docker, name: &str) -> Result<(), EngineError> {
    docker.ensure(Call::RemoveVolume, docker.api.remove_volume(safe(name)?, None::<RemoveVolumeOptions>)).await
}
