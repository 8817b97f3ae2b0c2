//! A host without files: the test sets specs, locks and approvals.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use moat::audit::engine::Audited;
use moat::watch::{Fingerprint, Host, Loaded, Read, RecordedEngine, Standing};
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_plan::event::Event;
use tokio::time::{Instant, sleep};

#[derive(Debug, Clone)]
pub enum File {
    Good(Box<Graph>),
    /// The spec asks for more than was approved.
    Held(Vec<String>),
    Bad,
    Gone,
}

impl File {
    pub fn good(graph: Graph) -> Self {
        Self::Good(Box::new(graph))
    }
}

#[derive(Default)]
pub struct FakeHost {
    /// By the spec's path: the number of writes, and the content.
    pub files: RefCell<BTreeMap<PathBuf, (u32, File)>>,
    /// The time to read a spec, by its path; zero by default.
    pub takes: RefCell<BTreeMap<PathBuf, Duration>>,
    /// Another process has the lock.
    pub locked: Cell<bool>,
    /// Runs that are being changed right now.
    held: Rc<RefCell<Vec<String>>>,
    /// Two rounds of one run overlapped.
    pub overlapped: Cell<bool>,
    /// The reported events, shortened.
    pub reported: RefCell<Vec<String>>,
    pub standing: RefCell<BTreeMap<String, Standing>>,
    /// The latest announced retry.
    pub promised: Cell<Option<Instant>>,
    /// The last event said that nothing is tried until a change.
    pub stuck: Cell<bool>,
}

pub struct Held {
    run: String,
    all: Rc<RefCell<Vec<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.borrow_mut().retain(|run| *run != self.run);
    }
}

impl FakeHost {
    pub fn write(&self, spec: &Path, file: File) {
        let mut files = self.files.borrow_mut();
        let count = files.get(spec).map_or(0, |(count, _)| count + 1);
        files.insert(spec.to_owned(), (count, file));
    }

    /// Approves the spec; none of its files changes.
    pub fn approve(&self, spec: &Path, graph: Graph) {
        if let Some((_, file)) = self.files.borrow_mut().get_mut(spec) {
            *file = File::good(graph);
        }
    }

    fn count(&self, spec: &Path) -> String {
        self.files.borrow().get(spec).map_or_else(String::new, |(count, _)| count.to_string())
    }

    /// The events since the last call.
    pub fn take_reported(&self) -> Vec<String> {
        std::mem::take(&mut self.reported.borrow_mut())
    }

    fn promise(&self, pause: Duration) {
        self.promised.set(self.promised.get().max(Some(Instant::now() + pause)));
    }

    pub fn standing_of(&self, run: &Run) -> Standing {
        self.standing.borrow().get(run.id.as_str()).cloned().unwrap_or_default()
    }
}

impl Host for FakeHost {
    type Lock = Held;

    async fn fingerprint(&self, _: usize, inputs: &[PathBuf]) -> Fingerprint {
        let mut all = Fingerprint::default();
        for file in inputs {
            all.add(file.clone(), &self.count(file));
        }
        all
    }

    async fn load(&self, spec: &Path, _: &Run) -> Loaded {
        let read = match self.files.borrow().get(spec).map(|(_, file)| file.clone()) {
            Some(File::Good(graph)) => Read::Good(graph),
            Some(File::Held(more)) => Read::Held(more),
            Some(File::Bad) => Read::Bad("it makes no sense".to_owned()),
            Some(File::Gone) | None => Read::Gone,
        };
        let takes = self.takes.borrow().get(spec).copied();
        if let Some(time) = takes {
            sleep(time).await;
        }
        Loaded { inputs: vec![spec.to_owned()], spec: read }
    }

    async fn lock(&self, run: &Run) -> Result<Held, String> {
        if self.locked.get() {
            return Err("another moat has it".to_owned());
        }
        let run = run.id.to_string();
        if self.held.borrow().contains(&run) {
            self.overlapped.set(true);
        }
        self.held.borrow_mut().push(run.clone());
        Ok(Held { run, all: self.held.clone() })
    }

    fn note(&self, run: &Run, standing: &Standing) {
        self.standing.borrow_mut().insert(run.id.to_string(), standing.clone());
    }

    fn recorded<'a, E: Engine>(&'a self, engine: &'a E, graph: &'a Graph) -> impl RecordedEngine + 'a {
        Audited::of(engine, None, graph)
    }

    fn follow(&self, _: usize, _: &[PathBuf]) {}

    fn report(&self, _: Option<usize>, event: Event<'_>) {
        if let Event::Unsettled { again: Some(pause), .. } | Event::BackingOff { pause, .. } = &event {
            self.promise(*pause);
        }
        match &event {
            Event::Unsettled { again, .. } => self.stuck.set(again.is_none()),
            Event::Reloaded { .. } => self.stuck.set(false),
            _ => {}
        }
        let line = match event {
            Event::Woken { trigger, .. } => format!("woken: {trigger}"),
            Event::Succeeded { operation, .. } => format!("{} {}", operation.action.verb(), operation.resource),
            Event::Failed { operation, .. } => format!("failed {} {}", operation.action.verb(), operation.resource),
            Event::Undoing { .. } => "undoing".to_owned(),
            Event::Settled { .. } => "settled".to_owned(),
            Event::Unsettled { again, .. } => {
                let again = again.map_or_else(|| "something changes".to_owned(), |pause| format!("{pause:?}"));
                format!("unsettled until {again}")
            }
            Event::BackingOff { resource, repairs, pause, log, .. } => {
                format!("{resource} left alone for {} s after {repairs} repairs: {}", pause.as_secs(), log.join("|"))
            }
            Event::Reloaded { .. } => "reloaded".to_owned(),
            Event::Rejected { problem, .. } => format!("rejected: {problem}"),
            Event::SpecGone { .. } => "spec gone".to_owned(),
            Event::Held { more, .. } => format!("held: {}", more.join("; ")),
            Event::Postponed { sessions, .. } => format!("postponed for {sessions}"),
            Event::EngineLost { .. } => "engine lost".to_owned(),
            Event::EngineBack => "engine back".to_owned(),
            Event::Planned { .. }
            | Event::Started { .. }
            | Event::Progress { .. }
            | Event::Step { .. }
            | Event::Retrying { .. }
            | Event::Skipped { .. }
            | Event::Denied { .. }
            | Event::Warning { .. } => return,
        };
        self.reported.borrow_mut().push(line);
    }
}
