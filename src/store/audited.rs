//! An engine on which nothing is changed that is not on record: an intent on disk before each changing call, and its
//! outcome after.
//!
//! Around any other engine, so that nobody who changes something can forget it. What a call is about it knows from the
//! lists that pass through, since a call itself names only an id. Secrets stay out: of a container's configuration no
//! more is told than its image, its name and whether it is privileged.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::audit::log::About;
use super::audit::{Audit, AuditError, Entry, Verdict};
use crate::engine::{
    ContainerCreate, ContainerUpdate, Engine, EngineError, ExecOutput, Fault, Filter, ImageBuild, Inspection,
    NetworkCreate, Notice, PullProgress, VolumeCreate,
};
use crate::graph::Graph;
use crate::resource::digest::sha256;
use crate::resource::label::{self, Ownership};
use crate::resource::{ContainerId, FileConfig, ImageRef, NetworkId, ResourceId, Run};
use crate::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// An engine with a record.
pub struct Audited<'a, E> {
    engine: &'a E,
    /// `None`: nothing is put on record, as in a test.
    audit: Option<Arc<Audit>>,
    about: About,
    /// The container that builds, if the run has one.
    sidecar: Option<ResourceId>,
    known: Mutex<Known>,
    settled: Cell<bool>,
}

/// What has been seen of the run, by the engine's ids.
#[derive(Default)]
struct Known {
    containers: BTreeMap<ContainerId, Seen>,
    networks: BTreeMap<NetworkId, String>,
    /// The network that main is on.
    home: Option<NetworkId>,
}

#[derive(Clone)]
struct Seen {
    name: String,
    resource: Option<ResourceId>,
    privileged: bool,
}

/// Commands of users in a container. They are run without the run's lock, and may go on beside each other.
pub const SESSIONS: [&str; 3] = ["exec_run", "files_copied", "cache_pruned"];

type Data = Map<String, Value>;

impl<'a, E: Engine> Audited<'a, E> {
    /// As [`Audited::new`], of the run of a graph.
    pub fn of(engine: &'a E, record: Option<(Arc<Audit>, String)>, graph: &Graph) -> Self {
        let sidecar = graph.builds.as_ref().map(|builds| ResourceId::container(&builds.sidecar));
        Self::new(engine, record, &graph.run, sidecar)
    }

    /// `record`: where to, and the engine's address there. `sidecar`: the container that builds, if there is one.
    pub fn new(engine: &'a E, record: Option<(Arc<Audit>, String)>, run: &Run, sidecar: Option<ResourceId>) -> Self {
        let (run, agent) = (Some(run.id.to_string()), Some(run.agent.to_string()));
        let (audit, engine_address) = record.unzip();
        let about = About { run, agent, engine: engine_address };
        Self { engine, audit, about, sidecar, known: Mutex::default(), settled: Cell::new(false) }
    }

    /// Does what is not a call of [`Engine`], on record like one.
    ///
    /// # Errors
    /// If the intent cannot be put on record, and it was not done; otherwise its own.
    pub async fn recorded<T, Err: From<AuditError>>(
        &self,
        event: &'static str,
        data: Data,
        work: impl Future<Output = Result<T, Err>>,
        came_of_it: impl Fn(&T) -> Data,
    ) -> Result<T, Err> {
        let intent = self.intent(event, data).await?;
        let done = work.await;
        let (verdict, data) = match &done {
            Ok(done) => (Verdict::Done, came_of_it(done)),
            Err(_) => (Verdict::Failed, Data::new()),
        };
        self.outcome(intent, event, verdict, data).await?;
        done
    }

    async fn change<T>(
        &self,
        event: &'static str,
        data: Data,
        work: impl Future<Output = Result<T, EngineError>>,
        came_of_it: impl Fn(&T) -> Data,
    ) -> Result<T, EngineError> {
        let intent = self.intent(event, data).await.map_err(|error| unrecorded(&error))?;
        let done = work.await;
        let (verdict, data) = match &done {
            Ok(done) => (Verdict::Done, came_of_it(done)),
            Err(error) => {
                (Verdict::Failed, object(json!({ "fault": error.fault.code(), "message": error.message.as_str() })))
            }
        };
        self.outcome(intent, event, verdict, data).await.map_err(|error| unrecorded(&error))?;
        done
    }

    async fn intent(&self, event: &'static str, data: Data) -> Result<u64, AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(0) };
        // A disk may take its time, and other calls need not wait for it.
        joined(spawn_blocking(move || audit.intent(event, &about, data)).await)
    }

    async fn outcome(&self, intent: u64, event: &'static str, result: Verdict, data: Data) -> Result<(), AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        joined(spawn_blocking(move || audit.outcome(intent, event, result, &about, data)).await)
    }

    /// Closes what a crash has left open: whoever looks now sees what came of it.
    async fn settle(&self) -> Result<(), EngineError> {
        if self.settled.replace(true) {
            return Ok(());
        }
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        let settled = joined(spawn_blocking(move || audit.settle(&about, is_over)).await);
        settled.map(drop).map_err(|error| unrecorded(&error))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, id: &ContainerId, name: &str, owner: Option<&Ownership>) {
        let privileged = owner.is_some_and(|owner| is_privileged(&owner.config));
        let resource = owner.map(|owner| owner.resource.clone());
        self.known().containers.insert(id.clone(), Seen { name: name.to_owned(), resource, privileged });
    }

    fn seen(&self, container: &ContainerId) -> Option<Seen> {
        self.known().containers.get(container).cloned()
    }

    fn is_sidecar(&self, container: &ContainerId) -> bool {
        let resource = self.seen(container).and_then(|seen| seen.resource);
        self.sidecar.is_some() && resource == self.sidecar
    }

    /// What is known of a container, as data.
    fn of_container(&self, container: &ContainerId) -> Data {
        let mut data = object(json!({ "id": container }));
        if let Some(seen) = self.seen(container) {
            data.insert("name".to_owned(), Value::from(seen.name));
            data.extend(seen.resource.map(|resource| ("resource".to_owned(), Value::from(resource.to_string()))));
            if seen.privileged {
                data.insert("privileged".to_owned(), Value::from(true));
            }
        }
        data
    }

    fn of_network(&self, network: &NetworkId) -> Data {
        let mut data = object(json!({ "network_id": network }));
        data.extend(self.known().networks.get(network).map(|name| ("network".to_owned(), Value::from(name.as_str()))));
        data
    }

    /// By what the main container builds, as far as that is there.
    fn building(&self, network: Option<&NetworkId>) -> Data {
        let Some(sidecar) = &self.sidecar else { return Data::new() };
        let known = self.known();
        let container = known.containers.iter().find(|(_, seen)| seen.resource.as_ref() == Some(sidecar));
        object(json!({
            "buildkit_container_id": container.map(|(id, _)| id),
            "buildkit_network_id": network.or(known.home.as_ref()),
        }))
    }
}

/// Nobody changes what is not on record.
fn unrecorded(error: &AuditError) -> EngineError {
    EngineError::new(Fault::Audit, error.to_string()).hint(error.hint())
}

fn joined<T>(done: Result<Result<T, AuditError>, tokio::task::JoinError>) -> Result<T, AuditError> {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn object(value: Value) -> Data {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Data::new(),
    }
}

fn nothing<T>(_: &T) -> Data {
    Data::new()
}

/// Whoever holds the run's lock knows that no other one is at it; a session may still be.
fn is_over(entry: &Entry) -> bool {
    let is_session = SESSIONS.contains(&entry.body.event.as_str());
    entry.body.pid != std::process::id() && (!is_session || !is_alive(entry.body.pid))
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // Not being allowed to ask is an answer, too.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn is_privileged(config: &str) -> bool {
    serde_json::from_str::<Value>(config).is_ok_and(|config| config["privileged"] == true)
}

fn resource(labels: &BTreeMap<String, String>) -> Option<&String> {
    labels.get(label::RESOURCE)
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
        let data = object(json!({ "image": reference }));
        self.change("image_pulled", data, self.engine.pull(reference, progress), nothing).await
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        // Its digest stands for the Dockerfile, in which scripts of the user's are.
        let data =
            object(json!({ "image": build.reference, "dockerfile": format!("sha256:{}", sha256(&build.dockerfile)) }));
        self.change("image_built", data, self.engine.build(build, step), nothing).await
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        let data = object(
            json!({ "network": create.name, "subnet": create.subnet.map(|it| it.to_string()), "internal": create.internal }),
        );
        let work = self.engine.create_network(create);
        let id = self.change("docker_network_created", data, work, |id| object(json!({ "network_id": id }))).await?;
        self.known().networks.insert(id.clone(), create.name.clone());
        Ok(id)
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        let data = self.of_network(network);
        self.change("docker_network_removed", data, self.engine.remove_network(network), nothing).await
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
        self.change("docker_network_connected", data, work, nothing).await
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        let data = object(json!({ "volume": create.name, "resource": resource(&create.labels) }));
        self.change("volume_created", data, self.engine.create_volume(create), nothing).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let data = object(json!({ "volume": name }));
        self.change("volume_removed", data, self.engine.remove_volume(name), nothing).await
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        let config = &create.config;
        let mut data = object(json!({
            "name": create.name,
            "resource": resource(&create.labels),
            "image": config.image,
            "privileged": config.privileged,
            "config": create.labels.get(label::HASH),
        }));
        let is_main = resource(&create.labels).is_some_and(|it| *it == ResourceId::main().to_string());
        if is_main {
            data.insert("buildkit_enabled".to_owned(), Value::from(self.sidecar.is_some()));
        }
        let work = self.engine.create_container(create);
        // The sidecar may be created at the same time: it is known by its id when the call has come back, or else when
        // main is started.
        let came_of_it = |id: &ContainerId| {
            let mut data = if is_main { self.building(Some(&create.network)) } else { Data::new() };
            data.insert("id".to_owned(), Value::from(id.as_str()));
            data
        };
        let id = self.change("container_created", data, work, came_of_it).await?;
        if is_main {
            self.known().home = Some(create.network.clone());
        }
        self.learn(&id, &create.name, Ownership::read(&create.labels).as_ref());
        Ok(id)
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        let mut data = self.of_container(container);
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        data.insert("files".to_owned(), Value::from(paths));
        self.change("files_uploaded", data, self.engine.upload(container, files), nothing).await
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        let event = if self.is_sidecar(container) { "buildkit_sidecar_started" } else { "container_started" };
        let mut data = self.of_container(container);
        if data.get("resource").is_some_and(|it| *it == ResourceId::main().to_string()) {
            data.extend(self.building(None));
        }
        self.change(event, data, self.engine.start(container), nothing).await
    }

    async fn stop(&self, container: &ContainerId) -> Result<(), EngineError> {
        let event = if self.is_sidecar(container) { "buildkit_sidecar_stopped" } else { "container_stopped" };
        self.change(event, self.of_container(container), self.engine.stop(container), nothing).await
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.change("container_restarted", self.of_container(container), self.engine.restart(container), nothing).await
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.change("container_unpaused", self.of_container(container), self.engine.unpause(container), nothing).await
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        self.change("container_updated", self.of_container(container), self.engine.update(container, update), nothing)
            .await
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        let mut data = self.of_container(container);
        data.insert("to".to_owned(), Value::from(name));
        self.change("container_renamed", data, self.engine.rename(container, name), nothing).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        let data = self.of_container(container);
        self.change("container_removed", data, self.engine.remove_container(container), nothing).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        // A probe: it asks, and changes nothing.
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
