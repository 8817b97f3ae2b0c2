//! E8 to E10, E40: what lists give, and in which order.

use std::path::Path;

use moat_model::engine::{ContainerCreate, Engine, Fault, Filter, ImageBuild};
use moat_model::resource::{BuildNetwork, ContainerConfig, ImageRef, ResourceId, Run, label};
use moat_model::state::ContainerState;
use moat_sim::interference::Interference;

use super::world::{
    Program, World, container_create, created, listed, mount, network, network_create, reaches, refused, run_filter,
    run_of, volume_create,
};
use crate::changes::Changes;

pub async fn e08_lists_are_filtered_by_label(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = created(world, "main", Program::Idle, &net).await;
    let volume = volume_create(world, "data");
    engine.create_volume(&volume).await.expect("a volume");

    let other = Run::derive(world.agent(), Path::new("/elsewhere/agent.yaml"));
    let relabel = |labels: &mut std::collections::BTreeMap<String, String>| {
        labels.insert(label::RUN.to_owned(), other.id.to_string());
    };
    let mut other_volume = volume_create(world, "other");
    relabel(&mut other_volume.labels);
    engine.create_volume(&other_volume).await.expect("a volume");
    let mut other_network = network_create(world, "other", 1);
    relabel(&mut other_network.labels);
    let other_net = engine.create_network(&other_network).await.expect("a network");
    let mut other_container = container_create(world, "other", Program::Idle, &net);
    relabel(&mut other_container.labels);
    let other_id = engine.create_container(&other_container).await.expect("a container");
    let foreign = format!("moat-{}-foreign", world.agent());
    world.interfere(&Interference::AddVolume { name: foreign.clone() });

    let of = run_filter(world);
    let containers = engine.containers(&of).await.expect("a list");
    assert_eq!(containers.iter().map(|c| &c.id).collect::<Vec<_>>(), [&id]);
    let owner = containers[0].owner.as_ref().expect("ours");
    assert_eq!((&owner.run, &owner.resource), (&run_of(world).id, &ResourceId::container("main")));
    let networks = engine.networks(&of).await.expect("a list");
    assert_eq!(networks.iter().map(|n| &n.id).collect::<Vec<_>>(), [&net]);
    let volumes = engine.volumes(&of).await.expect("a list");
    assert_eq!(volumes.iter().map(|v| &v.name).collect::<Vec<_>>(), [&volume.name]);

    let ours = engine.containers(&Filter::Ours).await.expect("a list");
    assert!([&id, &other_id].iter().all(|id| ours.iter().any(|c| c.id == **id)));
    let ours = engine.networks(&Filter::Ours).await.expect("a list");
    assert!([&net, &other_net].iter().all(|id| ours.iter().any(|n| n.id == **id)));
    let ours = engine.volumes(&Filter::Ours).await.expect("a list");
    assert!([&volume, &other_volume].iter().all(|wanted| ours.iter().any(|v| v.name == wanted.name)));
    assert!(ours.iter().all(|v| v.name != foreign));
    assert!(engine.volumes(&Filter::All).await.expect("a list").iter().any(|v| v.name == foreign && v.owner.is_none()));
    let all = engine.networks(&Filter::All).await.expect("a list");
    assert!(all.iter().any(|n| n.name == "bridge" && n.owner.is_none()));
    assert!(all.iter().any(|n| n.id == net));
    let all = engine.containers(&Filter::All).await.expect("a list");
    assert!([&id, &other_id].iter().all(|id| all.iter().any(|c| c.id == **id)));
    world.interfere(&Interference::RemoveVolume { volume: foreign });
}

pub async fn e09_lists_are_sorted(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    for (nth, name) in [(3, "z"), (1, "m"), (2, "a")] {
        created(world, name, Program::Idle, &net).await;
        engine.create_volume(&volume_create(world, name)).await.expect("a volume");
        engine.create_network(&network_create(world, name, nth)).await.expect("a network");
    }
    let of = run_filter(world);
    let containers = engine.containers(&of).await.expect("a list");
    assert_eq!(containers.len(), 3);
    assert!(containers.is_sorted_by_key(|c| (c.created, &c.id)), "{containers:?}");
    let networks = engine.networks(&of).await.expect("a list");
    let names: Vec<_> = networks.iter().map(|n| n.name.rsplit('-').next().unwrap_or_default()).collect();
    assert_eq!(names, ["net", "z", "m", "a"], "oldest first");
    let volumes = engine.volumes(&of).await.expect("a list");
    let names: Vec<_> = volumes.iter().map(|v| v.name.rsplit('-').next().unwrap_or_default()).collect();
    assert_eq!(names, ["a", "m", "z"]);
}

pub async fn e10_a_list_describes_each_container(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let volumes = [volume_create(world, "two"), volume_create(world, "one")];
    for volume in &volumes {
        engine.create_volume(volume).await.expect("a volume");
    }
    let mut create = container_create(world, "main", Program::Idle, &net);
    create.mounts = vec![mount(&volumes[0], "/two"), mount(&volumes[1], "/one")];
    let id = engine.create_container(&create).await.expect("a container");
    let image = engine.image(&create.config.image).await.expect("an answer").expect("an image");
    for step in ["created", "started", "stopped"] {
        match step {
            "started" => engine.start(&id).await.expect("a start"),
            "stopped" => engine.stop(&id, None).await.expect("a stop"),
            _ => {}
        }
        let facts = match step {
            // A list may say it a moment later.
            "stopped" => reaches(world, &id, ContainerState::Exited).await,
            _ => listed(world, &id).await.expect("a container"),
        };
        assert_eq!(facts.name, create.name, "{step}");
        assert_eq!(facts.image, image.id, "{step}");
        let [endpoint] = &facts.networks[..] else { panic!("{step}: {:?}", facts.networks) };
        let net_name = network_create(world, "net", 0).name;
        match (&endpoint.id, step) {
            (None, "created") => assert!([net_name.as_str(), net.as_str()].contains(&endpoint.network.as_str())),
            _ => assert_eq!((&endpoint.network, &endpoint.id), (&net_name, &Some(net.clone())), "{step}"),
        }
        assert_eq!(facts.volumes, [volumes[1].name.clone(), volumes[0].name.clone()], "{step}");
        assert_eq!(facts.exit_code.is_some(), facts.state == ContainerState::Exited, "{step}");
    }
}

pub async fn e40_labels_of_an_image_prove_no_ownership(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = created(world, "main", Program::Idle, &net).await;
    let owner = listed(world, &id).await.expect("a container").owner.expect("ours");
    let renamed = format!("renamed-{}", world.agent());
    let name = container_create(world, "main", Program::Idle, &net).name;
    world.interfere(&Interference::RenameContainer { container: name, to: renamed.clone() });
    let facts = listed(world, &id).await.expect("still ours");
    assert_eq!((facts.name, facts.owner), (renamed, Some(owner)));

    let (base, command) = world.program(Program::Idle);
    let create = container_create(world, "other", Program::Idle, &net);
    let name = world.agent().as_str().replace('_', "-");
    let claiming = ImageBuild {
        platform: None,
        reference: ImageRef::parse(&format!("moat-conformance/{name}:claiming")).expect("a reference"),
        dockerfile: format!("FROM {base}\nENV CLAIMING=all\n"),
        context: None,
        labels: create.labels.clone(),
        network: BuildNetwork::Default,
    };
    engine.build(&claiming, &|_| ()).await.expect("a build");
    // Not even under a name of moat's.
    let names = [format!("foreign-{}", world.agent()), create.name.clone()];
    for foreign in &names {
        let image = claiming.reference.to_string();
        world.interfere(&Interference::AddContainer { name: foreign.clone(), image });
        for filter in [run_filter(world), Filter::Ours] {
            let found = engine.containers(&filter).await.expect("a list");
            assert!(found.iter().all(|facts| facts.name != *foreign), "{found:?}");
        }
        let all = engine.containers(&Filter::All).await.expect("a list");
        let found = all.iter().find(|facts| facts.name == *foreign).expect("it is there");
        assert_eq!(found.owner, None);
        world.interfere(&Interference::RemoveContainer { container: foreign.clone() });
    }
    let config = ContainerConfig { command, image: claiming.reference.clone(), ..create.config.clone() };
    refused(engine.create_container(&ContainerCreate { config, ..create.clone() }).await, Fault::Refused);
    engine.create_container(&create).await.expect("of an image without such labels");
}
