//! What proves a container ready, and whether that has to be asked at all.

use super::builder::PlanBuilder;
use super::{Action, Handle};
use moat_model::graph::Node;
use moat_model::resource::{ContainerConfig, ContainerId, ImageCheck, Probe};
use moat_model::state::{ContainerFacts, Health, RAN_WELL};

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

/// What the engine's check says, unless that is one of the image's which asks for a program that does not run. A
/// container that was made before such checks were switched off still has it.
pub(super) fn health(facts: &ContainerFacts, config: &ContainerConfig) -> Health {
    let is_of_image = config.health.is_none() && config.image_check == ImageCheck::Off;
    if is_of_image { Health::None } else { facts.health }
}

/// What has just been started again has to last for longer, since it may well end once more.
pub(super) fn lasts_well(probe: &mut Probe) {
    match probe {
        Probe::Exec { settle, .. } | Probe::Running { settle, .. } => *settle = RAN_WELL,
        Probe::Idle { .. } => *probe = Probe::Running { settle: RAN_WELL, check: None },
    }
}

/// The wait that proves a container ready; `None`: nothing is asked of it.
pub(super) fn prove(
    draft: &PlanBuilder<'_>,
    node: &Node,
    config: &ContainerConfig,
    container: Handle<ContainerId>,
) -> Option<Action> {
    let mut probe = node.probe.clone()?;
    if let Some(wanted) = draft.options.wait_timeout {
        match &mut probe {
            Probe::Exec { timeout, .. } | Probe::Idle { timeout, .. } => *timeout = wanted,
            Probe::Running { check, .. } => *check = check.map(|_| wanted),
        }
    }
    let (image, failures) = (config.image.clone(), node.failures.clone());
    Some(Action::AwaitReady { container, probe, image, failures, may_complete: node.may_complete() })
}
