//! What a sandbox that does not cooperate tries, each with a canary of our own that it must not reach.
//!
//! One module for each kind of attack; `docs/threat-model.md` has a row for each.

mod approval;
mod authors;
mod builds;
mod copy;
mod git;
mod ownership;
mod sources;
mod state;
