//! What an isolation costs: the same sandbox with `isolation: rootless` and with privileged containers, in turns.
//!
//!     tests/lab/engine up && eval "$(tests/lab/engine env)" && cargo bench --bench isolation
//!
//! On an engine that does not map users. Each step is a command of moat as a whole process, so that its own time, which
//! is the same for both, brings the ratios closer to 1; `apply` and `again` are what users wait for. Nothing is asserted.
//! `ISOLATION_RUNS` sets the number of turns.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Odd, so that the median is a measured value.
const RUNS: usize = 9;

/// The most that an apply may take of that of a privileged sandbox.
const GOAL: f64 = 1.2;

const FORMS: [(&str, &str); 2] = [("privileged", "isolation: privileged\n"), ("rootless", "isolation: rootless\n")];

/// The steps that run in main. They leave nothing behind.
const SCRIPTS: [(&str, &str); 6] = [
    // Three steps and their layers, then the transfer into the daemon.
    ("build", "cd /tmp/bench && docker build --no-cache -q -t bench . >/dev/null"),
    ("run", "docker run --rm busybox true"),
    // In main, and on the overlay file system of a container inside.
    (
        "small files",
        "mkdir /tmp/f && cd /tmp/f && i=0 && while [ $i -lt 2000 ]; do echo $i >$i; i=$((i + 1)); done && cat * >/dev/null && rm -r /tmp/f",
    ),
    ("large file", "dd if=/dev/zero of=/tmp/f bs=1M count=256 2>/dev/null && cat /tmp/f >/dev/null && rm /tmp/f"),
    (
        "small files inside",
        "docker run --rm busybox sh -c 'mkdir /f && cd /f && i=0 && while [ $i -lt 2000 ]; do echo $i >$i; i=$((i + 1)); done && cat * >/dev/null'",
    ),
    (
        "large file inside",
        "docker run --rm busybox sh -c 'dd if=/dev/zero of=/f bs=1M count=256 2>/dev/null && cat /f >/dev/null'",
    ),
];

/// What the build step builds: a layer of many files, and one of a large file.
const DOCKERFILE: &str = "FROM busybox
RUN mkdir /f && cd /f && i=0 && while [ $i -lt 1000 ]; do echo $i >$i; i=$((i + 1)); done
RUN dd if=/dev/zero of=/large bs=1M count=64
RUN cat /f/* >/sum
";

/// The times by step and form.
type Times = BTreeMap<(&'static str, &'static str), Vec<Duration>>;

fn main() -> Outcome<()> {
    let runs = std::env::var("ISOLATION_RUNS").ok().map_or(Ok(RUNS), |runs| runs.parse())?;
    let folder = tempfile::tempdir()?;
    let mut specs = Vec::new();
    for (form, line) in FORMS {
        let file = folder.path().join(form).join("agent.yaml");
        std::fs::create_dir(folder.path().join(form))?;
        std::fs::write(&file, format!("agent: bench-{form}\n{line}dependencies: [docker:dind]\n"))?;
        specs.push((form, file));
    }
    // Pulls the images.
    for (_, spec) in &specs {
        moat(&["apply"], spec)?;
        moat(&["destroy", "--volumes", "--yes"], spec)?;
    }
    let mut times = Times::new();
    for run in 1..=runs {
        println!("run {run} of {runs}");
        for (form, spec) in &specs {
            turn(form, spec, &mut times)?;
        }
    }
    print(&times);
    Ok(())
}

/// Each step of one form, from the same clean state.
fn turn(form: &'static str, spec: &Path, times: &mut Times) -> Outcome<()> {
    let mut measure = |step, work: &dyn Fn() -> Outcome<()>| -> Outcome<()> {
        let started = Instant::now();
        work()?;
        times.entry((step, form)).or_default().push(started.elapsed());
        Ok(())
    };
    measure("apply", &|| moat(&["apply"], spec))?;
    measure("again", &|| moat(&["apply"], spec))?;
    let prepare = format!(
        "docker pull -q busybox >/dev/null && mkdir /tmp/bench && cat >/tmp/bench/Dockerfile <<'END'\n{DOCKERFILE}END"
    );
    inside(&prepare, spec)?;
    for (step, script) in SCRIPTS {
        measure(step, &|| inside(script, spec))?;
    }
    measure("destroy", &|| moat(&["destroy", "--volumes", "--yes"], spec))
}

fn print(times: &Times) {
    println!("\n{:<20} {:>12} {:>12} {:>8}", "seconds (median)", "privileged", "rootless", "ratio");
    let steps = ["apply", "again"].into_iter().chain(SCRIPTS.map(|(step, _)| step)).chain(["destroy"]);
    for step in steps {
        let [privileged, rootless] = FORMS.map(|(form, _)| times.get(&(step, form)).map_or(0.0, |it| median(it)));
        println!("{step:<20} {privileged:>12.3} {rootless:>12.3} {:>8.3}", rootless / privileged);
        if step == "apply" {
            let verdict = if rootless / privileged <= GOAL { "met" } else { "missed" };
            println!("{:<20} goal {GOAL}: {verdict}", "");
        }
    }
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default().as_secs_f64()
}

fn moat(arguments: &[&str], spec: &Path) -> Outcome<()> {
    let mut command = Command::new(binary());
    command.args(arguments).arg(spec);
    finish(command)
}

fn inside(script: &str, spec: &Path) -> Outcome<()> {
    let mut command = Command::new(binary());
    command.arg("exec").arg(spec).args(["--", "sh", "-c", script]);
    finish(command)
}

/// Runs to the end; the output of a failed command becomes the error.
fn finish(mut command: Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// The binary under test, which cargo builds with optimisation before this program.
fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_moat")).to_owned()
}
