//! What a watch needs besides an engine: specs, locks, approvals, and somebody to tell.
//!
//! A trait, so that the loop can be run in a test without files.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::Audit;
use crate::watch::fingerprint::Fingerprint;
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

    /// Reads the spec of a run again, and compares it with what was approved before anything of it is fetched. That may
    /// take long, and is not waited for when the watch is stopped.
    fn load(&self, spec: &Path, run: &Run) -> impl Future<Output = Loaded>;

    /// Takes the lock of a run.
    ///
    /// # Errors
    /// If another moat has it; for a person.
    fn lock(&self, run: &Run) -> impl Future<Output = Result<Self::Lock, String>>;

    /// How an agent stands, for whoever asks meanwhile.
    fn note(&self, run: &Run, standing: &Standing);

    /// Which files an agent's spec is made of from now on.
    fn follow(&self, agent: usize, inputs: &[PathBuf]);

    /// Where changes are put on record, and the engine's address there; `None`: nowhere, as in a test of the loop.
    fn record(&self) -> Option<(Arc<Audit>, String)> {
        None
    }

    /// What a round has left behind, for the record of the run: while its lock is held, and before it is told.
    /// `failures`: why it is not as wanted; none: it is.
    fn left(&self, agent: usize, graph: &Graph, observed: &Observed, failures: &[Failure]) -> impl Future<Output = ()> {
        let _ = (agent, graph, observed, failures);
        std::future::ready(())
    }

    /// `agent`: whom it is about; `None`: all of them.
    fn tell(&self, agent: Option<usize>, event: Event<'_>);
}

/// A spec as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The files that it is made of, and those that were looked for in vain.
    pub inputs: Vec<PathBuf>,
    pub spec: Read,
}

/// What came of reading it.
#[derive(Debug)]
pub enum Read {
    /// It may take effect.
    Good(Box<Graph>),
    /// It asks for more than was approved; what, one line each.
    Held(Vec<String>),
    /// It stands for another run.
    Another(Run),
    /// It cannot be used; for a person.
    Bad(String),
    /// There is no such file.
    Gone,
}

/// How a watched agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    pub work: Work,
    /// What waits for an approval.
    pub held: Vec<String>,
    /// Why the spec as it is now is not what is wanted.
    pub problem: Option<String>,
    /// How many sessions are waited for.
    pub sessions: usize,
    /// What failed last, if it has not succeeded since.
    pub last_error: Option<String>,
    /// The resources that are left alone for now, as they are written.
    pub left: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// Nobody has looked yet.
    #[default]
    Starting,
    Settled,
    Working,
    /// Waits for a pause to end.
    BackingOff,
    /// Has given up until something changes.
    Stuck,
    /// Waits for the engine.
    NoEngine,
}
