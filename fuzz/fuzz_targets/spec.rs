//! Parses and compiles any text as `agent.yaml`. A panic, a hang or a large allocation is a bug.
//!
//! Files that a spec extends do not exist here; `tests/spec/fuzz.rs` covers those without coverage guidance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moat_spec::compile::compile;
use moat_spec::environment::EmptyEnv;
use moat_spec::{Capabilities, Source, agent};

fuzz_target!(|text: &str| {
    let reading = agent::parse_all(Source::new("agent.yaml", "/p/agent.yaml", text), &EmptyEnv);
    for spec in reading.specs.into_iter().flatten() {
        let _ = compile(&spec, &Capabilities::builtin());
    }
});
