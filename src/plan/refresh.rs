//! Tags that mean another image now: only of images that the user wants refreshed.
//!
//! An image is known by the digests that registries gave it, a container by the id of the image it was made from. What the
//! registries say was asked before; nothing is asked here.

use serde_json::json;

use super::draft::Draft;
use super::{Cause, FieldDiff};
use crate::resource::{ImageDigest, ImageRef};
use crate::state::{ContainerFacts, ImageFacts};

/// Why an image has to be pulled although one of its name is there; `None`: it is the registry's, or nobody asked.
pub(super) fn moved(draft: &Draft<'_>, reference: &ImageRef, here: &ImageFacts) -> Option<Cause> {
    let now = draft.options.registry.get(reference)?;
    if here.digests.contains(now) { None } else { Some(cause(reference, here.digests.first(), now)) }
}

/// Why a container has to be made from what its tag means now; `None`: it was, or nobody asked.
pub(super) fn outdated(draft: &Draft<'_>, reference: &ImageRef, container: &ContainerFacts) -> Option<Cause> {
    let now = draft.options.registry.get(reference)?;
    // Engines that keep images as registries do know them by the same digest.
    if container.image.as_str() == now.as_str() {
        return None;
    }
    let here = draft.observed.images.get(reference)?.as_ref();
    let of_it = here.filter(|here| here.id == container.image);
    if of_it.is_some_and(|here| here.digests.contains(now)) {
        return None;
    }
    Some(cause(reference, of_it.and_then(|here| here.digests.first()), now))
}

fn cause(reference: &ImageRef, old: Option<&ImageDigest>, new: &ImageDigest) -> Cause {
    let (old, new) = (old.map(|digest| json!(digest)), Some(json!(new)));
    Cause::Moved { image: reference.clone(), digests: FieldDiff { field: "image.digest".to_owned(), old, new } }
}
