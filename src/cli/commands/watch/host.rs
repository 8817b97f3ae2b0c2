//! The host of a watch on the command line: spec files, locks, approvals, status notes and output.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::reload::{self, Mounted};
use crate::audit::Audit;
use crate::audit::engine::Audited;
use crate::cli::args::locking::Locking;
use crate::cli::blocking::run_blocking;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::{record, warn};
use crate::cli::record::{audit_dir, writer};
use crate::cli::report::condition;
use crate::cli::session::Session;
use crate::cli::state_directory::state_directory;
use crate::clock::{Clock, written};
use crate::history::line::Fault;
use crate::history::{Line, Place, Recorder};
use crate::local::approval::Approval;
use crate::local::lock::{Holder, Lock, LockError};
use crate::local::watching::{self, Note};
use crate::ui::Reporter;
use crate::ui::live::dashboard::AgentState;
use crate::ui::live::display::Display;
use crate::watch::credentials::{Source, sources};
use crate::watch::files::Files;
use crate::watch::{Fingerprint, Host, Loaded, Read, RecordedEngine, Standing, Work, systemd};
use moat_docker::Docker;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::state::Observed;
use moat_plan::event::{Event, Failure};

pub struct CliHost<'a> {
    session: &'a Session,
    engine: &'a Docker,
    runs: Vec<Run>,
    /// One for each run.
    reporters: Vec<Reporter<'a>>,
    /// For events about all runs.
    all: Reporter<'a>,
    /// Replaces the reporters on a terminal.
    live: Option<Live<'a>>,
    /// One for each run: the prefix of its lines.
    labels: Vec<Option<String>>,
    files: Files,
    locking: &'a Locking,
    /// Approve every spec.
    allow: bool,
    places: Option<PathBuf>,
    audit: Arc<Audit>,
    /// The rounds of each run since its last wakeup.
    rounds: RefCell<Vec<Rounds>>,
    /// Held for the lifetime of the watch.
    _locks: Vec<Lock>,
    /// Which agents have not been in sync yet.
    waiting: RefCell<Vec<bool>>,
    startup: &'a Startup,
    /// By agent index: whether it has been in sync since it was last asked.
    in_sync: Vec<Notify>,
    /// By agent index.
    mounted: RefCell<BTreeMap<usize, Mounted>>,
    /// By agent index: the grants whose sources may have another value.
    sources: RefCell<BTreeMap<usize, BTreeMap<String, Source>>>,
}

/// The agents of this host in a dashboard.
pub struct Live<'a> {
    display: Rc<Display<'a>>,
    first: usize,
}

/// The number of Docker hosts and sandboxes that a watch waits for before it notifies systemd.
pub struct Startup {
    left: Cell<usize>,
}

impl Startup {
    pub fn new(tasks: usize) -> Self {
        Self { left: Cell::new(tasks) }
    }

    pub fn add(&self, tasks: usize) {
        self.left.set(self.left.get() + tasks);
    }

    /// One task is done. A Docker host that answers late adds tasks again; systemd ignores a second notification.
    pub fn done(&self) {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            systemd::ready();
        }
    }
}

/// The parts of a watch that all of its Docker hosts share.
pub struct Shared<'a> {
    pub locking: &'a Locking,
    /// Approve every spec.
    pub allow: bool,
    pub startup: &'a Startup,
    /// On a terminal.
    pub display: Option<Rc<Display<'a>>>,
}

impl<'a> CliHost<'a> {
    /// # Errors
    /// If another watch has one of the runs.
    pub fn new(
        session: &'a Session,
        engine: &'a Docker,
        runs: Vec<Run>,
        files: Files,
        shared: &Shared<'a>,
    ) -> Result<Self, CliError> {
        let places = state_directory();
        let audit = Arc::new(Audit::open(&audit_dir()?, writer("watch"))?);
        let address = engine.located().endpoint.to_string();
        let holder = Holder { pid: process::id(), command: "watch".to_owned(), since: written(Clock::System.now()) };
        let mut locks = Vec::with_capacity(runs.len());
        for run in &runs {
            let Some(dir) = &places else { break };
            // Without this directory, approvals are only noticed by polling.
            let _ = Approval::of(dir, &run.id).prepare();
            match watching::Watching::of(dir, &run.id, &address).begin(&run.id, &holder) {
                Ok(lock) => locks.push(lock),
                Err(error @ LockError::Held { .. }) => return Err(error.into()),
                // Without the file other commands cannot show the watch, but it works.
                Err(error @ LockError::File { .. }) => {
                    session.warning(&error.to_string(), "`moat status` will not show this watch");
                    break;
                }
            }
        }
        let labels = labels(session, &runs);
        let reporters = runs.iter().zip(&labels).map(|(run, label)| session.reporter(run, label.clone())).collect();
        let live = shared.display.as_ref().map(|display| {
            let names = runs.iter().zip(&labels).map(|(run, label)| label.clone().unwrap_or(run.agent.to_string()));
            Live { first: display.add(names), display: Rc::clone(display) }
        });
        shared.startup.add(runs.len());
        // This Docker host itself.
        shared.startup.done();
        Ok(Self {
            session,
            engine,
            live,
            labels,
            reporters,
            all: session.reporter_of_all(),
            files,
            locking: shared.locking,
            allow: shared.allow,
            places,
            audit,
            rounds: RefCell::new(runs.iter().map(|_| Rounds::default()).collect()),
            _locks: locks,
            waiting: RefCell::new(vec![true; runs.len()]),
            startup: shared.startup,
            in_sync: runs.iter().map(|_| Notify::new()).collect(),
            mounted: RefCell::default(),
            sources: RefCell::default(),
            runs,
        })
    }

    /// # Errors
    /// If the output could not be written.
    pub fn stop(self) -> Result<(), CliError> {
        for reporter in self.reporters.into_iter().chain([self.all]) {
            reporter.stop().map_err(CliError::Output)?;
        }
        Ok(())
    }

    /// Waits until an agent has been in sync since the last call.
    pub async fn next_settled(&self, agent: usize) {
        match self.in_sync.get(agent) {
            Some(settled) => settled.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The grants of an agent that may have another value at their source, as of the last approved spec.
    pub fn sources(&self, agent: usize) -> BTreeMap<String, Source> {
        self.sources.borrow().get(&agent).cloned().unwrap_or_default()
    }

    fn address(&self) -> String {
        self.engine.located().endpoint.to_string()
    }

    fn approval(&self, run: &Run) -> Option<Approval> {
        self.places.as_ref().map(|dir| Approval::of(dir, &run.id))
    }

    /// Notifies systemd once every agent has been in sync.
    fn settled(&self, run: &Run) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(number) = self.runs.iter().position(|it| it.id == run.id) {
            if std::mem::replace(&mut waiting[number], false) {
                self.startup.done();
            }
            self.in_sync[number].notify_one();
        }
    }
}

/// The rounds of a run since its last wakeup.
#[derive(Default)]
struct Rounds {
    trigger: Option<String>,
    recorder: Recorder,
}

impl CliHost<'_> {
    /// Writes the history of a run, as a command does.
    fn history(&self, number: usize, event: &Event<'_>) {
        let ended = {
            let mut all = self.rounds.borrow_mut();
            let Some(rounds) = all.get_mut(number) else { return };
            if let Event::Woken { trigger, .. } = event {
                *rounds = Rounds { trigger: Some(format!("watch: {trigger}")), recorder: Recorder::default() };
            }
            rounds.recorder.note(event);
            if matches!(event, Event::Settled { .. } | Event::Unsettled { .. }) {
                std::mem::take(rounds)
            } else {
                return;
            }
        };
        let (Some(trigger), Some(run), Some(dir)) = (ended.trigger, self.runs.get(number), &self.places) else {
            return;
        };
        let (took, failures) = match event {
            Event::Settled { took, .. } => (*took, [].as_slice()),
            Event::Unsettled { failures, .. } => (std::time::Duration::ZERO, *failures),
            _ => return,
        };
        let (outcome, exit) = if failures.is_empty() { ("converged", Exit::Done) } else { ("failed", Exit::Failed) };
        let line = Line {
            v: 1,
            time: written(Clock::System.now()),
            run: run.id.to_string(),
            agent: run.agent.to_string(),
            engine: self.address(),
            trigger,
            pid: process::id(),
            rounds: ended.recorder.rounds(),
            outcome: outcome.to_owned(),
            exit_code: exit.code(),
            state: None,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            errors: failures.iter().map(Fault::from).collect(),
        };
        if let Err(error) = Place::of(dir, &run.id, &self.address()).add(&line) {
            warn(run, &error, &|event| self.reporters[number].report(&event));
        }
    }
}

impl Host for CliHost<'_> {
    type Lock = Option<Lock>;

    async fn fingerprint(&self, agent: usize, inputs: &[PathBuf]) -> Fingerprint {
        let (inputs, mounted) = (inputs.to_vec(), self.mounted.borrow().get(&agent).cloned().unwrap_or_default());
        run_blocking(move || reload::fingerprint(&inputs, &mounted)).await
    }

    async fn load(&self, spec: &Path, run: &Run) -> Loaded {
        let (loaded, mounted) = reload::again(spec, run, self.engine, self.allow, self.session.screen.colour()).await;
        if let Some(number) = self.runs.iter().position(|it| it.id == run.id) {
            self.mounted.borrow_mut().insert(number, mounted);
            if let Read::Good(graph) = &loaded.spec {
                self.sources.borrow_mut().insert(number, sources(graph));
            }
        }
        loaded
    }

    async fn lock(&self, run: &Run) -> Result<Option<Lock>, String> {
        let number = self.runs.iter().position(|it| it.id == run.id);
        let on_event = |event: Event<'_>| self.report(number, event);
        let never = CancellationToken::new();
        let lock = self.locking.lock("watch", run, self.engine, &on_event, &never).await;
        lock.map_err(|error| error.to_string())
    }

    fn note(&self, run: &Run, standing: &Standing) {
        if standing.work == Work::Settled {
            self.settled(run);
        }
        let number = self.runs.iter().position(|it| it.id == run.id);
        if let (Some(live), Some(number)) = (&self.live, number) {
            live.display.set_state(live.first + number, agent_state(standing));
        }
        let Some(dir) = &self.places else { return };
        let place = watching::Watching::of(dir, &run.id, &self.address());
        if let Err(error) = place.write(&note(standing)) {
            tracing::debug!("cannot write the watch status of `{}`: {error}", run.id);
        }
    }

    fn follow(&self, agent: usize, inputs: &[PathBuf]) {
        let mut inputs = inputs.to_vec();
        inputs.extend(self.runs.get(agent).and_then(|run| Some(self.approval(run)?.path().to_owned())));
        if let (Err(error), Some(run)) = (self.files.follow(agent, &inputs), self.runs.get(agent)) {
            self.report(Some(agent), Event::Warning { run, message: &error.to_string(), hint: error.hint });
        }
    }

    fn report(&self, agent: Option<usize>, event: Event<'_>) {
        if let Some(live) = &self.live {
            let label = match agent {
                Some(number) => self.labels.get(number).and_then(Option::as_deref).map(str::trim_end),
                None => self.session.context.as_deref(),
            };
            live.display.report(agent.map(|number| live.first + number), label, &event);
        } else {
            let reporter = agent.and_then(|number| self.reporters.get(number)).unwrap_or(&self.all);
            reporter.report(&event);
        }
        if let Some(number) = agent {
            self.history(number, &event);
        }
    }

    async fn left(&self, agent: usize, graph: &Graph, observed: &Observed, failures: &[Failure]) {
        let (Some(run), Some(dir)) = (self.runs.get(agent), &self.places) else { return };
        let rounds = self.rounds.borrow().get(agent).map(|it| it.recorder.rounds()).unwrap_or_default();
        let (errors, condition) = (failures.first().map(Fault::from), condition(graph, observed, failures));
        let record = record(self.engine, run, observed, Some(condition), &rounds, errors.as_ref()).await;
        if let Err(problem) = record.write(&Place::of(dir, &run.id, &self.address())) {
            warn(run, &problem, &|event| self.reporters[agent].report(&event));
        }
    }

    fn recorded<'b, E: Engine>(&'b self, engine: &'b E, graph: &'b Graph) -> impl RecordedEngine + 'b {
        Audited::of(engine, Some((Arc::clone(&self.audit), self.address())), graph)
    }
}

/// The prefixes of the lines of several runs, padded to a common width. Those of one of several Docker hosts name it.
fn labels(session: &Session, runs: &[Run]) -> Vec<Option<String>> {
    let label = |run: &Run| match &session.context {
        Some(context) => format!("{}@{context}", run.agent),
        None => run.agent.to_string(),
    };
    let width = runs.iter().map(|run| label(run).len()).max().unwrap_or(0);
    let is_shown = runs.len() > 1 || session.context.is_some();
    runs.iter().map(|run| is_shown.then(|| format!("{:width$}", label(run)))).collect()
}

/// The displayed state; states that need a user come first.
fn agent_state(standing: &Standing) -> AgentState {
    let why = || standing.last_error.clone().unwrap_or_default();
    match standing.work {
        Work::NoEngine => AgentState::NoEngine,
        _ if !standing.held.is_empty() => AgentState::Held(standing.held.clone()),
        _ if standing.problem.is_some() => AgentState::NoSpec,
        Work::BackingOff | Work::Stuck if standing.last_error.is_none() => {
            AgentState::Suspended(standing.left.join(", "))
        }
        Work::Stuck => AgentState::Stuck(why()),
        Work::BackingOff => AgentState::Failed(why()),
        _ if standing.sessions > 0 => AgentState::Waiting(standing.sessions),
        Work::Starting | Work::Working => AgentState::Starting,
        Work::Settled => AgentState::InSync,
    }
}

fn note(standing: &Standing) -> Note {
    let work = match standing.work {
        Work::Starting => "starting",
        Work::Settled => "settled",
        Work::Working => "working",
        Work::BackingOff => "backing-off",
        Work::Stuck => "stuck",
        Work::NoEngine => "no-engine",
    };
    Note {
        since: written(Clock::System.now()),
        work: work.to_owned(),
        held: standing.held.clone(),
        problem: standing.problem.clone(),
        sessions: standing.sessions,
        last_error: standing.last_error.clone(),
        left: standing.left.clone(),
    }
}
