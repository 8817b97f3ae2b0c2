//! Address ranges claimed by the runs of one process, which would otherwise see the same ranges as free.
//!
//! An optimisation only. Claims of other processes are unknown: the engine refuses
//! an overlap, and the run then takes another range.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use moat_model::resource::RunId;
use moat_plan::{Action, Plan};

/// The ranges that each run has chosen. For runs on one thread: no `await` between reading claims and choosing.
#[derive(Debug, Default)]
pub struct Claims(RefCell<BTreeMap<RunId, BTreeSet<Ipv4Net>>>);

impl Claims {
    /// The ranges that runs other than `run` have chosen.
    pub(super) fn beside(&self, run: &RunId) -> Vec<Ipv4Net> {
        let claims = self.0.borrow();
        claims.iter().filter(|(other, _)| *other != run).flat_map(|(_, ranges)| ranges).copied().collect()
    }

    /// Records the ranges that `plan` creates for `run`.
    ///
    /// A claim stays after the creation of the network: another run may have observed before it and choose after it.
    pub(super) fn note(&self, run: &RunId, plan: &Plan) {
        let chosen = plan.operations.iter().filter_map(|operation| match &operation.action {
            Action::CreateNetwork { subnet, .. } => *subnet,
            _ => None,
        });
        let mut claims = self.0.borrow_mut();
        for subnet in chosen {
            claims.entry(run.clone()).or_default().insert(subnet);
        }
    }
}
