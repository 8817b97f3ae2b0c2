//! The command line as a user meets it: the built binary in surroundings of its own, and the exact text.
//!
//! No engine is needed: what is asked of one is answered by a small one of the test's own, or by nobody. What moat
//! does to a real one is for `tests/engine`.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod addresses;
mod build;
mod complete;
mod deps;
mod docs;
mod documents;
mod every;
mod help;
mod interrupt;
mod locked;
mod nearest;
mod no_engine;
mod read_only;
mod reference;
mod saved;
mod several;
mod spec;
mod usage;
mod validate;
