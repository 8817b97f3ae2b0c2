//! The watch on the simulator, on a virtual clock: its triggers and repairs.
//!
//! The property lets edits, interference, lost events and restarts of the engine come in any order, then nothing;
//! `MOAT_SIM_CASES` and `MOAT_SIM_SEED` are as in `properties`.

mod edits;
mod harness;
mod host;
mod proof;
mod property;
mod reading;
mod repairs;
mod sessions;
