//! Attacks from inside a sandbox, each with a canary that it must not reach.
//!
//! One module for each kind of attack; `docs/threat-model.md` has a row for each.

mod approval;
mod authors;
pub mod bait;
pub mod breakouts;
mod builds;
mod copy;
mod git;
mod ownership;
mod sources;
mod state;
