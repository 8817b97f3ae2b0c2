//! Operations that are never executed, because the observed state makes them unsafe or impossible.

use moat_model::graph::Graph;
use moat_model::state::Observed;
use moat_plan::event::{Code, Failure};
use moat_plan::{OpId, Plan, Reason, Refusal, refusals};

/// Refused operations as failures; if there are any, nothing is executed.
pub(super) fn refused(graph: &Graph, observed: &Observed, plan: &Plan) -> Vec<(OpId, Failure)> {
    let failure = |Refusal { operation, reason }: Refusal| {
        let code = match &reason {
            Reason::NoVolume { .. } => Code::MountSourceMissing,
            Reason::Exchangeable { .. } => Code::MountSourceUnsafe,
        };
        let failure = Failure {
            resource: operation.resource,
            name: operation.name,
            verb: operation.action.verb(),
            code,
            fault: None,
            message: reason.message(),
            hint: Some(reason.hint()),
            exit_code: None,
            probe: None,
            log: Vec::new(),
        };
        (operation.id, failure)
    };
    refusals(graph, observed, plan).into_iter().map(failure).collect()
}
