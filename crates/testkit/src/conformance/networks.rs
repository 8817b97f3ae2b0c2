//! E19 to E23: networks, and the containers on them.

use moat_model::engine::{Engine, Fault};
use moat_model::state::ContainerState;
use moat_sim::interference::Interference;

use super::world::{
    Program, World, container_create, created, listed, network, network_create, networks_of, refused, run_filter,
    started, state, words,
};
use crate::changes::Changes;

pub async fn e19_a_network_in_use_stays(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = started(world, "main", Program::Idle, &net).await;
    refused(engine.remove_network(&net).await, Fault::InUse);
    let networks = engine.networks(&run_filter(world)).await.expect("a list");
    assert_eq!(networks.iter().map(|n| &n.id).collect::<Vec<_>>(), [&net]);
    assert_eq!(networks_of(world, &id).await, std::slice::from_ref(&net));
    engine.stop(&id, None).await.expect("a stop");
    engine.remove_network(&net).await.expect("a stopped container does not keep it");
    assert_eq!(engine.networks(&run_filter(world)).await.expect("a list"), []);
}

pub async fn e20_a_container_keeps_the_id_of_a_removed_network(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let never_ran = created(world, "created", Program::Idle, &net).await;
    let ran = started(world, "exited", Program::Idle, &net).await;
    engine.stop(&ran, None).await.expect("a stop");
    engine.remove_network(&net).await.expect("a removal");
    for (id, before) in [(&never_ran, ContainerState::Created), (&ran, ContainerState::Exited)] {
        refused(engine.start(id).await, Fault::Engine);
        refused(engine.restart(id).await, Fault::Engine);
        assert_eq!(state(world, id).await, before);
        assert!(networks_of(world, id).await.iter().all(|id| *id == net));
        assert!(!engine.inspect(id).await.expect("an answer").error.is_empty());
    }
    let again = network(world).await;
    assert_ne!(net, again);
    assert_eq!(networks_of(world, &ran).await, std::slice::from_ref(&net), "the dead id");
    for id in [&never_ran, &ran] {
        refused(engine.start(id).await, Fault::Engine);
        engine.connect(&again, id, &[]).await.expect("a connection");
        refused(engine.start(id).await, Fault::Engine);
    }
}

pub async fn e21_ranges_are_as_requested_and_disjoint(world: &impl World) {
    let engine = world.engine();
    let first = network_create(world, "net", 0);
    engine.create_network(&first).await.expect("a network");
    let networks = engine.networks(&run_filter(world)).await.expect("a list");
    assert_eq!(networks[0].subnets, [world.subnet(0)]);
    let mut second = network_create(world, "other", 0);
    refused(engine.create_network(&second).await, Fault::Subnet);
    second.subnet = Some(world.subnet(1));
    engine.create_network(&second).await.expect("a network");
    let mut third = network_create(world, "any", 0);
    third.subnet = None;
    engine.create_network(&third).await.expect("the engine chooses");
    let networks = engine.networks(&run_filter(world)).await.expect("a list");
    assert!(networks.iter().all(|n| n.subnets.len() == 1), "{networks:?}");
}

pub async fn e22_two_networks_can_have_one_name(world: &impl World) {
    let engine = world.engine();
    let mut create = network_create(world, "net", 0);
    let first = engine.create_network(&create).await.expect("a network");
    create.subnet = Some(world.subnet(1));
    match engine.create_network(&create).await {
        Err(error) => assert_eq!(error.fault, Fault::Conflict, "{error}"),
        Ok(second) => {
            assert_ne!(first, second);
            // The oldest comes first, and each is removed by its own id.
            let ids: Vec<_> =
                engine.networks(&run_filter(world)).await.expect("a list").into_iter().map(|n| n.id).collect();
            assert_eq!(ids, [first.clone(), second.clone()]);
            engine.remove_network(&second).await.expect("a removal");
        }
    }
    let networks = engine.networks(&run_filter(world)).await.expect("a list");
    assert_eq!(networks.iter().map(|n| &n.id).collect::<Vec<_>>(), [&first]);
}

pub async fn e23_disconnected_and_connected(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    engine.start(&id).await.expect("a start");
    world.interfere(&Interference::Disconnect { container: create.name });
    assert_eq!(listed(world, &id).await.expect("a container").networks, []);
    engine.restart(&id).await.expect("a restart");
    assert_eq!(listed(world, &id).await.expect("a container").networks, [], "a restart does not connect");
    engine.connect(&net, &id, &words(&["alias"])).await.expect("a connection");
    assert_eq!(state(world, &id).await, ContainerState::Running);
    assert_eq!(networks_of(world, &id).await, std::slice::from_ref(&net));
    let other = started(world, "other", Program::Idle, &net).await;
    let found = engine.exec(&other, &words(&["nslookup", "alias"])).await.expect("an answer");
    assert_eq!(found.exit_code, 0, "{}", found.output);
}
