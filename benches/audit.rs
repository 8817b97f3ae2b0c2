//! The cost of the audit log: the same apply with and without it, alternating, so that other load on the machine affects
//! both equally; and the time to write the entries of an apply.
//!
//!     cargo bench --bench audit           # on the engine of DOCKER_HOST
//!
//! The second figure is an upper bound: an apply waits only for the first sync, and writes the rest while the engine
//! works.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moat::audit::batch::Described;
use moat::audit::engine::Audited;
use moat::audit::log::{About, Writer};
use moat::audit::{Audit, Entry, Phase, Verdict, read};
use moat::clock::Clock;
use moat::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_docker::{Asked, Docker};
use moat_model::graph::Graph;
use moat_plan::event::Event;
use moat_plan::{Options, Volumes};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};
use tokio_util::sync::CancellationToken;

type Tried<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SANDBOXES: [(&str, &str, usize); 2] = [
    ("plain", "agent: audit-cost\nimage: busybox\n", 40),
    ("docker:dind", "agent: audit-cost\nimage: docker:dind\ndependencies:\n  - docker:dind\n", 15),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Tried<()> {
    let docker = Docker::connect(Asked::Nothing).await?;
    for (name, spec, pairs) in SANDBOXES {
        // Beside the binary, so that it is on a real disk and not in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let source = Source::new("agent.yaml", folder.path().join("agent.yaml"), spec);
        let spec = agent::parse(source).map_err(|wrong| format!("{wrong:?}"))?;
        let graph = compile(&spec, &Capabilities::builtin()).map_err(|wrong| format!("{wrong:?}"))?;
        // The first apply may have to pull images.
        apply(&docker, &graph, None).await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            // Alternating, each equally often first.
            for is_with in [pair % 2 == 0, pair % 2 != 0] {
                let state = is_with.then_some(folder.path());
                let took = apply(&docker, &graph, state).await?;
                if is_with { with.push(took) } else { without.push(took) }
            }
        }
        let more: Vec<f64> = with.iter().zip(&without).map(|(with, without)| ms(*with) - ms(*without)).collect();
        let entries = of_one_apply(&read::entries(folder.path())?);
        let writes: Tried<Vec<_>> = (0..9).map(|_| write(folder.path(), &entries)).collect();
        let (with, without, writes) = (median(with), median(without), median(writes?));
        let more = middle(more);
        println!(
            "{name}, {pairs} pairs: with {:.0} ms, without {:.0} ms; in the middle of the pairs {more:+.1} ms: {:+.2} %",
            ms(with),
            ms(without),
            more / ms(without) * 100.0
        );
        let share = ms(writes) / ms(without) * 100.0;
        println!("{name}: its {} entries alone {:.1} ms: {share:.2} %", entries.len(), ms(writes));
    }
    Ok(())
}

/// Applies from nothing and destroys; returns the time of the apply. `state`: the folder of the audit log.
async fn apply(docker: &Docker, graph: &Graph, state: Option<&Path>) -> Tried<Duration> {
    let stop = CancellationToken::new();
    let started = Instant::now();
    let audit = match state {
        Some(state) => Some(Arc::new(Audit::open(state, writer())?)),
        None => None,
    };
    let record = audit.clone().map(|audit| (audit, docker.located().endpoint.to_string()));
    let audited = Audited::of(docker, record, graph);
    let on_event = |event: Event<'_>| audited.note(&event);
    let (options, claims) = (Options::default(), Claims::default());
    let done = until_converged(&audited, graph, options, &claims, OnFailure::Keep, &on_event, &stop).await?;
    if let Some(audit) = audit {
        audit.close()?;
    }
    let took = started.elapsed();
    if !matches!(done, Outcome::Converged { changed: true, .. }) {
        return Err(format!("{done:?}").into());
    }
    let (nothing, options) = (Graph::empty(graph.run.clone()), Options { volumes: Volumes::All, ..Options::default() });
    until_converged(docker, &nothing, options, &claims, OnFailure::Keep, &|_| (), &stop).await?;
    Ok(took)
}

fn writer() -> Writer {
    Writer { command: "apply".to_owned(), pid: std::process::id(), clock: Clock::System }
}

/// The entries of the last apply: from the last plan on.
fn of_one_apply(all: &[Entry]) -> Vec<Entry> {
    let is_intent = |entry: &Entry| entry.body.phase == Phase::Intent;
    let last = all.iter().rposition(is_intent).unwrap_or(0);
    let first = all[..last].iter().rposition(|entry| !is_intent(entry)).map_or(0, |at| at + 1);
    all[first..].to_vec()
}

/// Writes the entries in sequence, as an apply does.
fn write(state: &Path, entries: &[Entry]) -> Tried<Duration> {
    let started = Instant::now();
    let audit = Audit::open(state, writer())?;
    let about = entries.first().map_or_else(About::default, |entry| {
        let body = &entry.body;
        About { run: body.run.clone(), agent: body.agent.clone(), engine: body.engine.clone() }
    });
    let intents: Vec<&Entry> = entries.iter().filter(|entry| entry.body.phase == Phase::Intent).collect();
    let changes = intents.iter().map(|it| Described { event: "container_started", data: it.body.data.clone() });
    let first = audit.announce(&about, &changes.collect::<Vec<_>>())?;
    for (seq, entry) in (first..).zip(entries.iter().filter(|entry| entry.body.phase == Phase::Outcome)) {
        audit.begun(seq);
        audit.outcome(seq, &entry.body.event, Verdict::Done, &about, entry.body.data.clone())?;
    }
    audit.close()?;
    Ok(started.elapsed())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn middle(mut differences: Vec<f64>) -> f64 {
    differences.sort_by(f64::total_cmp);
    let half = differences.len() / 2;
    if differences.len().is_multiple_of(2) {
        f64::midpoint(differences[half - 1], differences[half])
    } else {
        differences[half]
    }
}
