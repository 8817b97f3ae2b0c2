//! The engine of the tests, and a separate run for each test, removed afterwards.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use moat_docker::{Asked, Docker, Environment, ProcessEnv};
use moat_model::engine::{ContainerCreate, Engine, Filter, NetworkCreate, VolumeMount};
use moat_model::resource::{ContainerConfig, ContainerId, ImageRef, NetworkAttachment, NetworkId, ResourceId, RunId};
use moat_model::state::ContainerFacts;
use testkit::changes::Changes;
use testkit::owner;

/// A test's run on the engine. All objects with its label are removed on drop, also after a failure.
pub struct Lab {
    pub docker: Docker,
    pub run: RunId,
    pub network: NetworkId,
    /// Locked, since it has no spec and is an orphan to a `moat clean` of another test.
    _engine: RwLockReadGuard<'static, ()>,
}

/// Maximum wait for a state of the engine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A subnet outside docker's default pools and moat's range.
fn subnet() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let at = (std::process::id().wrapping_mul(7) + NEXT.fetch_add(1, Ordering::Relaxed)) % 4096;
    format!("10.97.{}.{}/28", at / 16, at % 16 * 16)
}

/// A variable of the lab's environment.
pub fn variable(name: &str) -> Option<String> {
    if let Some(value) = ProcessEnv.variable(name) {
        return Some(value);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/engine");
    let said = Command::new(script).arg("env").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")).map(str::to_owned))
}

pub async fn docker() -> Docker {
    let connected = Docker::connect(Asked::Nothing).await;
    connected.unwrap_or_else(|error| panic!("these tests need an engine: run `tests/lab/engine up` ({error})"))
}

pub fn busybox() -> ImageRef {
    ImageRef::parse("busybox:latest").expect("valid")
}

impl Lab {
    pub async fn new(test: &str) -> Self {
        let docker = docker().await;
        // Named like the sandboxes of other tests: their leak checks ignore foreign ones.
        let run = RunId::from_label(format!("e2e-{test}-{}", std::process::id()));
        if docker.image(&busybox()).await.expect("an answer").is_none() {
            docker.pull(&busybox(), &|_| {}).await.expect("the lab has it");
        }
        let mut lab = Self { docker, run, network: NetworkId::new("none yet"), _engine: owner::shared() };
        lab.network =
            lab.docker.create_network(&lab.network_named("net", subnet().parse().ok())).await.expect("a network");
        lab
    }

    pub fn filter(&self) -> Filter {
        Filter::Run(self.run.clone())
    }

    pub fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.run)
    }

    pub fn labels(&self, resource: &str) -> BTreeMap<String, String> {
        [("moat.run", self.run.as_str()), ("moat.resource", resource)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    pub fn network_named(&self, part: &str, subnet: Option<ipnet::Ipv4Net>) -> NetworkCreate {
        NetworkCreate {
            name: self.name(part),
            labels: self.labels("network/agent"),
            internal: false,
            subnet,
            gateway: false,
        }
    }

    /// A container that runs a script, without mounts.
    pub fn script(&self, part: &str, script: &str) -> ContainerCreate {
        ContainerCreate {
            name: self.name(part),
            labels: self.labels(&format!("container/{part}")),
            config: ContainerConfig {
                command: ["sh", "-c", script].map(str::to_owned).into(),
                init: true,
                stop_timeout: Some(1),
                ..ContainerConfig::new(
                    busybox(),
                    NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() },
                )
            },
            network: self.network.clone(),
            mounts: Vec::<VolumeMount>::new(),
            ports: Vec::new(),
            address: None,
            resolver: None,
        }
    }

    /// An idle container.
    pub async fn idle(&self) -> ContainerId {
        let id = self.docker.create_container(&self.script("idle", "sleep 1000")).await.expect("created");
        self.docker.start(&id).await.expect("started");
        id
    }

    /// The container with this name, from the list.
    pub async fn facts(&self, part: &str) -> ContainerFacts {
        let list = self.docker.containers(&self.filter()).await.expect("a list");
        list.into_iter().find(|facts| facts.name == self.name(part)).expect("it is in the list")
    }

    /// Waits until the container's facts match.
    pub async fn wait_for(&self, part: &str, what: &str, wanted: impl Fn(&ContainerFacts) -> bool) -> ContainerFacts {
        let begin = Instant::now();
        loop {
            let facts = self.facts(part).await;
            if wanted(&facts) {
                return facts;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {facts:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the container has logged the line.
    pub async fn wait_for_log(&self, id: &ContainerId, line: &str) {
        let begin = Instant::now();
        loop {
            let log = self.docker.log_tail(id, 20).await.expect("a log");
            if log.iter().any(|written| written == line) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for `{line}`: {log:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let filter = self.filter();
        // A new runtime: the test's is busy.
        let swept = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(sweep(&filter));
        });
        let _ = swept.join();
    }
}

async fn sweep(filter: &Filter) {
    let docker = docker().await;
    for container in docker.containers(filter).await.unwrap_or_default() {
        let _ = docker.remove_container(&container.id).await;
    }
    for volume in docker.volumes(filter).await.unwrap_or_default() {
        let _ = docker.remove_volume(&volume.name).await;
    }
    for network in docker.networks(filter).await.unwrap_or_default() {
        let _ = docker.remove_network(&network.id).await;
    }
}
