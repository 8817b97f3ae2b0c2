//! E1 to E7: refusals, and calls that succeed because their effect exists already.

use moat_model::engine::{Engine, Fault};
use moat_model::resource::{ContainerId, ImageRef, NetworkId};
use moat_model::state::ContainerState;

use super::world::{
    Program, World, container_create, created, file, mount, network, refused, run_filter, state, volume_create, words,
};
use crate::changes::Changes;

pub async fn e01_a_name_belongs_to_one_container(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let first = engine.create_container(&create).await.expect("a container");
    refused(engine.create_container(&create).await, Fault::Conflict);
    engine.start(&first).await.expect("a start");
    refused(engine.create_container(&create).await, Fault::Conflict);
    engine.stop(&first, None).await.expect("a stop");
    refused(engine.create_container(&create).await, Fault::Conflict);
    let all = engine.containers(&run_filter(world)).await.expect("a list");
    assert_eq!(all.iter().map(|c| &c.id).collect::<Vec<_>>(), [&first]);
}

pub async fn e02_a_removed_containers_name_is_free(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let first = engine.create_container(&create).await.expect("a container");
    engine.start(&first).await.expect("a start");
    engine.remove_container(&first).await.expect("a removal");
    let second = engine.create_container(&create).await.expect("the name is free");
    assert_ne!(first, second);
}

pub async fn e03_a_change_that_is_done_already_succeeds(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let volume = volume_create(world, "data");
    engine.create_volume(&volume).await.expect("a volume");
    engine.create_volume(&volume).await.expect("the same volume");
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    engine.stop(&id, None).await.expect("it does not run");
    engine.unpause(&id).await.expect("it is not paused");
    engine.start(&id).await.expect("a start");
    engine.start(&id).await.expect("it runs");
    engine.unpause(&id).await.expect("it is not paused");
    engine.connect(&net, &id, &words(&["main"])).await.expect("it is connected");
    engine.rename(&id, &create.name).await.expect("it bears the name");
    assert_eq!(state(world, &id).await, ContainerState::Running);
    engine.stop(&id, None).await.expect("a stop");
    engine.stop(&id, None).await.expect("it is stopped");
    for _ in 0..2 {
        engine.remove_container(&id).await.expect("a removal");
    }
    for _ in 0..2 {
        engine.remove_network(&net).await.expect("a removal");
    }
    for _ in 0..2 {
        engine.remove_volume(&volume.name).await.expect("a removal");
    }
}

pub async fn e04_a_missing_object_is_not_found(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = created(world, "main", Program::Idle, &net).await;
    engine.remove_container(&id).await.expect("a removal");
    let never = ContainerId::new("0123456789abcdef".repeat(4));
    for id in [&id, &never] {
        refused(engine.start(id).await, Fault::NotFound);
        refused(engine.stop(id, None).await, Fault::NotFound);
        refused(engine.restart(id).await, Fault::NotFound);
        refused(engine.unpause(id).await, Fault::NotFound);
        refused(engine.rename(id, &format!("moat-other-{}", world.agent())).await, Fault::NotFound);
        refused(engine.inspect(id).await, Fault::NotFound);
        refused(engine.exec(id, &words(&["true"])).await, Fault::NotFound);
        refused(engine.log_tail(id, 1).await, Fault::NotFound);
        refused(engine.connect(&net, id, &[]).await, Fault::NotFound);
        refused(engine.upload(id, &[file("/a", 0o644, "a")]).await, Fault::NotFound);
    }
}

pub async fn e05_no_container_without_its_image(world: &impl World) {
    let net = network(world).await;
    let mut create = container_create(world, "main", Program::Idle, &net);
    create.config.image = ImageRef::parse("moat-conformance/nowhere:1").expect("a reference");
    refused(world.engine().create_container(&create).await, Fault::NotFound);
    assert_eq!(world.engine().containers(&run_filter(world)).await.expect("a list"), []);
}

pub async fn e06_no_container_runs_without_its_network(world: &impl World) {
    let engine = world.engine();
    let net = NetworkId::new("fedcba9876543210".repeat(4));
    match engine.create_container(&container_create(world, "main", Program::Idle, &net)).await {
        Err(error) => assert_eq!(error.fault, Fault::NotFound, "{error}"),
        Ok(id) => {
            refused(engine.start(&id).await, Fault::Engine);
            assert_eq!(state(world, &id).await, ContainerState::Created);
        }
    }
}

pub async fn e07_an_unknown_volume_is_created_with_the_mounts_labels(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let volume = volume_create(world, "data");
    for labelled in [false, true] {
        let mut create = container_create(world, "main", Program::Idle, &net);
        create.mounts = vec![mount(&volume, "/data")];
        if !labelled {
            create.mounts[0].labels.clear();
        }
        let id = engine.create_container(&create).await.expect("a container");
        let listed = engine.volumes(&run_filter(world)).await.expect("a list");
        assert_eq!(listed.len(), usize::from(labelled), "{listed:?}");
        match engine.create_volume(&volume).await {
            Ok(()) => assert!(labelled, "it has no labels, which are others"),
            answer => refused(answer, Fault::Conflict),
        }
        engine.remove_container(&id).await.expect("a removal");
        engine.remove_volume(&volume.name).await.expect("a removal");
    }
}
