//! Saved plans: the text for people, and digests of all inputs for moat.
//!
//! No operation is saved: `apply` computes the plan again and compares, so nothing is ever executed because a
//! file says so.

use serde::{Deserialize, Serialize};

use super::{Action, Operation, Plan};
use moat_model::graph::Graph;
use moat_model::resource::digest::sha256;
use moat_model::state::{ContainerFacts, Observed};

/// The version of the format.
pub const FORM: u32 = 1;

/// The plans of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub moat_plan: u32,
    /// The version of moat that saved it: another version may plan differently.
    pub moat: String,
    /// The engine's address.
    pub engine: String,
    pub agents: Vec<SavedAgent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedAgent {
    pub run: String,
    pub agent: String,
    pub spec: String,
    /// Whether its tags were looked up in their registries.
    pub pull: bool,
    pub digests: Digests,
    /// The lines of the plan.
    pub plan: Vec<String>,
}

/// SHA-256 each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// The desired state.
    pub text: String,
    /// The observed state.
    pub observation: String,
    /// The operations.
    pub plan: String,
}

/// The first reason why a saved plan is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    Text,
    Observation,
    Plan,
    /// Its text does not match its digests.
    Edited,
}

impl Stale {
    /// The reason after `the plan is stale: `, for one agent.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Text => "its spec changed",
            Self::Observation => "its sandbox changed",
            Self::Plan => "the plan would now be different",
            Self::Edited => "the text of its plan was edited",
        }
    }
}

impl SavedAgent {
    /// `pull`: whether tags were looked up in their registries.
    pub fn of(graph: &Graph, observed: &Observed, plan: &Plan, pull: bool) -> Self {
        let run = &graph.run;
        Self {
            run: run.id.to_string(),
            agent: run.agent.to_string(),
            spec: run.spec.clone(),
            pull,
            digests: Digests {
                text: graph.approved.as_ref().map_or_else(|| graph.digest(), |approved| approved.digest.clone()),
                observation: observation(observed),
                plan: digest(plan),
            },
            plan: plan.to_string().lines().map(str::to_owned).collect(),
        }
    }

    /// Compares it with the plan of `now`.
    ///
    /// # Errors
    /// If they differ.
    pub fn holds(&self, now: &Self) -> Result<(), Stale> {
        let (then, now_digests) = (&self.digests, &now.digests);
        let table = [
            (Stale::Text, self.run != now.run || then.text != now_digests.text),
            (Stale::Observation, then.observation != now_digests.observation),
            (Stale::Plan, then.plan != now_digests.plan),
            (Stale::Edited, self != now),
        ];
        table.into_iter().find(|(_, differs)| *differs).map_or(Ok(()), |(stale, _)| Err(stale))
    }
}

/// The digest of a plan. Of a container creation, the line, names, addresses and volumes count: its configuration
/// is in the text, and its secrets may not be fetched yet.
fn digest(plan: &Plan) -> String {
    let part = |operation: &Operation| match &operation.action {
        Action::CreateContainer { network, mounts, ports, .. } => {
            format!("{operation} {:?} {network:?} {mounts:?} {ports:?}", operation.after)
        }
        _ => format!("{operation:?}"),
    };
    sha256(plan.operations.iter().map(part).collect::<Vec<_>>().join("\n"))
}

/// The digest of the run's resources. Limits and the resources of others show in the plan if they matter; the
/// uptime of a container is no difference.
fn observation(observed: &Observed) -> String {
    let Observed { images, networks, volumes, containers, .. } = observed;
    let containers: Vec<ContainerFacts> =
        containers.iter().map(|facts| ContainerFacts { up_seconds: None, ..facts.clone() }).collect();
    sha256(format!("{images:?} {networks:?} {volumes:?} {containers:?}"))
}
