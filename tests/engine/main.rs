//! End-to-end tests of the binary on a real engine.
//!
//! The tests check the state with the docker client and the calls at the engine's socket, not with moat. Without an
//! engine they fail; none is skipped.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod agents;
mod asking;
mod attach;
mod audit;
mod build;
mod builder_settings;
mod buildkit;
mod builds;
mod builds_from;
mod builds_homes;
mod builds_load;
mod builds_local;
mod codes;
mod commands;
mod conformance;
mod conformance_world;
mod copy;
mod daily;
mod destroy;
mod differences;
mod docker;
mod documents;
mod drift;
mod effects;
mod egress;
mod exec;
mod failing;
mod foreign;
mod guide;
mod held;
mod history;
mod image_check;
mod images;
mod inner;
mod inner_names;
mod isolation;
mod known;
mod language;
mod leaks;
mod limits;
mod logs;
mod mounted;
mod names;
mod net;
mod noop;
mod platform;
mod pull;
mod real_agents;
mod real_tools;
mod recorder;
mod registries;
mod replace;
mod runs;
mod saved;
mod services;
mod sessions;
mod short_forms;
mod smoke;
mod story;
mod threats;
mod tuned;
mod whole;
