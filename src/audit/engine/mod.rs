//! An engine decorator that logs every change: an intent on disk before each changing call, and its outcome after it.
//! `batch` logs the intents of a whole plan together, `describe` defines the data of each.
//!
//! It wraps any other engine, so that no caller can omit the log. Calls identify resources by id only; names come from
//! the lists that the engine returns. One task uses it: its state is not shared between threads.

mod batch;
mod describe;
mod known;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::audit::batch::Described;
use crate::audit::log::About;
use crate::audit::{Audit, AuditError, Entry, Verdict};
use batch::{Intent, LoggedIntents};
use describe::{Data, object};
use known::Known;
use moat_model::engine::{
    Change, Created, Engine, EngineError, ExecOutput, Fault, Filter, Inspection, Notice, Progress,
};
use moat_model::graph::Graph;
use moat_model::resource::{ContainerId, ImageDigest, ImageRef, ResourceId, Run};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// An engine with an audit log.
pub struct Audited<'a, E> {
    engine: &'a E,
    /// `None` if nothing is logged, as in tests.
    audit: Option<Arc<Audit>>,
    about: About,
    /// The build sidecar, if the run has one.
    sidecar: Option<ResourceId>,
    known: RefCell<Known>,
    settled: Cell<bool>,
    /// The changes of the last reported plan.
    announced: RefCell<Vec<Described>>,
    /// The changes of that plan that are logged already. Locked while they are written, so that no other call of the
    /// plan logs them again.
    ahead: Mutex<LoggedIntents>,
    /// The number of running calls.
    busy: Cell<usize>,
}

/// Events of user commands in a container. They run without the lock of the run, and concurrently.
pub const SESSIONS: [&str; 5] = ["exec_run", "attached", "files_copied", "cache_pruned", "grant_revoked"];

impl<'a, E: Engine> Audited<'a, E> {
    /// As [`Audited::new`], for the run of a graph.
    pub fn of(engine: &'a E, record: Option<(Arc<Audit>, String)>, graph: &Graph) -> Self {
        let sidecar = graph.builds.as_ref().map(|builds| ResourceId::container(&builds.sidecar));
        Self::new(engine, record, &graph.run, sidecar)
    }

    /// `record`: where to, and the engine's address there. `sidecar`: the container that builds, if there is one.
    pub fn new(engine: &'a E, record: Option<(Arc<Audit>, String)>, run: &Run, sidecar: Option<ResourceId>) -> Self {
        let (run, agent) = (Some(run.id.to_string()), Some(run.agent.to_string()));
        let (audit, engine_address) = record.unzip();
        let about = About { run, agent, engine: engine_address };
        Self {
            engine,
            audit,
            about,
            sidecar,
            known: RefCell::default(),
            settled: Cell::new(false),
            announced: RefCell::default(),
            ahead: Mutex::default(),
            busy: Cell::new(0),
        }
    }

    /// Runs work that is not a call of [`Engine`], and logs it like one.
    ///
    /// # Errors
    /// If the intent cannot be logged, in which case the work is not started; otherwise the error of the work.
    pub async fn recorded<T, Err: From<AuditError>>(
        &self,
        event: &'static str,
        data: Data,
        work: impl Future<Output = Result<T, Err>>,
        result_data: impl Fn(&T) -> Data,
    ) -> Result<T, Err> {
        let intent = self.intent(Described { event, data }).await?;
        let done = work.await;
        let (verdict, data) = match &done {
            Ok(done) => (Verdict::Done, result_data(done)),
            Err(_) => (Verdict::Failed, Data::new()),
        };
        self.outcome(intent.seq, event, verdict, data).await?;
        done
    }

    /// Logs the outcome of a call, with data that its intent did not have.
    async fn log_outcome(
        &self,
        intent: Intent,
        described: Described,
        change: &Change,
        done: &Result<Created, EngineError>,
    ) -> Result<(), EngineError> {
        let Described { event, mut data } = described;
        data.retain(|field, value| intent.said.get(field) != Some(value));
        let verdict = match done {
            Ok(made) => {
                data.extend(self.result(change, made));
                Verdict::Done
            }
            Err(error) => {
                data.extend(object(json!({ "fault": error.fault.code(), "message": error.message.as_str() })));
                Verdict::Failed
            }
        };
        self.outcome(intent.seq, event, verdict, data).await.map_err(|error| unrecorded(&error))
    }

    async fn outcome(&self, intent: u64, event: &'static str, result: Verdict, data: Data) -> Result<(), AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        joined(spawn_blocking(move || audit.outcome(intent, event, result, &about, data)).await)
    }

    /// Syncs the log in the background when no change is running. An error is reported when the log is closed.
    async fn sync_when_idle(&self) {
        if let Some(audit) = self.audit.clone()
            && self.busy.get() == 0
            && self.ahead.lock().await.is_empty()
        {
            spawn_blocking(move || audit.flush());
        }
    }

    /// Closes intents that a crash left open: the observation that follows shows their results.
    async fn settle(&self) -> Result<(), EngineError> {
        if self.settled.replace(true) {
            return Ok(());
        }
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        let settled = joined(spawn_blocking(move || audit.settle(&about, is_over)).await);
        settled.map(drop).map_err(|error| unrecorded(&error))
    }
}

/// Counts a call while it lives: the caller may drop its future before it ends.
struct Busy<'a>(&'a Cell<usize>);

impl<'a> Busy<'a> {
    fn with(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Returns the error of a change that is not made because it cannot be logged.
fn unrecorded(error: &AuditError) -> EngineError {
    EngineError::new(Fault::Audit, error.to_string()).hint(error.hint())
}

fn joined<T>(done: Result<Result<T, AuditError>, tokio::task::JoinError>) -> Result<T, AuditError> {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Whether the process of an intent is over. The caller holds the lock of the run, so only sessions may still run.
fn is_over(entry: &Entry) -> bool {
    let is_session = SESSIONS.contains(&entry.body.event.as_str());
    entry.body.pid != std::process::id() && (!is_session || !is_alive(entry.body.pid))
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // EPERM also means that the process exists.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

impl<E: Engine> Engine for Audited<'_, E> {
    async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerFacts>, EngineError> {
        let found = self.engine.containers(filter).await?;
        for facts in &found {
            self.learn(&facts.id, &facts.name, facts.owner.as_ref());
            if facts.owner.as_ref().is_some_and(|owner| owner.resource == ResourceId::main()) {
                self.known.borrow_mut().home.clone_from(&facts.home);
            }
        }
        self.settle().await?;
        self.skip_the_rest().await.map_err(|error| unrecorded(&error))?;
        Ok(found)
    }

    async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
        let found = self.engine.networks(filter).await?;
        let names = found.iter().map(|facts| (facts.id.clone(), facts.name.clone()));
        self.known.borrow_mut().networks.extend(names);
        Ok(found)
    }

    async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeFacts>, EngineError> {
        self.engine.volumes(filter).await
    }

    async fn image(&self, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        self.engine.image(reference).await
    }

    async fn inspect(&self, container: &ContainerId) -> Result<Inspection, EngineError> {
        self.engine.inspect(container).await
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.engine.registry_digest(reference).await
    }

    /// The change is not made if its intent cannot be logged.
    async fn change(&self, change: &Change, progress: &dyn Fn(Progress<'_>)) -> Result<Created, EngineError> {
        let described = self.describe(change, |container| self.of_container(container), |it| self.of_network(it));
        let busy = Busy::with(&self.busy);
        let done = match self.intent(described.clone()).await {
            Ok(intent) => {
                let done = self.engine.change(change, progress).await;
                self.log_outcome(intent, described, change, &done).await.and(done)
            }
            Err(error) => Err(unrecorded(&error)),
        };
        drop(busy);
        self.sync_when_idle().await;
        if let Ok(made) = &done {
            self.learn_from(change, made);
        }
        done
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        // A probe, which changes nothing.
        self.engine.exec(container, command).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.engine.commands(container).await
    }

    async fn events(&self, since: Option<i64>, on_notice: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        self.engine.events(since, on_notice).await
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.engine.log_tail(container, lines).await
    }
}
