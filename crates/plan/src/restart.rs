//! Reasons to restart a running container in place.

use super::builder::PlanBuilder;
use super::proof::health;
use super::{Cause, sources};
use moat_model::graph::Node;
use moat_model::resource::ContainerConfig;
use moat_model::state::{ContainerFacts, ContainerState, Health};

/// Returns the reason, if there is one. `has_failed`: its probe timed out.
pub(super) fn cause(
    draft: &PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    current: &ContainerFacts,
    has_failed: bool,
) -> Option<Cause> {
    let runs = current.state == ContainerState::Running;
    if runs && draft.options.restart.contains(&current.id) {
        Some(Cause::Asked)
    } else if has_failed || health(current, config) == Health::Unhealthy {
        Some(Cause::Unhealthy)
    } else if runs && draft.options.restore.is_empty() && !node.may_complete() {
        // A one-shot command is not rerun because of a file.
        let path = sources::replaced(draft.graph, draft.observed, config, current)?;
        Some(Cause::SourceReplaced { path })
    } else {
        None
    }
}
