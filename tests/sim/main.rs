//! The library without an engine: plans, the loop and the watch on the simulator, what goes over the wire to an engine,
//! what is written, and that the sources are as the design says.
//!
//! `MOAT_SIM_CASES` and `MOAT_SIM_SEED` are described in `properties`.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod architecture;
mod audit;
mod circles;
mod conformance;
mod formats;
mod helpers;
mod layers;
mod plan;
mod proof;
mod properties;
mod refreshing;
mod unchecked;
mod watching;
mod wire;
