//! The suite's environment besides an engine: unique names, programs to run, and interference.

use std::path::Path;
use std::time::Duration;

use ipnet::Ipv4Net;
use moat_model::engine::{
    ContainerCreate, Engine, EngineError, Fault, Filter, NetworkCreate, VolumeCreate, VolumeMount,
};
use moat_model::resource::label::labels;
use moat_model::resource::{
    AgentName, Config, ContainerConfig, ContainerId, FileConfig, ImageRef, NetworkAttachment, NetworkConfig, NetworkId,
    ResourceId, Retention, Run, VolumeConfig,
};
use moat_model::state::{ContainerFacts, ContainerState};
use moat_sim::interference::Interference;

use crate::changes::Changes;

/// One engine, with names for exclusive use.
pub trait World {
    type Engine: Engine;

    fn engine(&self) -> &Self::Engine;

    /// Unlike that of any other world on the same engine.
    fn agent(&self) -> AgentName;

    /// How to run a program: an image that is on the engine, and a command.
    fn program(&self, program: Program) -> (ImageRef, Vec<String>);

    /// An image that a pull brings, and that is not on the engine before.
    fn pullable(&self) -> ImageRef;

    /// A /28 that overlaps none of the others (`nth` is at most 3) and nothing else on the engine.
    fn subnet(&self, nth: u8) -> Ipv4Net;

    /// A free port of the Docker host.
    fn port(&self) -> u16;

    /// Applies interference at once.
    fn interfere(&self, interference: &Interference);
}

/// The program of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// Runs until a stop request.
    Idle,
    /// Runs, and ignores stop requests.
    IgnoresStop,
    /// Exits at once with code 7.
    Fails,
    /// Writes `one`, `two`, `three`, and runs until it is asked to stop.
    Writes,
    /// Writes the same, and ends.
    WritesAndEnds,
    /// Runs if there is a file `/opt/deep/conf` when it starts; ends with 78 if not.
    NeedsFile,
    /// Does not exist.
    Missing,
    /// Runs until it is asked to stop; its image has a health check, which says no.
    Unhealthy,
}

pub const NEEDED_FILE: &str = "/opt/deep/conf";

/// Long enough for a real engine under load. Nothing waits that long unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(20);

pub fn run_of(world: &impl World) -> Run {
    Run::derive(world.agent(), Path::new("/conformance/agent.yaml"))
}

pub fn run_filter(world: &impl World) -> Filter {
    Filter::Run(run_of(world).id)
}

/// A network on the world's range `nth`.
pub fn network_create(world: &impl World, name: &str, nth: u8) -> NetworkCreate {
    let config = Config::Network(NetworkConfig::default());
    NetworkCreate {
        name: format!("moat-{}-{name}", world.agent()),
        labels: labels(&run_of(world), &ResourceId::network(name), &config),
        internal: false,
        subnet: Some(world.subnet(nth)),
        gateway: false,
    }
}

pub fn volume_create(world: &impl World, name: &str) -> VolumeCreate {
    let config = Config::Volume(VolumeConfig { retention: Retention::Scratch });
    VolumeCreate {
        name: format!("moat-{}-{name}", world.agent()),
        labels: labels(&run_of(world), &ResourceId::volume(name), &config),
    }
}

pub fn container_create(world: &impl World, name: &str, program: Program, network: &NetworkId) -> ContainerCreate {
    let (image, command) = world.program(program);
    let config = ContainerConfig {
        command,
        stop_timeout: Some(1),
        ..ContainerConfig::new(
            image,
            NetworkAttachment { network: ResourceId::network("net"), aliases: vec![name.to_owned()] },
        )
    };
    let resource = ResourceId::container(name);
    ContainerCreate {
        name: format!("moat-{name}-{}", world.agent()),
        labels: labels(&run_of(world), &resource, &Config::Container(Box::new(config.clone()))),
        config,
        network: network.clone(),
        mounts: Vec::new(),
        ports: Vec::new(),
        address: None,
        resolver: None,
    }
}

pub fn mount(volume: &VolumeCreate, target: &str) -> VolumeMount {
    VolumeMount {
        volume: volume.name.clone(),
        target: target.to_owned(),
        read_only: false,
        labels: volume.labels.clone(),
    }
}

/// The world's network, made when it is first asked for.
pub async fn network(world: &impl World) -> NetworkId {
    world.engine().create_network(&network_create(world, "net", 0)).await.expect("a network")
}

/// A container that was just created.
pub async fn created(world: &impl World, name: &str, program: Program, network: &NetworkId) -> ContainerId {
    world.engine().create_container(&container_create(world, name, program, network)).await.expect("a container")
}

/// A container that was just started.
pub async fn started(world: &impl World, name: &str, program: Program, network: &NetworkId) -> ContainerId {
    let id = created(world, name, program, network).await;
    world.engine().start(&id).await.expect("a start");
    id
}

/// A container as a list shows it.
pub async fn listed(world: &impl World, id: &ContainerId) -> Option<ContainerFacts> {
    let all = world.engine().containers(&run_filter(world)).await.expect("a list");
    all.into_iter().find(|facts| facts.id == *id)
}

pub async fn state(world: &impl World, id: &ContainerId) -> ContainerState {
    listed(world, id).await.expect("a container that is there").state
}

/// The networks that a container was on, by id.
pub async fn networks_of(world: &impl World, id: &ContainerId) -> Vec<NetworkId> {
    let facts = listed(world, id).await.expect("a container that is there");
    facts.networks.into_iter().filter_map(|endpoint| endpoint.id).collect()
}

/// Waits until a container is in a state.
pub async fn reaches(world: &impl World, id: &ContainerId, wanted: ContainerState) -> ContainerFacts {
    let look = async || {
        let facts = listed(world, id).await.expect("a container that is there");
        (facts.state == wanted).then_some(facts)
    };
    eventually(&format!("{id} is {wanted:?}"), look).await
}

/// Asks until there is an answer.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Asserts that a call is refused for one reason.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, EngineError>, fault: Fault) {
    let error = answer.expect_err("a refusal");
    assert_eq!(error.fault, fault, "{error}");
    assert!(!error.message.is_empty(), "a refusal without a word");
}

pub fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|&word| word.to_owned()).collect()
}

pub fn file(path: &str, mode: u32, content: &str) -> FileConfig {
    FileConfig { path: path.to_owned(), mode, content: content.to_owned() }
}
