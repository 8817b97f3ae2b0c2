//! A race: `moat` against the same engine calls made directly in the best order, and against `docker compose`.
//!
//!     make bench                          # on the lab's engine
//!     cargo bench --bench race            # on the engine of DOCKER_HOST (a unix socket)
//!
//! There are two sandboxes. `docker:dind` is the main case: network, volumes, and a `BuildKit` sidecar and a main container
//! whose daemons are ready at the end. Nearly all of the time is spent by the programs in the containers, equally for all
//! contestants. With a network policy, it also has a gateway, and a proof at the end. `plain` is a network and an idle
//! container, and shows the overhead of the tools.
//!
//! The contestants take turns, so that other load on the machine affects them equally; medians are compared.
//!
//! - `moat` is timed as a whole process, from start to exit.
//! - `direct` is a lower bound and not a competitor: it runs within this program, knows in advance what moat must observe,
//!   and cannot repair anything. Its requests are moat's, recorded once.
//! - `compose` is `docker compose`, also timed as a process, with the same images as a user writes them into a file by
//!   hand, and health checks as frequent as the engine allows.
//! - `compose 1s` is the same with a health check every second.
//!
//! Compose does not check that builds reach the sidecar; moat and `direct` do.
//!
//! Nothing is asserted here. `RACE_RUNS` sets the number of turns, `RACE_ONLY` a part of a sandbox's name, `MOAT_LAB_COMPOSE` names the compose program.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod compose;
mod direct;
mod process;
mod record;
mod socket;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use compose::{Checks, Compose};
use direct::Direct;
use process::{Moat, peak_memory};
use socket::Engine;
use table::Table;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A sandbox: its name, its spec, and its file for compose, which has no gateway.
const SANDBOXES: [(&str, &str, &str); 3] = [
    ("docker:dind", "agent: race\nimage: docker:dind\ndependencies:\n  - docker:dind\n", compose::DIND),
    (
        "docker:dind with a gateway",
        "agent: race-strict\nimage: docker:dind\ndependencies:\n  - docker:dind\nnetwork:\n  policy: strict\n  rules: ['@debian']\n",
        "",
    ),
    ("plain", "agent: race-plain\nimage: busybox\n", compose::PLAIN),
];

/// Odd, so that the median is a measured value.
const RUNS: usize = 9;

/// Many starts, which take one or two milliseconds, for a stable median.
const STARTS: usize = 101;

fn main() -> Outcome<()> {
    let runs = std::env::var("RACE_RUNS").ok().map_or(Ok(RUNS), |runs| runs.parse())?;
    let engine = Engine::from_environment()?;
    let only = std::env::var("RACE_ONLY").unwrap_or_default();
    for (name, spec, compose) in SANDBOXES.into_iter().filter(|(name, ..)| name.contains(&only)) {
        println!("\n== {name}");
        race(&engine, spec, compose, runs)?;
    }
    println!("\nstart of the program (`moat --version`): {:.1} ms", milliseconds(start()?));
    Ok(())
}

fn race(engine: &Engine, spec: &str, compose: &str, runs: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("agent.yaml");
    std::fs::write(&file, spec)?;
    let moat = Moat::new(&file);
    // This also pulls missing images.
    let recording = record::apply(&moat, engine, folder.path())?;
    println!("requests of an apply: {}; of one with nothing to do: {}", recording.apply, recording.again);
    let direct = Direct::new(engine.clone(), &recording)?;
    let mut composes = Vec::new();
    let ways = [("compose", Checks::Fastest), ("compose 1s", Checks::EverySecond)];
    for (name, checks) in ways.into_iter().filter(|_| !compose.is_empty()) {
        composes.extend(Compose::find(compose, folder.path(), checks)?.map(|compose| (name, compose)));
    }

    let mut table = Table::default();
    for run in 1..=runs {
        println!("run {run} of {runs}");
        one_turn(&moat, &direct, &composes, &mut table)?;
    }
    println!("\n{table}");
    println!("peak memory of an apply: {:.1} MB", megabytes(peak_memory_of_apply(&moat)?));
    Ok(())
}

/// Runs each contestant once, from the same clean state.
fn one_turn(moat: &Moat, direct: &Direct, composes: &[(&'static str, Compose)], table: &mut Table) -> Outcome<()> {
    table.add("moat", "apply", time(|| moat.run(&["apply"]))?);
    table.add("moat", "again", time(|| moat.run(&["apply"]))?);
    table.add("moat", "status", time(|| moat.run(&["status"]))?);
    table.add("moat", "destroy", time(|| moat.run(&["destroy", "--volumes", "--yes"]))?);
    table.add("moat", "run --rm", time(|| moat.run_in("true"))?);
    // It keeps the cache.
    moat.run(&["destroy", "--volumes", "--yes"])?;

    let started = Instant::now();
    let made = direct.apply()?;
    table.add("direct", "apply", started.elapsed());
    table.add("direct", "destroy", time(|| direct.destroy(&made))?);

    for (name, compose) in composes {
        table.add(name, "apply", time(|| compose.run(&["up", "--wait"]))?);
        table.add(name, "again", time(|| compose.run(&["up", "--wait"]))?);
        table.add(name, "destroy", time(|| compose.run(&["down", "-v"]))?);
    }
    Ok(())
}

fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn start() -> Outcome<Duration> {
    let starts: Outcome<Vec<_>> = (0..STARTS).map(|_| time(process::version)).collect();
    Ok(table::median(&starts?))
}

/// Separate from the timed runs, since polling takes time too.
fn peak_memory_of_apply(moat: &Moat) -> Outcome<u64> {
    let peak = peak_memory(moat.command(&["apply"]))?;
    moat.run(&["destroy", "--volumes", "--yes"])?;
    Ok(peak)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with one digit after the point")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The binary under test, which cargo builds with optimisation before this program.
fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_moat")).to_owned()
}
