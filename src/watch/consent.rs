//! What a person has to approve before it is done: whatever gives a sandbox more than it had.
//!
//! Measured against what was wanted before, or, when a watch has only begun, against what was last applied, as the
//! containers themselves remember it. Where there is nothing yet, whoever begins the watch has asked for it.

use crate::graph::Graph;
use crate::plan::{Widening, widening, widening_of};
use crate::state::Observed;

/// What `after` gives that `before` did not, one line each.
pub(super) fn more(before: &Graph, after: &Graph) -> Vec<String> {
    lines(&widening_of(before, after))
}

/// What `graph` gives that the containers on the engine were not given.
pub fn more_than_applied(observed: &Observed, graph: &Graph) -> Vec<String> {
    // A run of which nothing is there is made as it is written: whoever began the watch has read it.
    if observed.containers.is_empty() { Vec::new() } else { lines(&widening(graph, observed)) }
}

fn lines(all: &[Widening]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}
