//! The built binary on a real engine, used as a person would use it.
//!
//! Nothing is asked of moat that can be asked of the engine: what is there, what runs and what was called is seen
//! with docker's own client and at the engine's socket. There is no engine, and the tests fail; they skip nothing.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod asking;
mod attach;
mod audit;
mod build;
mod builds;
mod builds_local;
mod codes;
mod commands;
mod conformance;
mod conformance_world;
mod copy;
mod daily;
mod destroy;
mod docker;
mod documents;
mod drift;
mod effects;
mod exec;
mod failing;
mod foreign;
mod guide;
mod history;
mod image_check;
mod images;
mod known;
mod language;
mod leaks;
mod limits;
mod logs;
mod mounted;
mod names;
mod noop;
mod pull;
mod recorder;
mod replace;
mod runs;
mod saved;
mod services;
mod short_forms;
mod story;
mod threats;
mod tuned;
mod whole;
