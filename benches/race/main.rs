//! A race: `moat` against the same engine calls made directly in the best order, and against `docker compose`.
//!
//!     make bench                          # on the lab's engine
//!     cargo bench --bench race            # on the engine of DOCKER_HOST (a unix socket)
//!
//! There are two sandboxes. `docker:dind` is the main job: network, volumes, a `BuildKit` sidecar that is proven ready
//! before the main container is started, and a main container whose Docker daemon is proven ready. Nearly all of its
//! time is that of the programs in the containers, which is the same for everybody. `plain` is a network and a container
//! that idles, and so shows what the tools themselves take.
//!
//! All make the same containers and take turns, so that whatever else happens on the machine happens to all of them;
//! medians are compared.
//!
//! - `moat` is timed as a whole process, from start to exit.
//! - `direct` is a lower bound and no rival: it runs within this program, knows beforehand all that moat has to find out,
//!   looks at nothing, and could repair nothing. Its requests are moat's own, recorded once.
//! - `compose` is `docker compose`, a whole process too, with health checks as quick as the engine can make them.
//! - `compose 1s` is the same with a health check every second.
//!
//! Compose does not ask whether builds reach the sidecar, which moat and `direct` do.
//!
//! Nothing is asserted here. `RACE_RUNS` sets the number of turns, `MOAT_LAB_COMPOSE` names compose's program.
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

/// A sandbox, by name.
const SANDBOXES: [(&str, &str); 2] = [
    ("docker:dind", "agent: race\nimage: docker:dind\ndependencies:\n  - docker:dind\n"),
    ("plain", "agent: race-plain\nimage: busybox\n"),
];

/// Odd, so that the median is a run that took place.
const RUNS: usize = 9;

/// Starts of the program take a millisecond or two; many of them, so that the median is steady.
const STARTS: usize = 101;

fn main() -> Outcome<()> {
    let runs = std::env::var("RACE_RUNS").ok().map_or(Ok(RUNS), |runs| runs.parse())?;
    let engine = Engine::from_environment()?;
    for (name, spec) in SANDBOXES {
        println!("\n== {name}");
        race(&engine, spec, runs)?;
    }
    println!("\nstart of the program (`moat --version`): {:.1} ms", milliseconds(start()?));
    Ok(())
}

fn race(engine: &Engine, spec: &str, runs: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("agent.yaml");
    std::fs::write(&file, spec)?;
    let moat = Moat::new(&file);
    // This also fetches what images are missing.
    let recording = record::apply(&moat, engine, folder.path())?;
    println!("requests of an apply: {}; of one with nothing to do: {}", recording.apply, recording.again);
    let direct = Direct::new(engine.clone(), &recording)?;
    let mut composes = Vec::new();
    for (name, checks) in [("compose", Checks::Quickest), ("compose 1s", Checks::EverySecond)] {
        composes.extend(Compose::find(&recording, folder.path(), checks)?.map(|compose| (name, compose)));
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

/// Everybody once, each from the same clean state to the same clean state.
fn one_turn(moat: &Moat, direct: &Direct, composes: &[(&'static str, Compose)], table: &mut Table) -> Outcome<()> {
    table.add("moat", "apply", time(|| moat.run(&["apply"]))?);
    table.add("moat", "again", time(|| moat.run(&["apply"]))?);
    table.add("moat", "destroy", time(|| moat.run(&["destroy", "--volumes", "--yes"]))?);

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

/// Apart from the timed runs, since looking takes time too.
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

/// Where the binary under test is: cargo builds it, optimised, before this program.
fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_moat")).to_owned()
}
