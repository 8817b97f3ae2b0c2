//! The language of specs: the meaning of valid specs, the diagnostics of invalid ones, and robustness against any text.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod diagnostics;
mod environment;
mod fuzz;
mod pages;
mod properties;
mod schema;
mod values;
