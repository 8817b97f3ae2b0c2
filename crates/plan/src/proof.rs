//! Readiness: what proves a container ready, and whether a probe is needed at all.

use super::builder::PlanBuilder;
use super::{Action, Handle};
use moat_model::graph::Node;
use moat_model::resource::{ContainerConfig, ContainerId, ImageCheck, Probe, Role};
use moat_model::state::{ContainerFacts, Health, STABLE_RUN};

/// Whether a running container needs no further proof.
pub(super) fn is_settled(
    draft: &PlanBuilder<'_>,
    current: &ContainerFacts,
    node: &Node,
    config: &ContainerConfig,
) -> bool {
    let proven = draft.options.proven.contains(&current.id);
    if draft.observed.crashes(current).is_some() && !proven {
        return false;
    }
    match (&node.probe, health(current, config)) {
        (_, Health::Unhealthy) => false,
        (_, Health::Healthy) | (None | Some(Probe::Running { .. } | Probe::Idle { .. }), _) => true,
        (Some(Probe::Exec { .. }), Health::None | Health::Starting) => proven,
    }
}

/// The result of the engine's check, unless that is the image's check for a program that is not run. A
/// container created before moat disabled such checks still has one.
pub(super) fn health(facts: &ContainerFacts, config: &ContainerConfig) -> Health {
    let is_of_image = config.health.is_none() && config.image_check == ImageCheck::Off;
    if is_of_image { Health::None } else { facts.health }
}

/// Extends the probe of a container that was just restarted, since it may crash again.
pub(super) fn require_stability(probe: &mut Probe) {
    match probe {
        Probe::Exec { settle, .. } | Probe::Running { settle, .. } => *settle = STABLE_RUN,
        Probe::Idle { .. } => *probe = Probe::Running { settle: STABLE_RUN, check: None },
    }
}

/// The wait that proves a container ready; `None` if it has no probe.
pub(super) fn prove(
    draft: &PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    container: Handle<ContainerId>,
) -> Option<Action> {
    let mut probe = node.probe.clone()?;
    if let Some(limit) = draft.options.wait_timeout {
        match &mut probe {
            Probe::Exec { timeout, .. } | Probe::Idle { timeout, .. } => *timeout = limit,
            Probe::Running { check, .. } => *check = check.map(|_| limit),
        }
    }
    let (image, failures) = (config.image.clone(), node.failures.clone());
    // The check of builds follows the apply.
    let builds = draft.graph.builds.as_ref().filter(|_| node.role == Role::Main);
    let beside = builds.map(|builds| builds.check.clone());
    Some(Action::AwaitReady { container, probe, image, failures, may_complete: node.may_complete(), beside })
}
