//! The language of specs: what a right one means, what is said of a wrong one, and that any text at all is read to an end.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod around;
mod diagnostics;
mod fuzz;
mod pages;
mod properties;
mod schema;
mod values;
