//! The interface between a watch and its host: specs, locks, approvals and reports.
//!
//! A trait, so that tests can run the loop without files.

use std::future::Future;
use std::path::{Path, PathBuf};

use crate::watch::fingerprint::Fingerprint;
use crate::watch::recorded::RecordedEngine;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::state::Observed;
use moat_plan::event::{Event, Failure};

/// The command line's side of a watch.
pub trait Host {
    /// Held while a run is changed.
    type Lock;

    /// What is in these files of an agent.
    fn fingerprint(&self, agent: usize, inputs: &[PathBuf]) -> impl Future<Output = Fingerprint>;

    /// Reads the spec of a run again, and compares it with the approved one before anything is fetched. This may
    /// take long; stopping the watch does not wait for it.
    fn load(&self, spec: &Path, run: &Run) -> impl Future<Output = Loaded>;

    /// Takes the lock of a run.
    ///
    /// # Errors
    /// If another moat process holds it. The text is for people.
    fn lock(&self, run: &Run) -> impl Future<Output = Result<Self::Lock, String>>;

    /// Publishes the state of an agent, for other commands.
    fn note(&self, run: &Run, standing: &Standing);

    /// Sets the files of an agent's spec.
    fn follow(&self, agent: usize, inputs: &[PathBuf]);

    /// Decorates the engine for a round on `graph`, so that each change is recorded.
    fn recorded<'a, E: Engine>(&'a self, engine: &'a E, graph: &'a Graph) -> impl RecordedEngine + 'a;

    /// Records the result of a round in the run's history: while its lock is held, and before it is reported.
    /// `failures`: why the run is not in sync; empty if it is.
    fn left(&self, agent: usize, graph: &Graph, observed: &Observed, failures: &[Failure]) -> impl Future<Output = ()> {
        let _ = (agent, graph, observed, failures);
        std::future::ready(())
    }

    /// `agent`: the subject; `None` for all agents.
    fn report(&self, agent: Option<usize>, event: Event<'_>);
}

/// The result of reading a spec.
#[derive(Debug)]
pub struct Loaded {
    /// The files of the spec, including optional ones that do not exist.
    pub inputs: Vec<PathBuf>,
    pub spec: Read,
}

/// The outcome of the reading.
#[derive(Debug)]
pub enum Read {
    /// The spec is valid and approved.
    Good(Box<Graph>),
    /// The spec requests more than was approved; one line for each request.
    Held(Vec<String>),
    /// The spec belongs to another run.
    Another(Run),
    /// The spec is invalid; the text is for people.
    Bad(String),
    /// The file does not exist.
    Gone,
}

/// The state of a watched agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    pub work: Work,
    /// The requests that wait for an approval.
    pub held: Vec<String>,
    /// Why the current spec is not in effect.
    pub problem: Option<String>,
    /// The number of sessions that block a round.
    pub sessions: usize,
    /// The last failure, unless a round has succeeded since.
    pub last_error: Option<String>,
    /// The paused resources, as text.
    pub left: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// No round has run yet.
    #[default]
    Starting,
    Settled,
    Working,
    /// Waits for the end of a pause.
    BackingOff,
    /// Gave up until a change.
    Stuck,
    /// Waits for the engine.
    NoEngine,
}
