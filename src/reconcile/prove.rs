//! The proof of the network policy: without it, a run that is in sync is not ready.

use crate::execute::Report;
use crate::observe::network::{self, Proof, Unproven};
use moat_model::engine::{Engine, EngineError};
use moat_model::graph::Graph;
use moat_model::resource::ResourceId;
use moat_model::state::Observed;
use moat_plan::OpId;
use moat_plan::event::{Code, Event, Failure, OnEvent};

/// The result of the proof.
pub(super) enum Proven {
    /// The policy is in force, or it cannot be proven, which was reported.
    Yes,
    No(Report),
    /// The state has changed since the observation.
    Outdated,
}

/// Proves the policy of a run that is in sync.
pub(super) async fn prove<E: Engine>(
    engine: &E,
    graph: &Graph,
    observed: &Observed,
    on_event: OnEvent<'_>,
) -> Result<Proven, EngineError> {
    match network::prove(engine, graph, observed).await? {
        Proof::Holds => Ok(Proven::Yes),
        Proof::Outdated => Ok(Proven::Outdated),
        // A one-shot command may have ended by now, as it should.
        Proof::Untried(_) if observed.has_completed() => Ok(Proven::Yes),
        Proof::Untried(reason) => {
            let message = format!("the network policy is not proven from the main container: {reason}");
            let hint = "only the proof is missing: the network is internal; `moat net verify` tries more";
            on_event(Event::Warning { run: &graph.run, message: &message, hint });
            Ok(Proven::Yes)
        }
        Proof::Fails(why) => Ok(Proven::No(report(graph, why))),
    }
}

/// A failure of no operation: the plan was empty.
fn report(graph: &Graph, why: Unproven) -> Report {
    let resource = ResourceId::policy();
    let failure = Failure {
        name: graph.run.name_of(&resource),
        resource,
        verb: "prove",
        code: Code::PolicyUnproven,
        fault: None,
        message: why.failure(),
        hint: Some(why.hint),
        exit_code: None,
        probe: None,
        log: Vec::new(),
    };
    Report { failures: vec![(OpId(0), failure)], ..Report::default() }
}
