//! Moved tags: those that refer to another image in the registry. Only for images to refresh.
//!
//! An image is identified by its registry digests, a container by the id of the image that it was created from. The
//! registries were queried before the plan.

use serde_json::json;

use super::builder::PlanBuilder;
use super::{Action, Cause, FieldDiff, OpId, Operation, Plan};
use moat_model::resource::{ImageDigest, ImageRef};
use moat_model::state::{ContainerFacts, ImageFacts};

/// Returns the pulls that decide whether the rest of a plan is needed, if there are any.
///
/// The digest of a tag changes with anything that it refers to: an attestation, the image of another
/// platform. Only after the pull is it known whether the image for this platform is different.
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

/// Why an existing image has to be pulled again; `None` if it is current, or no refresh was requested.
pub(super) fn moved(draft: &PlanBuilder<'_>, reference: &ImageRef, here: &ImageFacts) -> Option<Cause> {
    let now = draft.options.registry.get(reference)?;
    // An image without a digest of its own is compared by its id.
    if here.digests.contains(now) || here.id.as_str() == now.as_str() {
        None
    } else {
        Some(cause(reference, here.digests.first(), now))
    }
}

/// Why a container has to be recreated from the current image of its tag; `None` if it is current, or no refresh was
/// requested.
pub(super) fn outdated(draft: &PlanBuilder<'_>, reference: &ImageRef, container: &ContainerFacts) -> Option<Cause> {
    let now = draft.options.registry.get(reference)?;
    // Engines with a content store use the same digest as the registry.
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
