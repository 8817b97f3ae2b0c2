//! E24 to E26, E37, E38: volumes and images.

use std::cell::Cell;
use std::collections::BTreeMap;

use moat_model::engine::{Engine, Fault, ImageBuild, PullProgress};
use moat_model::resource::{BuildContext, BuildNetwork, ImageRef, label};

use super::world::{Program, World, container_create, mount, network, refused, run_filter, volume_create};
use crate::changes::Changes;

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
    engine.stop(&id, None).await.expect("a stop");
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

pub async fn e38_a_registry_resolves_tags(world: &impl World) {
    let engine = world.engine();
    let nowhere = ImageRef::parse("moat-conformance/nowhere:1").expect("a reference");
    refused(engine.registry_digest(&nowhere).await, Fault::Pull);

    let pullable = world.pullable();
    let digest = engine.registry_digest(&pullable).await.expect("a digest");
    assert_eq!(engine.image(&pullable).await.expect("an answer"), None, "nothing is fetched");
    engine.pull(&pullable, &|_| ()).await.expect("a pull");
    let image = engine.image(&pullable).await.expect("an answer").expect("an image");
    assert!(image.digests.contains(&digest), "{digest} {image:?}");
    assert_eq!(engine.registry_digest(&pullable).await.expect("a digest"), digest);
}

pub async fn e37_an_image_is_built_from_a_dockerfile(world: &impl World) {
    let engine = world.engine();
    let (base, _) = world.program(Program::Idle);
    let name = world.agent().as_str().replace('_', "-");
    let build = |tag: &str, steps: &str| ImageBuild {
        platform: None,
        reference: ImageRef::parse(&format!("moat-conformance/{name}:{tag}")).expect("a reference"),
        dockerfile: format!("FROM {base}\n{steps}"),
        context: None,
        labels: BTreeMap::from([(label::IMAGE.to_owned(), name.clone())]),
        network: BuildNetwork::Default,
    };
    let good = build("good", "ENV A=b\n");
    let steps = Cell::new(0);
    engine.build(&good, &|_| steps.set(steps.get() + 1)).await.expect("a build");
    assert!(steps.get() > 0, "no step was reported");
    let made = engine.image(&good.reference).await.expect("an answer").expect("an image");
    engine.build(&good, &|_| ()).await.expect("a second build");
    assert_eq!(engine.image(&good.reference).await.expect("an answer"), Some(made));

    let bad = build("bad", "RUN false\n");
    refused(engine.build(&bad, &|_| ()).await, Fault::Engine);
    assert_eq!(engine.image(&bad.reference).await.expect("an answer"), None);
    let nowhere = ImageBuild { dockerfile: "FROM moat-conformance/nowhere:1\n".to_owned(), ..bad.clone() };
    refused(engine.build(&nowhere, &|_| ()).await, Fault::Engine);

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "1").expect("a file");
    let context = BuildContext {
        without: None,
        folder: folder.path().to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        target: None,
        args: BTreeMap::new(),
        secrets: BTreeMap::new(),
        digest: moat_build_context::read(folder.path(), "Dockerfile", None).expect("readable").digest,
    };
    let copying = ImageBuild { context: Some(Box::new(context)), ..build("copying", "COPY file /file\n") };
    engine.build(&copying, &|_| ()).await.expect("a build");
    assert!(engine.image(&copying.reference).await.expect("an answer").is_some());
    std::fs::write(folder.path().join("file"), "2").expect("a file");
    refused(engine.build(&copying, &|_| ()).await, Fault::Refused);
}
