//! A plan that is kept for a later apply: its text for people, and for moat digests of all that it follows from.
//!
//! No operation is kept: whoever applies it computes the plan again and compares, so that nothing is ever done because a
//! file says so.

use serde::{Deserialize, Serialize};

use super::{Action, Operation, Plan};
use moat_model::graph::Graph;
use moat_model::resource::digest::sha256;
use moat_model::state::{ContainerFacts, Observed};

/// The version of the form.
pub const FORM: u32 = 1;

/// The plans of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub moat_plan: u32,
    /// The version of moat that made it: another one may plan otherwise.
    pub moat: String,
    /// The engine's address.
    pub engine: String,
    /// Whether tags were looked up in their registries.
    pub pull: bool,
    pub agents: Vec<SavedAgent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedAgent {
    pub run: String,
    pub agent: String,
    pub spec: String,
    pub digests: Digests,
    /// The lines of the plan.
    pub plan: Vec<String>,
}

/// SHA-256 each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// What is wanted.
    pub text: String,
    /// What was there.
    pub observation: String,
    /// What is to be done.
    pub plan: String,
}

/// Why a plan that was kept does not hold any more: the first reason there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    Text,
    Observation,
    Plan,
    /// What people read in it is not what it stands for.
    Edited,
}

impl Stale {
    /// As in `the plan is stale: …`, of one agent.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Text => "its spec has changed",
            Self::Observation => "its sandbox has changed",
            Self::Plan => "the plan would be another one now",
            Self::Edited => "the text of its plan was edited",
        }
    }
}

impl SavedAgent {
    pub fn of(graph: &Graph, observed: &Observed, plan: &Plan) -> Self {
        let run = &graph.run;
        Self {
            run: run.id.to_string(),
            agent: run.agent.to_string(),
            spec: run.spec.clone(),
            digests: Digests {
                text: graph.approved.as_ref().map_or_else(|| graph.digest(), |approved| approved.digest.clone()),
                observation: observation(observed),
                plan: digest(plan),
            },
            plan: plan.to_string().lines().map(str::to_owned).collect(),
        }
    }

    /// Compares it with what there is `now`.
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

/// What is to be done. Of a container that is created its line, names, addresses and volumes count: what it is created from
/// is in the text, and its secrets may not have been fetched.
fn digest(plan: &Plan) -> String {
    let part = |operation: &Operation| match &operation.action {
        Action::CreateContainer { network, mounts, ports, .. } => {
            format!("{operation} {:?} {network:?} {mounts:?} {ports:?}", operation.after)
        }
        _ => format!("{operation:?}"),
    };
    sha256(plan.operations.iter().map(part).collect::<Vec<_>>().join("\n"))
}

/// What is there of the run. What others have taken of the engine, and limits, show in the plan, if they matter; how long a
/// container has been up is no difference.
fn observation(observed: &Observed) -> String {
    let Observed { images, networks, volumes, containers, .. } = observed;
    let containers: Vec<ContainerFacts> =
        containers.iter().map(|facts| ContainerFacts { up_seconds: None, ..facts.clone() }).collect();
    sha256(format!("{images:?} {networks:?} {volumes:?} {containers:?}"))
}
