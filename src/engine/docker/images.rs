//! Images: which one a reference means here, and fetching it.

use serde::Deserialize;

use super::Docker;
use super::fault::Failure;
use crate::engine::{Call, EngineError};
use crate::resource::{ImageId, ImageRef};
use crate::state::ImageFacts;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
}

pub(super) async fn image(docker: &Docker, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
    // A reference is made of letters that a path takes as they are, slashes included.
    match docker.get::<Inspected>(Call::Image, &format!("/images/{reference}/json")).await {
        Ok(found) => Ok(Some(ImageFacts { id: ImageId::new(found.id) })),
        Err(Failure::Refused { status: 404, .. }) => Ok(None),
        Err(failure) => Err(failure.into_error(Call::Image)),
    }
}
