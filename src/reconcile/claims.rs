//! Address ranges that the runs of one process have chosen: two that look at the same time see the same ones free.
//!
//! Only spares them from getting into each other's way. Of other processes nothing is known here: the engine refuses
//! what overlaps, and the run takes another range then.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use moat_model::resource::RunId;
use moat_plan::{Action, Plan};

/// What each run has chosen so far. For runs of one thread: between the look at it and the choice nobody may wait.
#[derive(Debug, Default)]
pub struct Claims(RefCell<BTreeMap<RunId, BTreeSet<Ipv4Net>>>);

impl Claims {
    /// What the runs beside `run` have chosen.
    pub(super) fn beside(&self, run: &RunId) -> Vec<Ipv4Net> {
        let claims = self.0.borrow();
        claims.iter().filter(|(other, _)| *other != run).flat_map(|(_, ranges)| ranges).copied().collect()
    }

    /// Notes what `plan` is going to create for `run`.
    ///
    /// A claim stays when the network is there: a sibling may have looked before that and choose after it.
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
