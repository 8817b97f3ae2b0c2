//! Helpers of the tests of moat. Each module serves more than one test executable, or more than one folder of tests.
//!
//! On a real engine: [`sandbox`] is one agent of one test, [`engine`] the engine as docker's own client sees it,
//! [`watched`] a `moat watch` that runs, [`recorder`], [`proxy`] and [`breakpoint`] sockets in front of the engine's.
//! Without one: [`hermetic`] is a folder to run moat in, [`empty_engine`] an engine that only answers, and [`simulator`]
//! has the cases for the simulated engine. [`conformance`] runs on both, with the methods of [`changes`].

#![expect(clippy::missing_panics_doc, reason = "a helper of tests panics to fail the test")]
#![expect(clippy::return_self_not_must_use, reason = "a builder that is dropped shows in the test")]
#![expect(clippy::new_without_default, reason = "each new one is a socket or a folder, which `default` would hide")]

pub mod breakpoint;
pub mod changes;
pub mod conformance;
pub mod effects;
pub mod empty_engine;
pub mod engine;
pub mod held;
pub mod hermetic;
pub mod marked;
pub mod owner;
pub mod proxy;
pub mod recorder;
pub mod registry;
pub mod run;
pub mod sandbox;
pub mod simulator;
pub mod text;
pub mod watched;

use std::env;
use std::path::Path;
use std::sync::OnceLock;

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The program under test: the one that Cargo passes to a test, or the one beside a test that was started manually.
pub fn moat_binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        env::var("CARGO_BIN_EXE_moat").unwrap_or_else(|_| {
            let test = env::current_exe().expect("a test has a path");
            // target/debug/deps/TEST, and target/debug/moat
            let beside = test.ancestors().nth(2).expect("a test is in a folder of the target's").join("moat");
            assert!(beside.exists(), "{} is missing: `cargo build` makes it", beside.display());
            beside.display().to_string()
        })
    })
}
