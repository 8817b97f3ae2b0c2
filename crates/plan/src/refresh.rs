//! Tags that mean another image now: only of images that the user wants refreshed.
//!
//! An image is known by the digests that registries gave it, a container by the id of the image it was made from. What the
//! registries say was asked before; nothing is asked here.

use serde_json::json;

use super::builder::PlanBuilder;
use super::{Action, Cause, FieldDiff, OpId, Operation, Plan};
use moat_model::resource::{ImageDigest, ImageRef};
use moat_model::state::{ContainerFacts, ImageFacts};

/// The pulls of a plan that decide whether the rest of it is needed; `None`: there are none.
///
/// A tag has another digest as soon as anything is different that it leads to: an attestation, the image of another
/// processor. Whether what would run here is another image shows only when it is here.
pub(super) fn deciding(plan: &Plan) -> Option<Plan> {
    let uncertain = |image: &ImageRef| {
        let is_it = |cause: &Cause| matches!(cause, Cause::Moved { image: it, .. } if it == image);
        let creates = |it: &Operation| matches!(it.action, Action::CreateContainer { .. });
        plan.operations.iter().any(|operation| creates(operation) && is_it(&operation.cause))
    };
    let pulls = plan.operations.iter().filter(|operation| match &operation.action {
        Action::PullImage { reference, .. } => uncertain(reference),
        _ => false,
    });
    let numbered = pulls.enumerate().map(|(at, pull)| Operation { id: OpId(at), after: Vec::new(), ..pull.clone() });
    let operations: Vec<Operation> = numbered.collect();
    (!operations.is_empty()).then_some(Plan { operations })
}

/// Why an image has to be pulled although one of its name is there; `None`: it is the registry's, or nobody asked.
pub(super) fn moved(draft: &PlanBuilder<'_>, reference: &ImageRef, here: &ImageFacts) -> Option<Cause> {
    let now = draft.options.registry.get(reference)?;
    if here.digests.contains(now) { None } else { Some(cause(reference, here.digests.first(), now)) }
}

/// Why a container has to be made from what its tag means now; `None`: it was, or nobody asked.
pub(super) fn outdated(draft: &PlanBuilder<'_>, reference: &ImageRef, container: &ContainerFacts) -> Option<Cause> {
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
