//! `moat watch` on a real engine: drift is repaired, edits are applied, and privileges need approval.

mod contexts;
mod edits;
mod egress;
mod git;
mod load;
mod privilege;
mod reading;
mod records;
mod repairs;
mod sessions;
mod soak;
mod terminal;
