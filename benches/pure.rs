//! The cost of the pure parts: reading a spec, compiling it, and a plan of ten thousand resources.
//!
//!     cargo bench --bench pure
//!
//! The fastest and the median of several runs, in milliseconds. Nothing is compared with a limit here: figures of other
//! machines differ.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use moat_model::graph::{Edge, Gate, Graph, Milestone, Node};
use moat_model::resource::{AgentName, Config, ResourceId, Retention, Role, Run, VolumeConfig};
use moat_model::state::Observed;
use moat_plan::{Options, compute};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};

/// Enough that a single disturbance is not the median.
const RUNS: usize = 21;

const RESOURCES: usize = 10_000;

/// Uses most of the language.
const SPEC: &str = include_str!("../examples/tuned/agent.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let parse = || agent::parse(Source::new("agent.yaml", "/p/agent.yaml", SPEC));
    let spec = parse().map_err(|wrong| format!("{wrong:?}"))?;
    let capabilities = Capabilities::builtin();
    let graph = graph(RESOURCES)?;
    measure("parse", || parse().is_ok());
    measure("compile", || compile(&spec, &capabilities).is_ok());
    measure("plan of 10,000 resources", || compute(&graph, &Observed::default(), &Options::default()));
    Ok(())
}

fn measure<T>(name: &str, work: impl Fn() -> T) {
    let mut took: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            black_box(work());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("{name:<28} fastest {:>9.3} ms, median {:>9.3} ms", took[0], took[RUNS / 2]);
}

/// Volumes, each of which waits for the one before.
fn graph(size: usize) -> Result<Graph, Box<dyn Error>> {
    let run = Run::derive(AgentName::parse("bench")?, Path::new("/p/agent.yaml"));
    let id = |i: usize| ResourceId::volume(format!("v{i:05}"));
    let node = |i: usize| Node {
        id: id(i),
        role: Role::Support,
        config: Config::Volume(VolumeConfig { retention: Retention::Keep }),
        probe: None,
        failures: Vec::new(),
    };
    let edge = Edge { gates: Gate::Create, until: Milestone::Created };
    let edges: Vec<_> = (1..size).map(|i| (id(i), id(i - 1), edge)).collect();
    Ok(Graph::build(run, None, (0..size).map(node).collect(), &edges)?)
}
