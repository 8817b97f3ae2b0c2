//! E24 to E26: volumes and images.

use std::cell::Cell;

use moat::engine::{Engine, Fault, PullProgress};
use moat::resource::{ImageRef, label};

use super::world::*;

pub async fn e24_a_volume_with_other_labels_is_a_conflict(world: &impl World) {
    let engine = world.engine();
    let volume = volume_create(world, "data");
    engine.create_volume(&volume).await.expect("a volume");
    let mut other = volume.clone();
    other.labels.insert(label::HASH.to_owned(), "v1:other".to_owned());
    refused(engine.create_volume(&other).await, Fault::Conflict);
    let volumes = engine.volumes(&run_filter(world)).await.expect("a list");
    let owner = volumes[0].owner.as_ref().expect("ours");
    assert_eq!(volumes.len(), 1);
    assert_eq!(Some(owner.hash.as_str()), volume.labels.get(label::HASH).map(String::as_str));
}

pub async fn e25_a_mounted_volume_stays(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let volume = volume_create(world, "data");
    engine.create_volume(&volume).await.expect("a volume");
    let mut create = container_create(world, "main", Program::Idle, &net);
    create.mounts = vec![mount(&volume, "/data")];
    let id = engine.create_container(&create).await.expect("a container");
    refused(engine.remove_volume(&volume.name).await, Fault::InUse);
    engine.start(&id).await.expect("a start");
    refused(engine.remove_volume(&volume.name).await, Fault::InUse);
    engine.stop(&id).await.expect("a stop");
    refused(engine.remove_volume(&volume.name).await, Fault::InUse);
    engine.remove_container(&id).await.expect("a removal");
    engine.remove_volume(&volume.name).await.expect("a removal");
    assert_eq!(engine.volumes(&run_filter(world)).await.expect("a list"), []);
}

pub async fn e26_images_are_looked_up_and_pulled(world: &impl World) {
    let engine = world.engine();
    let nowhere = ImageRef::parse("moat-conformance/nowhere:1").expect("a reference");
    assert_eq!(engine.image(&nowhere).await.expect("an answer"), None);
    refused(engine.pull(&nowhere, &|_| ()).await, Fault::Pull);

    let pullable = world.pullable();
    assert_eq!(engine.image(&pullable).await.expect("an answer"), None);
    let last = Cell::new(PullProgress::default());
    engine.pull(&pullable, &|progress| last.set(progress)).await.expect("a pull");
    assert!(last.get().current <= last.get().total);
    let image = engine.image(&pullable).await.expect("an answer").expect("an image");
    engine.pull(&pullable, &|_| ()).await.expect("a second pull");
    assert_eq!(engine.image(&pullable).await.expect("an answer"), Some(image));
}
