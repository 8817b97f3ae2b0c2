//! The watch on the simulator: what wakes it, what it then does, and what it lets be, on a virtual clock.
//!
//! The property lets edits, meddling, lost events and restarts of the engine come in any order, then nothing;
//! `MOAT_SIM_CASES` and `MOAT_SIM_SEED` are as in `properties`.

mod edits;
mod harness;
mod host;
mod property;
mod reading;
mod repairs;
mod sessions;
