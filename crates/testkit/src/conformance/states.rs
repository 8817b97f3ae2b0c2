//! E11 to E18, E39: the states of a container, and how they change.

use moat_model::engine::{Engine, Fault};
use moat_model::resource::{ImageCheck, RestartPolicy};
use moat_model::state::{ContainerState, Health};
use moat_sim::interference::Interference;

use super::world::{
    Program, World, container_create, eventually, file, listed, mount, network, networks_of, reaches, refused,
    run_filter, started, state, volume_create, words,
};
use crate::changes::Changes;

pub async fn e11_states_follow_the_calls(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    assert_eq!(state(world, &id).await, ContainerState::Created);
    engine.start(&id).await.expect("a start");
    assert_eq!(state(world, &id).await, ContainerState::Running);
    world.interfere(&Interference::Pause { container: create.name.clone() });
    assert_eq!(state(world, &id).await, ContainerState::Paused);
    engine.unpause(&id).await.expect("an unpause");
    assert_eq!(state(world, &id).await, ContainerState::Running);
    engine.stop(&id, None).await.expect("a stop");
    // Docker answers a stop a moment before its list says so.
    let facts = reaches(world, &id, ContainerState::Exited).await;
    assert_eq!(facts.exit_code, Some(0));
    engine.start(&id).await.expect("a start");
    assert_eq!(state(world, &id).await, ContainerState::Running);
    world.interfere(&Interference::Kill { container: create.name });
    let facts = reaches(world, &id, ContainerState::Exited).await;
    assert_eq!(facts.exit_code, Some(137));
}

pub async fn e12_a_restart_keeps_everything(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    engine.upload(&id, &[file("/etc/kept", 0o600, "kept")]).await.expect("an upload");
    for before in [ContainerState::Created, ContainerState::Running, ContainerState::Exited] {
        if before == ContainerState::Exited {
            engine.stop(&id, None).await.expect("a stop");
        }
        reaches(world, &id, before).await;
        engine.restart(&id).await.expect("a restart");
        let facts = listed(world, &id).await.expect("the same container");
        assert_eq!((facts.state, &facts.name), (ContainerState::Running, &create.name), "from {before:?}");
        assert_eq!(networks_of(world, &id).await, std::slice::from_ref(&net), "from {before:?}");
        let cat = engine.exec(&id, &words(&["cat", "/etc/kept"])).await.expect("an answer");
        assert_eq!((cat.exit_code, cat.output.as_str()), (0, "kept"), "from {before:?}");
    }
}

pub async fn e13_a_paused_container_refuses(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    for act in ["stop", "restart", "remove"] {
        let create = container_create(world, act, Program::Idle, &net);
        let id = engine.create_container(&create).await.expect("a container");
        engine.start(&id).await.expect("a start");
        world.interfere(&Interference::Pause { container: create.name });
        refused(engine.start(&id).await, Fault::Conflict);
        refused(engine.exec(&id, &words(&["true"])).await, Fault::Conflict);
        match act {
            "stop" => {
                engine.stop(&id, None).await.expect("a stop");
                reaches(world, &id, ContainerState::Exited).await;
            }
            "restart" => {
                engine.restart(&id).await.expect("a restart");
                assert_eq!(state(world, &id).await, ContainerState::Running);
            }
            _ => {
                engine.remove_container(&id).await.expect("a removal");
                assert_eq!(listed(world, &id).await, None);
            }
        }
    }
}

pub async fn e14_the_exit_code_is_reported(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = started(world, "fails", Program::Fails, &net).await;
    for _ in 0..2 {
        let facts = reaches(world, &id, ContainerState::Exited).await;
        assert_eq!(facts.exit_code, Some(7));
        let inspection = engine.inspect(&id).await.expect("an answer");
        assert_eq!((inspection.state, inspection.exit_code), (ContainerState::Exited, 7));
        assert!(!inspection.oom_killed);
    }
    // To have ended with 0 is not to have no code.
    let id = started(world, "ends", Program::WritesAndEnds, &net).await;
    let facts = reaches(world, &id, ContainerState::Exited).await;
    assert_eq!(facts.exit_code, Some(0));
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert_eq!((inspection.state, inspection.exit_code, inspection.restarts), (ContainerState::Exited, 0, 0));
    let id = started(world, "idle", Program::Idle, &net).await;
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert_eq!((inspection.state, inspection.exit_code), (ContainerState::Running, 0));
}

pub async fn e15_a_stop_ends_in_a_kill(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = started(world, "main", Program::IgnoresStop, &net).await;
    engine.stop(&id, None).await.expect("a stop");
    let facts = reaches(world, &id, ContainerState::Exited).await;
    assert_eq!(facts.exit_code, Some(137));
}

pub async fn e16_unless_stopped_starts_again(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let mut create = container_create(world, "main", Program::Fails, &net);
    create.config.restart = RestartPolicy::UnlessStopped;
    let id = engine.create_container(&create).await.expect("a container");
    engine.start(&id).await.expect("a start");
    let again = async || {
        let now = engine.inspect(&id).await.expect("an answer");
        (now.restarts >= 2 && now.state == ContainerState::Restarting).then_some(())
    };
    eventually("it is started again and again", again).await;
    let looping = engine.inspect(&id).await.expect("an answer");
    if looping.state == ContainerState::Restarting {
        assert_eq!(looping.exit_code, 7);
    }
    engine.start(&id).await.expect("it is as good as running");
    engine.stop(&id, None).await.expect("a stop");
    let restarts = engine.inspect(&id).await.expect("an answer").restarts;
    reaches(world, &id, ContainerState::Exited).await;
    // A restart that was still to come would have been made in the time that this takes.
    started(world, "other", Program::Idle, &net).await;
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert_eq!((inspection.state, inspection.restarts), (ContainerState::Exited, restarts));

    // A start resets the count.
    let mut create = container_create(world, "stays", Program::Idle, &net);
    create.config.restart = RestartPolicy::UnlessStopped;
    let id = engine.create_container(&create).await.expect("a container");
    for act in ["start", "restart", "start"] {
        match act {
            "restart" => engine.restart(&id).await.expect("a restart"),
            _ => engine.start(&id).await.expect("a start"),
        }
        let facts = listed(world, &id).await.expect("a container that is there");
        assert!(facts.up_seconds.is_some_and(|seconds| seconds < 60), "{act}: {facts:?}");
        assert_eq!(engine.inspect(&id).await.expect("an answer").restarts, 0, "{act}");
        if act == "restart" {
            engine.stop(&id, None).await.expect("a stop");
            assert_eq!(reaches(world, &id, ContainerState::Exited).await.up_seconds, None);
        }
    }
}

pub async fn e39_the_check_of_an_image_counts_unless_it_is_off(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let mut create = container_create(world, "asked", Program::Unhealthy, &net);
    let id = engine.create_container(&create).await.expect("a container");
    engine.start(&id).await.expect("a start");
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert!(matches!(inspection.health, Health::Starting | Health::Unhealthy), "{inspection:?}");
    let check = inspection.check.expect("a check");
    assert_ne!(engine.exec(&id, &check).await.expect("an answer").exit_code, 0, "{check:?}");

    create = container_create(world, "unasked", Program::Unhealthy, &net);
    create.config.image_check = ImageCheck::Off;
    let id = engine.create_container(&create).await.expect("a container");
    engine.start(&id).await.expect("a start");
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert_eq!((inspection.health, inspection.check), (Health::None, None));
    assert_eq!(listed(world, &id).await.expect("a container that is there").health, Health::None);
}

pub async fn e17_a_missing_program(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let mut create = container_create(world, "main", Program::Missing, &net);
    create.config.restart = RestartPolicy::UnlessStopped;
    let id = engine.create_container(&create).await.expect("a container");
    refused(engine.start(&id).await, Fault::Refused);
    let inspection = engine.inspect(&id).await.expect("an answer");
    assert_eq!(inspection.state, ContainerState::Created);
    assert!(!inspection.error.is_empty());
    assert_ne!(inspection.exit_code, 0);
}

pub async fn e18_removal_kills_and_keeps_volumes(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let volume = volume_create(world, "data");
    engine.create_volume(&volume).await.expect("a volume");
    for before in ["created", "running", "paused", "exited"] {
        let mut create = container_create(world, before, Program::IgnoresStop, &net);
        create.mounts = vec![mount(&volume, "/data")];
        let id = engine.create_container(&create).await.expect("a container");
        if before != "created" {
            engine.start(&id).await.expect("a start");
        }
        if before == "paused" {
            world.interfere(&Interference::Pause { container: create.name.clone() });
        }
        if before == "exited" {
            engine.stop(&id, None).await.expect("a stop");
        }
        engine.remove_container(&id).await.expect(before);
        assert_eq!(listed(world, &id).await, None, "{before}");
    }
    let volumes = engine.volumes(&run_filter(world)).await.expect("a list");
    assert_eq!(volumes.iter().map(|v| &v.name).collect::<Vec<_>>(), [&volume.name]);
    engine.remove_volume(&volume.name).await.expect("the volume is not in use");
}
