//! The soundness of a plan alone, without regard to the desired and the observed state.

use moat_plan::{Action, OpId, Plan};

use super::reading::{closure, handles};

/// Checks of a plan alone: numbers, order, and that used operations are required.
pub fn is_sound(plan: &Plan) -> Result<(), String> {
    let before = closure(plan);
    for (at, operation) in plan.operations.iter().enumerate() {
        let fault = |why: &str| Err(format!("{operation}: {why}"));
        if operation.id != OpId(at) {
            return fault("out of place");
        }
        if !operation.after.is_sorted() || operation.after.windows(2).any(|pair| pair[0] == pair[1]) {
            return fault("the required operations are not sorted");
        }
        if operation.after.iter().any(|id| id.0 >= at) {
            return fault("requires a later operation");
        }
        let (container, network) = handles(operation);
        for (from, creates_container) in [(container, true), (network, false)] {
            let Some(from) = from else { continue };
            let made = plan.operations.get(from.0).map(|made| &made.action);
            let fits = match made {
                Some(Action::CreateContainer { .. }) => creates_container,
                Some(Action::CreateNetwork { .. }) => !creates_container,
                _ => false,
            };
            if !fits {
                return fault("uses the result of no operation");
            }
            if !before[at].contains(&from) {
                return fault("uses an operation that it does not require");
            }
        }
    }
    Ok(())
}
