//! Chaos on the engine: random kills, stops, pauses, disconnections and removals of one, several or all objects, crashes
//! of the watch and of the engine. After each pause the sandbox is ready within [`BOUND`], and a build works.
//!
//! `make test` runs it for about a minute with a random seed, and prints the seed. To replay a seed, or to run longer:
//! `MOAT_CHAOS_SEED=7 MOAT_CHAOS_SECONDS=600 cargo test --test crash chaos -- --nocapture`, with the lab's environment.

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use testkit::engine::{Inventory, engine};
use testkit::owner;
use testkit::sandbox::Sandbox;
use testkit::watched::Watched;

use crate::restarted::restart_engine;

/// A sidecar, a service, an inner Docker, and volumes.
const SPEC: &str = "image: docker:dind\ndependencies:\n  - docker:dind\n  - redis\n";

/// The default duration in seconds.
const USUAL: u64 = 60;

/// Maximum time from the later of quiet and the announced retry until everything is ready.
const BOUND: Duration = Duration::from_secs(30);

/// Maximum hits of one resource in a minute: more would cause a backoff longer than [`BOUND`].
const HITS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// The interval of readiness polls.
const LOOK: Duration = Duration::from_millis(200);

/// A deterministic random generator: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Adjacent seeds must differ from the first roll on, and the state must not be 0.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, sides: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % sides).expect("a few sides")
    }
}

const CONTAINERS: [&str; 3] = ["main", "buildkit", "redis"];

/// A disturbance.
#[derive(Debug, Clone, Copy)]
enum Act {
    Kill,
    Stop,
    Pause,
    Disconnect,
    Remove,
}

const ACTS: [Act; 5] = [Act::Kill, Act::Stop, Act::Pause, Act::Disconnect, Act::Remove];

struct Chaos<'a> {
    sandbox: &'a Sandbox,
    dice: Random,
    watch: Option<Watched>,
    /// The recent hits of each container.
    hits: BTreeMap<&'static str, VecDeque<Instant>>,
    /// The time of the announced retry.
    promised: Instant,
    done: Vec<String>,
}

impl<'a> Chaos<'a> {
    fn begin(sandbox: &'a Sandbox, seed: u64) -> Self {
        let watch = Some(Watched::new(sandbox, &[]));
        let hits = BTreeMap::new();
        Self { sandbox, dice: Random::new(seed), watch, hits, promised: Instant::now(), done: Vec::new() }
    }

    /// Whether all of these may be hit again.
    fn may_hit(&mut self, names: &[&'static str]) -> bool {
        let now = Instant::now();
        for name in names {
            let hits = self.hits.entry(name).or_default();
            while hits.front().is_some_and(|at| now.duration_since(*at) > MINUTE) {
                hits.pop_front();
            }
        }
        let may = names.iter().all(|name| self.hits[name].len() < HITS);
        if may {
            for name in names {
                self.hits.entry(name).or_default().push_back(now);
            }
        }
        may
    }

    /// One disturbance, or several at once.
    fn strike(&mut self) {
        match self.dice.below(12) {
            0 => self.watch_dies(),
            1 => {
                if self.may_hit(&CONTAINERS) {
                    self.done.push("engine".to_owned());
                    restart_engine();
                }
            }
            2 => self.all_go(),
            3 => self.remove_network(),
            4 | 5 => {
                let first = self.dice.below(3);
                let two = [CONTAINERS[first], CONTAINERS[(first + 1) % 3]];
                self.damage(&two);
            }
            _ => {
                let one = CONTAINERS[self.dice.below(3)];
                self.damage(&[one]);
            }
        }
    }

    fn damage(&mut self, names: &[&'static str]) {
        let act = ACTS[self.dice.below(5)];
        if !self.may_hit(names) {
            return;
        }
        self.done.push(format!("{act:?} {names:?}"));
        let found: Vec<String> = names.iter().filter_map(|name| self.sandbox.find(name)).collect();
        let ids: Vec<&str> = found.iter().map(String::as_str).collect();
        let network = format!("moat-{}", self.sandbox.run_id());
        let each = |words: &[&str]| {
            // An object that has just disappeared cannot be harmed.
            engine().try_docker(&[words, &ids[..]].concat());
        };
        match act {
            _ if ids.is_empty() => {}
            Act::Kill => each(&["kill"]),
            Act::Stop => each(&["stop", "-t", "1"]),
            Act::Pause => each(&["pause"]),
            Act::Remove => each(&["rm", "--force"]),
            Act::Disconnect => ids.iter().for_each(|id| {
                engine().try_docker(&["network", "disconnect", "--force", &network, id]);
            }),
        }
    }

    fn all_go(&mut self) {
        if self.may_hit(&CONTAINERS) {
            self.done.push("everything".to_owned());
            self.remove(&["ps", "-aq"], &["rm", "--force"]);
            self.remove(&["network", "ls", "-q"], &["network", "rm"]);
            self.remove(&["volume", "ls", "-q"], &["volume", "rm"]);
        }
    }

    fn remove_network(&mut self) {
        if self.may_hit(&CONTAINERS) {
            self.done.push("network".to_owned());
            let network = format!("moat-{}", self.sandbox.run_id());
            for name in CONTAINERS {
                if let Some(id) = self.sandbox.find(name) {
                    engine().try_docker(&["network", "disconnect", "--force", &network, &id]);
                }
            }
            self.remove(&["network", "ls", "-q"], &["network", "rm"]);
        }
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        let filter = format!("label=moat.agent={}", self.sandbox.agent);
        let found = engine().list(&[list, &["--filter", &filter]].concat());
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        if !found.is_empty() {
            engine().try_docker(&[remove, &found[..]].concat());
        }
    }

    /// Kills the watch and starts another one at once, as a supervisor does.
    fn watch_dies(&mut self) {
        self.done.push("watch".to_owned());
        if let Some(watch) = self.watch.take() {
            watch.signal(Signal::KILL);
        }
        self.watch = Some(Watched::begun(self.sandbox, &[]));
    }

    /// Reads the announcements of the watch.
    fn listen(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        for event in watch.heard() {
            let pause = ["again_ms", "pause_ms"].iter().find_map(|key| event[key].as_u64());
            if let (Some(pause), Some("unsettled" | "backing-off")) = (pause, event["event"].as_str()) {
                self.promised = self.promised.max(Instant::now() + Duration::from_millis(pause));
            }
        }
    }

    /// Waits until everything is ready; returns the time since the later of quiet and the announced retry.
    fn is_ready_again(&mut self, seed: u64) -> Duration {
        let quiet = Instant::now();
        // A retry announced later does not extend the bound.
        let grace = quiet + BOUND;
        loop {
            if Instant::now() < grace {
                self.listen();
            }
            let begins = quiet.max(self.promised);
            if self.sandbox.status()["state"] == "ready" {
                return Instant::now().saturating_duration_since(begins);
            }
            if Instant::now() > begins + BOUND {
                let reported = self.watch.as_ref().map(|watch| watch.events.iter().rev().take(12).collect::<Vec<_>>());
                let status = self.sandbox.status();
                panic!("seed {seed}: not ready after {:?}: {status:#}\nlast reported: {reported:#?}", self.done);
            }
            thread::sleep(LOOK);
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed and the figures are what it is run for")]
fn chaos() {
    let _alone = owner::exclusive();
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let chance = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |it| it.as_secs());
    let seed = number("MOAT_CHAOS_SEED").unwrap_or_else(chance);
    let length = Duration::from_secs(number("MOAT_CHAOS_SECONDS").unwrap_or(USUAL));
    println!("chaos: seed {seed}, {} s", length.as_secs());
    let before = Inventory::now();
    let sandbox = Sandbox::new(SPEC);
    let mut chaos = Chaos::begin(&sandbox, seed);
    let (began, mut pieces, mut worst, mut acts) = (Instant::now(), 0, Duration::ZERO, 0);
    while began.elapsed() < length {
        for _ in 0..=chaos.dice.below(4) {
            chaos.strike();
            thread::sleep(Duration::from_millis(u64::try_from(chaos.dice.below(1500)).expect("small")));
        }
        let took = chaos.is_ready_again(seed);
        let built = sandbox.sh("echo FROM scratch | docker build -q -");
        assert!(built.code == 0, "seed {seed}: no build after {:?}: {built}", chaos.done);
        (pieces, worst, acts) = (pieces + 1, worst.max(took), acts + chaos.done.len());
        chaos.done.clear();
    }
    println!("chaos: seed {seed}: {acts} acts in {pieces} pieces, ready after {:.1} s at worst", worst.as_secs_f32());
    if let Some(watch) = chaos.watch.take() {
        watch.end();
    }
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    before.assert_unchanged(&sandbox.agent);
    sandbox.moat(&["audit", "verify"]).ok();
}
