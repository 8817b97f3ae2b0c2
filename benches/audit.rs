//! What the audit log costs an apply: the entries of a real one are written again, one after the other, and compared
//! with how long the apply took.
//!
//!     cargo bench --bench audit           # on the engine of DOCKER_HOST
//!
//! An upper bound: in the apply itself most of them are written while the engine works on something else.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use moat::clock::Clock;
use moat::store::audit::log::{About, Writer};
use moat::store::audit::{Audit, Entry, Phase, Verdict, read};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SANDBOXES: [(&str, &str); 2] = [
    ("docker:dind", "agent: audit-cost\nimage: docker:dind\ndependencies:\n  - docker:dind\n"),
    ("plain", "agent: audit-cost\nimage: busybox\n"),
];

/// Odd, so that the median is a run that took place.
const RUNS: usize = 9;

fn main() -> Outcome<()> {
    for (name, spec) in SANDBOXES {
        // Beside the binary, so that it is the same disk as that of real files, and not one in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        std::fs::write(folder.path().join("agent.yaml"), spec)?;
        let mut applies = Vec::new();
        for run in 0..=RUNS {
            let started = Instant::now();
            moat(folder.path(), &["apply"])?;
            // The first one may have to fetch images.
            if run > 0 {
                applies.push(started.elapsed());
            }
            moat(folder.path(), &["destroy", "--volumes", "--yes"])?;
        }
        let entries = of_one_apply(&read::entries(&folder.path().join("state"))?);
        let writes: Outcome<Vec<_>> = (0..RUNS).map(|_| write(folder.path(), &entries)).collect();
        let (apply, audit) = (median(applies), median(writes?));
        let share = audit.as_secs_f64() / apply.as_secs_f64() * 100.0;
        println!(
            "{name}: apply {:.0} ms; its {} entries {:.1} ms: {share:.2} %",
            apply.as_secs_f64() * 1e3,
            entries.len(),
            audit.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

fn moat(folder: &Path, args: &[&str]) -> Outcome<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moat"));
    command.args(args).arg("--quiet").current_dir(folder).env("MOAT_STATE_DIR", folder.join("state"));
    if command.status()?.success() { Ok(()) } else { Err(format!("moat {args:?} failed").into()) }
}

/// Those of the last apply.
fn of_one_apply(all: &[Entry]) -> Vec<Entry> {
    let last = all.iter().rfind(|entry| entry.body.command == "apply").map(|entry| entry.body.pid);
    all.iter().filter(|entry| Some(entry.body.pid) == last).cloned().collect()
}

fn write(folder: &Path, entries: &[Entry]) -> Outcome<Duration> {
    let writer = Writer { command: "apply".to_owned(), pid: std::process::id(), clock: Clock::System };
    let started = Instant::now();
    let audit = Audit::open(&folder.join("state"), writer)?;
    let mut intents = Vec::new();
    for entry in entries {
        let body = &entry.body;
        let about = About { run: body.run.clone(), agent: body.agent.clone(), engine: body.engine.clone() };
        match body.phase {
            Phase::Intent => {
                intents.push((entry.seq, audit.intent(&body.event, &about, body.data.clone())?));
            }
            Phase::Outcome => {
                let intent = intents.iter().find(|(old, _)| Some(*old) == body.of).map_or(0, |(_, new)| *new);
                audit.outcome(intent, &body.event, Verdict::Done, &about, body.data.clone())?;
            }
            Phase::Fact => {}
        }
    }
    audit.close()?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
