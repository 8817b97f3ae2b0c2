//! An engine decorator that logs every change: an intent on disk before each changing call, and its outcome after it.
//! `batch` logs the intents of a whole plan together, `words` defines the data of each.
//!
//! It wraps any other engine, so that no caller can omit the log. Calls identify resources by id only; names come from
//! the lists that the engine returns. Secrets are not logged: of a container's configuration, only its image, its name
//! and whether it is privileged.

mod batch;
mod known;
mod words;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Mutex as Turn;
use tokio::task::spawn_blocking;

use crate::audit::batch::Change;
use crate::audit::log::About;
use crate::audit::{Audit, AuditError, Entry, Verdict};
use batch::{Ahead, Intent};
use known::Known;
use moat_model::engine::{
    ContainerCreate, ContainerUpdate, Engine, EngineError, ExecOutput, Fault, Filter, ImageBuild, Inspection,
    NetworkCreate, Notice, PullProgress, VolumeCreate,
};
use moat_model::graph::Graph;
use moat_model::resource::label::Ownership;
use moat_model::resource::{ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId, ResourceId, Run};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};
use words::{Data, object};

/// An engine with an audit log.
pub struct Audited<'a, E> {
    engine: &'a E,
    /// `None` if nothing is logged, as in tests.
    audit: Option<Arc<Audit>>,
    about: About,
    /// The build sidecar, if the run has one.
    sidecar: Option<ResourceId>,
    known: Mutex<Known>,
    settled: Cell<bool>,
    /// The changes of the last reported plan.
    announced: Mutex<Vec<Change>>,
    /// The changes of that plan that are logged already.
    ahead: Turn<Ahead>,
    /// The number of running calls.
    busy: Cell<usize>,
}

/// Events of user commands in a container. They run without the lock of the run, and concurrently.
pub const SESSIONS: [&str; 4] = ["exec_run", "attached", "files_copied", "cache_pruned"];

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
            known: Mutex::default(),
            settled: Cell::new(false),
            announced: Mutex::default(),
            ahead: Turn::default(),
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
        let intent = self.intent(event, data).await?;
        let done = work.await;
        let (verdict, data) = match &done {
            Ok(done) => (Verdict::Done, result_data(done)),
            Err(_) => (Verdict::Failed, Data::new()),
        };
        self.outcome(intent.seq, event, verdict, data).await?;
        done
    }

    async fn change<T>(
        &self,
        event: &'static str,
        data: Data,
        work: impl Future<Output = Result<T, EngineError>>,
        result_data: impl Fn(&T) -> Data,
    ) -> Result<T, EngineError> {
        let busy = Busy::with(&self.busy);
        let known = data.clone();
        let done = match self.intent(event, data).await {
            Ok(intent) => {
                let done = work.await;
                self.came_of(intent, event, &known, &done, result_data).await.and(done)
            }
            Err(error) => Err(unrecorded(&error)),
        };
        drop(busy);
        self.sync_when_idle().await;
        done
    }

    /// Logs the outcome of a call, with data that its intent did not have.
    async fn came_of<T>(
        &self,
        intent: Intent,
        event: &'static str,
        known: &Data,
        done: &Result<T, EngineError>,
        result_data: impl Fn(&T) -> Data,
    ) -> Result<(), EngineError> {
        let mut data: Data = known.clone();
        data.retain(|field, value| intent.said.get(field) != Some(value));
        let verdict = match done {
            Ok(done) => {
                data.extend(result_data(done));
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

    fn announced(&self) -> MutexGuard<'_, Vec<Change>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
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

fn nothing<T>(_: &T) -> Data {
    Data::new()
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
                self.known().home.clone_from(&facts.home);
            }
        }
        self.settle().await?;
        self.skip_the_rest().await.map_err(|error| unrecorded(&error))?;
        Ok(found)
    }

    async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
        let found = self.engine.networks(filter).await?;
        self.known().networks.extend(found.iter().map(|facts| (facts.id.clone(), facts.name.clone())));
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

    async fn pull(&self, reference: &ImageRef, progress: &dyn Fn(PullProgress)) -> Result<(), EngineError> {
        let data = words::image(reference);
        self.change(words::IMAGE_PULLED, data, self.engine.pull(reference, progress), nothing).await
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.engine.registry_digest(reference).await
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        let data = words::build(build);
        self.change(words::IMAGE_BUILT, data, self.engine.build(build, step), nothing).await
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        let data = words::network(&create.name, create.subnet, create.internal);
        let work = self.engine.create_network(create);
        let id = self.change(words::NETWORK_CREATED, data, work, |id| object(json!({ "network_id": id }))).await?;
        self.known().networks.insert(id.clone(), create.name.clone());
        Ok(id)
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        let data = self.of_network(network);
        self.change(words::NETWORK_REMOVED, data, self.engine.remove_network(network), nothing).await
    }

    async fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        let mut data = self.of_container(container);
        data.extend(self.of_network(network));
        let work = self.engine.connect(network, container, aliases);
        self.change(words::NETWORK_CONNECTED, data, work, nothing).await
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        let data = words::volume(&create.name, &create.labels);
        self.change(words::VOLUME_CREATED, data, self.engine.create_volume(create), nothing).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let data = object(json!({ "volume": name }));
        self.change(words::VOLUME_REMOVED, data, self.engine.remove_volume(name), nothing).await
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        let is_main = words::is_main(&create.labels);
        let data = words::container(&create.name, &create.labels, &create.config, self.sidecar.is_some());
        let work = self.engine.create_container(create);
        // The sidecar may be created concurrently: its id is known when this call returns, or at the start of main.
        let result_data = |id: &ContainerId| {
            let mut data = if is_main { self.building(Some(&create.network)) } else { Data::new() };
            data.insert("id".to_owned(), Value::from(id.as_str()));
            data
        };
        let id = self.change(words::CONTAINER_CREATED, data, work, result_data).await?;
        if is_main {
            self.known().home = Some(create.network.clone());
        }
        self.learn(&id, &create.name, Ownership::read(&create.labels).as_ref());
        Ok(id)
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        let data = words::with_files(self.of_container(container), files);
        self.change(words::FILES_UPLOADED, data, self.engine.upload(container, files), nothing).await
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        let event = words::started(self.is_sidecar(container));
        let mut data = self.of_container(container);
        if data.get("resource").is_some_and(|it| *it == ResourceId::main().to_string()) {
            data.extend(self.building(None));
        }
        self.change(event, data, self.engine.start(container), nothing).await
    }

    async fn stop(&self, container: &ContainerId, grace: Option<u32>) -> Result<(), EngineError> {
        let event = words::stopped(self.is_sidecar(container));
        self.change(event, self.of_container(container), self.engine.stop(container, grace), nothing).await
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.change(words::CONTAINER_RESTARTED, self.of_container(container), self.engine.restart(container), nothing)
            .await
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.change(words::CONTAINER_UNPAUSED, self.of_container(container), self.engine.unpause(container), nothing)
            .await
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        self.change(
            words::CONTAINER_UPDATED,
            self.of_container(container),
            self.engine.update(container, update),
            nothing,
        )
        .await
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        let data = words::renamed(self.of_container(container), name);
        self.change(words::CONTAINER_RENAMED, data, self.engine.rename(container, name), nothing).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        let data = self.of_container(container);
        self.change(words::CONTAINER_REMOVED, data, self.engine.remove_container(container), nothing).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        // A probe, which changes nothing.
        self.engine.exec(container, command).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.engine.commands(container).await
    }

    async fn events(&self, since: Option<i64>, tell: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        self.engine.events(since, tell).await
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.engine.log_tail(container, lines).await
    }
}
