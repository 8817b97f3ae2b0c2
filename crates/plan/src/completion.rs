//! One-shot commands that have completed.

use super::Power;
use super::builder::PlanBuilder;
use moat_model::graph::Node;
use moat_model::resource::Role;
use moat_model::resource::label::Ownership;
use moat_model::state::ContainerFacts;

/// Whether its command has completed, and no further run was requested.
pub(super) fn is_done(draft: &PlanBuilder<'_>, node: &Node, facts: &ContainerFacts) -> bool {
    // A restored container matches the previous desired state.
    let restores = draft.options.restore.contains(&node.id);
    let was_run = || node.role == Role::Main && facts.owner.as_ref().is_some_and(Ownership::is_of_a_run);
    let is_run = if restores { was_run() } else { node.may_complete() };
    is_run && facts.has_completed() && !is_rerun_requested(draft, facts)
}

/// Whether a user requested another run of an exited container: starting a stopped run starts all of its containers.
pub(super) fn is_rerun_requested(draft: &PlanBuilder<'_>, facts: &ContainerFacts) -> bool {
    let starts = draft.options.power == Power::Start && draft.observed.is_stopped() && facts.has_completed();
    starts || draft.options.restart.contains(&facts.id)
}
