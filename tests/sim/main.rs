//! The library without an engine: plans, the loop and the watch on the simulator, the requests to an engine,
//! the output formats, and checks of the sources against the design.
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
