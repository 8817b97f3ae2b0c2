//! The plan: a graph of operations, each one engine call with its cause.
//!
//! Pure and total: the same inputs give the same plan, byte for byte. Everything is decided here: names,
//! ids, order, deadlines. Nothing here waits, reads or writes.

mod builder;
pub mod cause;
mod completion;
pub mod compute;
mod container;
pub mod diff;
mod draft;
pub mod event;
mod exclude;
mod grant;
mod in_place;
mod link;
mod needs;
pub mod operation;
mod options;
mod policy;
mod port;
mod power;
pub mod privilege;
mod proof;
mod reach;
mod refresh;
mod removal;
mod restart;
pub mod saved;
pub mod sources;
pub mod status;
pub mod text;
mod volumes;

pub use cause::{Cause, FieldDiff};
pub use compute::compute;
pub use in_place::dropped;
use moat_model::resource::ResourceId;
pub use needs::{Needs, needs};
pub use operation::{Action, Handle, OpId, Operation};
pub use options::{Options, Power, Volumes};
pub use privilege::{Gain, Widening, widening, widening_of};
pub use sources::{Reason, Refusal, host_paths, refusals};
pub use status::{Condition, Presence, Published, Standing, Status, has_completed, kept, status};

/// The operations of one round, in a valid sequential order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// `operations[i].id` is `OpId(i)`; each comes after those that it requires.
    pub operations: Vec<Operation>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether the plan changes anything. Waiting changes nothing.
    pub fn changes(&self) -> bool {
        self.operations.iter().any(|operation| operation.action.changes())
    }

    /// Whether the plan waits for containers, and changes nothing.
    pub fn only_waits(&self) -> bool {
        !self.is_empty() && !self.changes()
    }

    /// The pulls that decide whether the rest of the plan is needed; `None` if all of it is.
    #[must_use]
    pub fn first_pulls(&self) -> Option<Self> {
        refresh::deciding(self)
    }

    /// Whether the plan ends processes in the containers of `resource`.
    pub fn interrupts(&self, resource: &ResourceId) -> bool {
        let of_it = self.operations.iter().filter(|operation| operation.resource == *resource);
        of_it.into_iter().any(|operation| operation.action.interrupts())
    }
}
