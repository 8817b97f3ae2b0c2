//! The command line: runs the built binary in an isolated environment and compares its exact output.
//!
//! No engine is needed: a minimal fake engine answers, or none. `tests/engine` uses a real one.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod addresses;
mod agent;
mod build;
mod complete;
mod contexts;
mod deps;
mod docs;
mod documents;
mod every;
mod gateway;
mod help;
mod interrupt;
mod locked;
mod nearest;
mod net;
mod no_engine;
mod read_only;
mod reference;
mod saved;
mod several;
mod spec;
mod unchecked;
mod usage;
mod validate;
