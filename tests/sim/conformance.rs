//! The simulator keeps the promises of `docs/internals/engine.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use ipnet::Ipv4Net;
use moat_model::resource::{AgentName, ImageRef};
use moat_sim::interference::Interference;
use moat_sim::sim::{Answer, Behaviour, DuplicateNetworks, Latencies, Settings, Sim};
use testkit::conformance;
use testkit::conformance::world::{NEEDED_FILE, Program, World};
use testkit::each_promise;

struct Simulated(Sim);

impl Simulated {
    fn new(settings: &Settings) -> Self {
        let sim = Sim::new(settings);
        for program in PROGRAMS {
            sim.provide(&image(program), behaviour(program));
        }
        let world = Self(sim);
        world.0.publish(&world.pullable(), Behaviour::default());
        world
    }
}

impl World for Simulated {
    type Engine = Sim;

    fn engine(&self) -> &Sim {
        &self.0
    }

    fn agent(&self) -> AgentName {
        AgentName::parse("conformance").expect("a name")
    }

    fn program(&self, program: Program) -> (ImageRef, Vec<String>) {
        (image(program), Vec::new())
    }

    fn pullable(&self) -> ImageRef {
        ImageRef::parse("pullable:1").expect("a reference")
    }

    fn subnet(&self, nth: u8) -> Ipv4Net {
        Ipv4Net::new_assert([10, 99, 0, nth * 16].into(), 28)
    }

    fn port(&self) -> u16 {
        8080
    }

    fn interfere(&self, interference: &Interference) {
        assert!(self.0.interfere(interference), "{interference}: nothing to do");
    }
}

const PROGRAMS: [Program; 8] = [
    Program::Idle,
    Program::IgnoresStop,
    Program::Fails,
    Program::Writes,
    Program::WritesAndEnds,
    Program::NeedsFile,
    Program::Missing,
    Program::Unhealthy,
];

fn image(program: Program) -> ImageRef {
    ImageRef::parse(&format!("{program:?}").to_lowercase()).expect("a reference")
}

/// The results of the suite's commands; the simulator knows everything else.
fn behaviour(program: Program) -> Behaviour {
    let soon = Duration::from_millis(5);
    let lines = || ["one", "two", "three"].map(str::to_owned).to_vec();
    let plain = match program {
        Program::Idle => Behaviour::default(),
        Program::IgnoresStop => Behaviour { stop_ms: 1_000_000, ..Behaviour::default() },
        Program::Fails => Behaviour::exits_after(soon, 7),
        Program::Writes => Behaviour { log: lines(), ..Behaviour::default() },
        Program::WritesAndEnds => Behaviour { log: lines(), ..Behaviour::exits_after(soon, 0) },
        Program::NeedsFile => Behaviour { needs_files: vec![NEEDED_FILE.to_owned()], ..Behaviour::default() },
        Program::Missing => Behaviour { cannot_start: true, ..Behaviour::default() },
        Program::Unhealthy => Behaviour { never_ready: true, has_check: true, ..Behaviour::default() },
    };
    let answer = |code, output: &str| Answer { code, output: output.to_owned() };
    let answers = [("sh -c echo out; echo err >&2; exit 3".to_owned(), answer(3, "out\nerr\n"))];
    Behaviour { missing: vec!["no-such-command".to_owned()], answers: answers.into(), ..plain }
}

macro_rules! on_every_simulated_engine {
    ($($promise:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $promise() {
                for duplicate_networks in [DuplicateNetworks::Refused, DuplicateNetworks::Allowed] {
                    for latencies in [Latencies::default(), Latencies::none()] {
                        let world = Simulated::new(&Settings { duplicate_networks, latencies, ..Settings::default() });
                        conformance::$promise(&world).await;
                    }
                }
            }
        )*
    };
}

each_promise!(on_every_simulated_engine);

/// The numbers of the document, and those of the suite.
#[test]
fn every_promise_has_a_test_and_every_test_a_promise() {
    macro_rules! numbers {
        ($($promise:ident)*) => { [$(stringify!($promise)),*].map(|name| name[1..3].parse::<u32>().expect("a number")) };
    }
    let tested = BTreeSet::from(each_promise!(numbers));
    let written: Vec<u32> = include_str!("../../docs/internals/engine.md")
        .lines()
        .filter_map(|line| line.strip_prefix("- **E")?.split_once("**")?.0.parse().ok())
        .collect();
    assert!(written.is_sorted() && !written.is_empty());
    assert_eq!(tested, written.into_iter().collect());
}
