//! Many agents in one watch: idle while nothing happens, and repairs of one as fast as without the others.
//!
//! `make test` uses a few. The full number: `MOAT_FLEET=100 cargo test --test watch load::`, with the lab's
//! environment; it prints its measurements.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

/// The default number of agents.
const USUAL: usize = 6;

/// The idle period. Long enough to measure a hundredth of a processor.
const IDLE: Duration = Duration::from_secs(10);

/// In KiB.
const MEMORY_MAX: u64 = 12 * 1024;

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn a_fleet_is_idle_and_each_agent_is_repaired() {
    let count = std::env::var("MOAT_FLEET").ok().and_then(|it| it.parse().ok()).unwrap_or(USUAL);
    // Its own agent is one of them; the others are in a folder of specs.
    let sandbox = Sandbox::new(PLAIN);
    let folder = sandbox.path().join("all");
    fs::create_dir(&folder).expect("a folder");
    for nth in 0..count {
        // Names that start with the sandbox's are removed with it.
        let text = format!("agent: {}-{nth}\n{PLAIN}", sandbox.agent);
        fs::write(folder.join(format!("{nth}.yaml")), text).expect("a spec");
    }
    let mut watch = Watched::until(&sandbox, &["all"], "settled");
    for _ in 1..count {
        watch.wait_for("settled");
    }
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    let before = watch.ticks();
    std::thread::sleep(IDLE);
    let busy = watch.ticks() - before;
    let (kib, files) = watch.size();
    let victim = engine().list(&["ps", "-q", "--filter", &format!("label=moat.agent={}-{}", sandbox.agent, count / 2)]);
    let began = Instant::now();
    engine().docker(&["kill", &victim[0]]);
    let killed = Instant::now();
    let repaired = watch.wait_for("settled");
    println!(
        "{count} agents: {busy} ticks of the processor in {} s, {kib} KiB, {files} files; killed in {:?}, as wanted {:?} later, of which the round took {} ms",
        IDLE.as_secs(),
        killed - began,
        killed.elapsed(),
        repaired["took_ms"]
    );
    // A hundredth of a processor: a tick is a hundredth of a second.
    assert!(busy <= IDLE.as_secs(), "{busy} ticks in {} s of nothing", IDLE.as_secs());
    assert!(kib <= MEMORY_MAX, "{kib} KiB");
    assert!(repaired["agent"].as_str().is_some_and(|it| it.ends_with(&format!("-{}", count / 2))), "{repaired:#}");
}
