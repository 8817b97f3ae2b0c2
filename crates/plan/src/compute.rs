//! The planner: compares desired and observed state, resource by resource, dependencies first.
//!
//! Total: it returns a plan for any observed state. The plan for an empty graph removes everything.

use std::collections::BTreeSet;

use super::draft::draft;
use super::{Action, Needs, OpId, Options, Plan, needs};
use moat_model::graph::{Graph, comparable};
use moat_model::resource::ResourceId;
use moat_model::state::Observed;

/// Plans the operations that turn the observed state into the desired one.
pub fn compute(graph: &Graph, observed: &Observed, options: &Options) -> Plan {
    let graph = &*comparable(graph, &observed.containers);
    let plan = draft(graph, observed, options, &BTreeSet::new());
    // Only the finished plan shows which containers are created; a restarted one needs no image.
    let needless = needless_pulls(&plan);
    let plan = if needless.is_empty() { plan } else { draft(graph, observed, options, &needless) };
    debug_assert_eq!(needs::unobserved(&plan, observed), Needs::default(), "not observed, and needed for\n{plan}");
    plan
}

/// The images whose pull no operation requires.
fn needless_pulls(plan: &Plan) -> BTreeSet<ResourceId> {
    let waited_for: BTreeSet<OpId> = plan.operations.iter().flat_map(|operation| &operation.after).copied().collect();
    let pulls = plan.operations.iter().filter(|operation| matches!(operation.action, Action::PullImage { .. }));
    pulls.filter(|pull| !waited_for.contains(&pull.id)).map(|pull| pull.resource.clone()).collect()
}
