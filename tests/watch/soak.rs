//! Random kills and edits for a given time: the sandbox stays in sync, and the memory of the watch constant.
//!
//! `make test` runs it for some seconds. The full time: `MOAT_SOAK=1800 cargo test --test watch soak`, in seconds, with
//! the lab's environment; it prints its measurements.

use std::fs;
use std::time::{Duration, Instant};

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

/// The default duration in seconds.
const USUAL: u64 = 12;

/// The allowed growth of the process, due to its allocator. In KiB.
const GROWTH_MAX: u64 = 4096;

/// A deterministic random generator: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn soak() {
    let seconds = std::env::var("MOAT_SOAK").ok().and_then(|it| it.parse().ok()).unwrap_or(USUAL);
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    let (mut dice, began, mut version, mut rounds) = (Random(0x2545_F491_4F6C_DD1D), Instant::now(), 0_u64, 0_u64);
    // A harm without an event is found only by the periodic round, later than this test waits. A broken stream is
    // reported, and so is the round after it.
    let (mut first, mut gaps) = (None, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        match dice.below(4) {
            0 => engine().docker(&["kill", &sandbox.main()]),
            1 => engine().docker(&["rm", "--force", &sandbox.main()]),
            2 => engine().docker(&["pause", &sandbox.main()]),
            _ => {
                version += 1;
                let text = format!("agent: {}\n{PLAIN}env: {{VERSION: {version}}}\n", sandbox.agent);
                fs::write(sandbox.path().join("agent.yaml"), text).expect("a spec");
                String::new()
            }
        };
        watch.events.clear();
        // After many repairs the watch backs off, as intended.
        let event = watch.wait_for_one(&["settled", "backing-off"]);
        rounds += 1;
        if event["event"] == "backing-off" {
            version += 1;
            let text = format!("agent: {}\n{PLAIN}env: {{VERSION: {version}}}\n", sandbox.agent);
            fs::write(sandbox.path().join("agent.yaml"), text).expect("a spec");
            watch.wait_for("settled");
        }
        gaps += watch.events.iter().filter(|it| is_gap(it)).count();
        if rounds == 5 {
            first = Some(watch.size());
        }
    }
    sandbox.assert_ready();
    let ((kib, files), last) = (first.expect("more than five rounds"), watch.size());
    println!("{rounds} rounds in {seconds} s, {gaps} gaps in the events: {kib} KiB and {files} files became {last:?}");
    assert_eq!(gaps, 0);
    assert!(last.0 <= kib + GROWTH_MAX, "{kib} KiB became {} KiB", last.0);
    assert!(last.1 <= files + 2, "{files} descriptors became {}", last.1);
    let count = engine().list(&["ps", "-aq", "--filter", &format!("label=moat.agent={}", sandbox.agent)]).len();
    assert_eq!(count, 1, "one container is all there is");
}

/// An event was missed: the stream broke, or only the periodic round found the drift.
fn is_gap(event: &serde_json::Value) -> bool {
    let by_clock = || matches!(event["trigger"]["kind"].as_str(), Some("resync" | "reconnected"));
    event["event"] == "engine-lost" || (event["event"] == "woken" && by_clock())
}
