//! E35 and E36: changes in place, and ports of the Docker host.

use moat_model::engine::{ContainerUpdate, Engine, Fault, PortBinding};
use moat_model::resource::{ContainerId, Cpus, Limits, Port, Protocol, RestartPolicy, Size};
use moat_model::state::ContainerState;

use super::world::{Program, World, container_create, created, eventually, listed, network, refused, started, state};
use crate::changes::Changes;

pub async fn e35_an_update_changes_what_it_names(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = started(world, "main", Program::Idle, &net).await;
    let now = async || {
        let found = engine.inspect(&id).await.expect("a container");
        (found.limits, found.restart)
    };
    // Docker is given moat's own limits of memory and processes at creation.
    let (before, restart) = now().await;
    assert_eq!((before.cpus, restart), (None, Some(RestartPolicy::No)));
    let limits = Limits { memory: Some(Size(64 << 20)), cpus: Some(Cpus(500_000_000)), pids: Some(50) };
    let all = ContainerUpdate { limits, restart: Some(RestartPolicy::OnFailure) };
    engine.update(&id, &all).await.expect("an update");
    assert_eq!(now().await, (limits, Some(RestartPolicy::OnFailure)));
    // More than was allowed before, and nothing else.
    let memory = Limits { memory: Some(Size(256 << 20)), ..Limits::default() };
    engine.update(&id, &ContainerUpdate { limits: memory, restart: None }).await.expect("an update");
    let limits = Limits { memory: memory.memory, ..limits };
    assert_eq!(now().await, (limits, Some(RestartPolicy::OnFailure)));
    assert_eq!(state(world, &id).await, ContainerState::Running);

    let pids = Limits { pids: Some(60), ..Limits::default() };
    engine.stop(&id, None).await.expect("a stop");
    engine.update(&id, &ContainerUpdate { limits: pids, restart: None }).await.expect("an update");
    assert_eq!(now().await.0, Limits { pids: Some(60), ..limits });
    let fresh = created(world, "other", Program::Idle, &net).await;
    engine.update(&fresh, &all).await.expect("an update");
    assert_eq!(engine.inspect(&fresh).await.expect("a container").limits, all.limits);
    let unknown = ContainerId::new("f".repeat(64));
    refused(engine.update(&unknown, &all).await, Fault::NotFound);
}

pub async fn e36_a_port_belongs_to_one_container(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let port = world.port();
    let mut create = container_create(world, "main", Program::Idle, &net);
    let container = Port { number: 80, protocol: Protocol::Tcp };
    create.ports = vec![PortBinding { container, address: "127.0.0.1".parse().expect("an address"), host: port }];
    let first = engine.create_container(&create).await.expect("a container");
    create.name.push_str("-2");
    let second = engine.create_container(&create).await.expect("a container");
    // A list may be a moment behind a start or a stop.
    let publishes = async |id, ports: &[u16]| {
        let published = async || listed(world, id).await.expect("a container").published;
        eventually(&format!("{id} publishes {ports:?}"), async || (published().await == ports).then_some(())).await;
    };
    publishes(&first, &[]).await;
    engine.start(&first).await.expect("a start");
    publishes(&first, &[port]).await;
    refused(engine.start(&second).await, Fault::Port);
    assert_ne!(state(world, &second).await, ContainerState::Running);
    engine.stop(&first, None).await.expect("a stop");
    publishes(&first, &[]).await;
    engine.start(&second).await.expect("a start");
    publishes(&second, &[port]).await;
}
