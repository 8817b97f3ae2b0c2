//! Random kills and edits, for as long as is wanted: it stays as wanted, and no larger than it was.
//!
//! `make test` does it for some seconds. The full time: `MOAT_SOAK=1800 cargo test --test watch soak`, in seconds, with
//! the lab's environment; it prints its figures.

use std::fs;
use std::time::{Duration, Instant};

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

/// Without being told otherwise. In seconds.
const USUAL: u64 = 12;

/// What a process may grow by that keeps nothing: its allocator's whims. In KiB.
const GROWTH_MAX: u64 = 4096;

/// A generator that gives the same numbers each time: Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
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
    let (mut dice, began, mut version, mut rounds) = (Dice(0x2545_F491_4F6C_DD1D), Instant::now(), 0_u64, 0_u64);
    // A harm of which no event came is found by the clock only, and that later than anybody here waits; a stream that
    // broke is told, and so is the look after it.
    let (mut first, mut gaps) = (None, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        match dice.roll(4) {
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
        watch.told.clear();
        // Repaired again and again, it is left alone for a while, as it should be.
        let event = watch.wait_for_one(&["settled", "backing-off"]);
        rounds += 1;
        if event["event"] == "backing-off" {
            version += 1;
            let text = format!("agent: {}\n{PLAIN}env: {{VERSION: {version}}}\n", sandbox.agent);
            fs::write(sandbox.path().join("agent.yaml"), text).expect("a spec");
            watch.wait_for("settled");
        }
        gaps += watch.told.iter().filter(|it| is_gap(it)).count();
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

/// Something that happened was not told at once: the stream of events broke, or only the clock found it.
fn is_gap(event: &serde_json::Value) -> bool {
    let by_clock = || matches!(event["trigger"]["kind"].as_str(), Some("resync" | "reconnected"));
    event["event"] == "engine-lost" || (event["event"] == "woken" && by_clock())
}
