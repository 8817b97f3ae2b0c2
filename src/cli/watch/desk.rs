//! The watch's desk on the command line: spec files, locks, approvals, notes, and whoever is told.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process;

use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::load;
use crate::cli::locking::{Locking, places};
use crate::cli::session::Session;
use crate::clock::{Clock, written};
use crate::engine::docker::Docker;
use crate::event::Event;
use crate::resource::Run;
use crate::store::approval::Approval;
use crate::store::lock::{Holder, Lock, LockError};
use crate::store::watching::{self, Note};
use crate::ui::Reporter;
use crate::watch::files::Files;
use crate::watch::systemd;
use crate::watch::{Desk, Loaded, Standing, Work};

pub struct CliDesk<'a> {
    session: &'a Session,
    engine: &'a Docker,
    runs: Vec<Run>,
    /// One for each run.
    reporters: Vec<Reporter<'a>>,
    /// For what is about all of them.
    all: Reporter<'a>,
    files: Files,
    locking: &'a Locking,
    places: Option<PathBuf>,
    /// Held as long as the watch lives.
    _locks: Vec<Lock>,
    /// How many agents have not been seen as wanted yet.
    waiting: RefCell<Vec<bool>>,
    told_ready: Cell<bool>,
}

impl<'a> CliDesk<'a> {
    /// # Errors
    /// If another watch has one of the runs.
    pub fn new(
        session: &'a Session,
        engine: &'a Docker,
        runs: Vec<Run>,
        files: Files,
        locking: &'a Locking,
    ) -> Result<Self, CliError> {
        let places = places();
        let address = engine.located().endpoint.to_string();
        let holder = Holder { pid: process::id(), command: "watch".to_owned(), since: written(Clock::System.now()) };
        let mut locks = Vec::with_capacity(runs.len());
        for run in &runs {
            let Some(dir) = &places else { break };
            match watching::Watching::of(dir, &run.id, &address).begin(&run.id, &holder) {
                Ok(lock) => locks.push(lock),
                Err(error @ LockError::Held { .. }) => return Err(error.into()),
                // Without a place for it nobody hears how the watch stands; it works all the same.
                Err(error @ LockError::File { .. }) => {
                    session.warn(&error.to_string(), "`moat status` will not know of this watch");
                    break;
                }
            }
        }
        let width = runs.iter().map(|run| run.agent.as_str().len()).max().unwrap_or(0);
        let label = |run: &Run| (runs.len() > 1).then(|| format!("{:width$}", run.agent.as_str()));
        let reporters = runs.iter().map(|run| session.reporter(run, label(run))).collect();
        Ok(Self {
            session,
            engine,
            reporters,
            all: session.reporter_of_all(),
            files,
            locking,
            places,
            _locks: locks,
            waiting: RefCell::new(vec![true; runs.len()]),
            told_ready: Cell::new(false),
            runs,
        })
    }

    /// # Errors
    /// If what was told could not be written.
    pub fn stop(self) -> Result<(), CliError> {
        for reporter in self.reporters.into_iter().chain([self.all]) {
            reporter.stop().map_err(CliError::Output)?;
        }
        Ok(())
    }

    fn address(&self) -> String {
        self.engine.located().endpoint.to_string()
    }

    fn approval(&self, run: &Run) -> Option<Approval> {
        self.places.as_ref().map(|dir| Approval::of(dir, &run.id, &self.address()))
    }

    /// Tells systemd, if it has asked for that, once every agent has been as wanted.
    fn settled(&self, run: &Run) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(number) = self.runs.iter().position(|it| it.id == run.id) {
            waiting[number] = false;
        }
        if waiting.iter().all(|waits| !waits) && !self.told_ready.replace(true) {
            systemd::ready();
        }
    }
}

impl Desk for CliDesk<'_> {
    type Lock = Option<Lock>;

    fn load(&self, spec: &Path) -> Loaded {
        load::again(spec, self.session.screen.colour())
    }

    async fn lock(&self, run: &Run) -> Result<Option<Lock>, String> {
        let number = self.runs.iter().position(|it| it.id == run.id);
        let tell = |event: Event<'_>| self.tell(number, event);
        let never = CancellationToken::new();
        let lock = self.locking.lock("watch", run, self.engine, &tell, &never).await;
        lock.map_err(|error| error.to_string())
    }

    fn approved(&self, run: &Run) -> Option<String> {
        self.approval(run)?.read()
    }

    fn forget_approval(&self, run: &Run) {
        if let Some(Err(error)) = self.approval(run).map(|it| it.forget()) {
            let hint = "remove it by hand: it would let the same through once more";
            let message = format!("an approval that has been made use of cannot be removed: {error}");
            self.tell(None, Event::Warning { run, message: &message, hint });
        }
    }

    fn note(&self, run: &Run, standing: &Standing) {
        if standing.work == Work::Settled {
            self.settled(run);
        }
        let Some(dir) = &self.places else { return };
        let place = watching::Watching::of(dir, &run.id, &self.address());
        if let Err(error) = place.write(&note(standing)) {
            tracing::debug!("how `{}` stands cannot be written: {error}", run.id);
        }
    }

    fn follow(&self, agent: usize, inputs: &[PathBuf]) {
        let mut inputs = inputs.to_vec();
        inputs.extend(self.runs.get(agent).and_then(|run| Some(self.approval(run)?.path().to_owned())));
        if let (Err(error), Some(run)) = (self.files.follow(agent, &inputs), self.runs.get(agent)) {
            self.tell(Some(agent), Event::Warning { run, message: &error.to_string(), hint: error.hint });
        }
    }

    fn tell(&self, agent: Option<usize>, event: Event<'_>) {
        let reporter = agent.and_then(|number| self.reporters.get(number)).unwrap_or(&self.all);
        reporter.tell(&event);
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
