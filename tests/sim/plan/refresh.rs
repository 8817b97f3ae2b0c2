//! Moved tags: without `--pull` nothing happens; with it, moat pulls the image and replaces the containers of the old one.

use expect_test::expect;
use moat_model::resource::{ContainerId, ImageDigest, ImageId, ImageRef, ResourceId};
use moat_model::state::{ContainerState, ImageFacts, Observed};
use moat_plan::{Options, compute};
use serde_json::json;

use super::world::{DIND, PLAIN, applied, container, graph, images_only, nothing, plan, plan_with};

const NEW: &str = "sha256:fedcba98765432100123";

fn reference(text: &str) -> ImageRef {
    ImageRef::parse(text).expect("valid")
}

/// The plan if `image` is [`NEW`] in the registry.
fn refresh(image: &str) -> Options {
    Options { registry: [(reference(image), ImageDigest::new(NEW))].into(), ..Options::default() }
}

/// As after a manual `docker pull`: the tag refers to an image with these digests.
fn pull(observed: &mut Observed, image: &str, digests: &[&str]) {
    let digests = digests.iter().map(|it| ImageDigest::new(*it)).collect();
    let facts = ImageFacts { id: ImageId::new("sha256:2"), digests, platform: None };
    observed.images.insert(reference(image), Some(facts));
}

#[test]
fn no_registry_is_asked_without_pull() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    pull(&mut observed, "busybox", &[NEW]);
    expect![""].assert_eq(&plan(&graph, &observed));
}

#[test]
fn the_image_matches_the_registry() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    // Whatever its other names: it may be in several repositories, and for several platforms.
    pull(&mut observed, "busybox", &["sha256:another", NEW]);
    container(&mut observed, "main").image = ImageId::new("sha256:2");
    expect![""].assert_eq(&plan_with(&graph, &observed, &refresh("busybox")));
    expect![""].assert_eq(&plan_with(&graph, &observed, &refresh("another")));
}

#[test]
fn the_registry_has_another_image() {
    let graph = graph(PLAIN);
    let (observed, options) = (applied(&graph), refresh("busybox"));
    expect![[r#"
        1.  pull image busybox: busybox is another image now, sha256:old -> sha256:fedcba987654
        2.  create container moat-plain-R.next1 after 1: busybox is another image now, sha256:old -> sha256:fedcba987654
        3.  start container moat-plain-R.next1 after 2: busybox is another image now, sha256:old -> sha256:fedcba987654
        4.  await container moat-plain-R.next1 after 3: busybox is another image now, sha256:old -> sha256:fedcba987654
        5.  stop container moat-plain-R after 4: superseded
        6.  remove container moat-plain-R after 4, 5: superseded
        7.  rename container moat-plain-R after 6: named moat-plain-R.next1
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &options));
    let plan = compute(&graph, &observed, &options);
    for operation in plan.operations.iter().take(2) {
        let [diff] = operation.cause.diffs() else { panic!("{operation}") };
        assert_eq!((&diff.old, &diff.new), (&Some(json!("sha256:old")), &Some(json!(NEW))), "{operation}");
    }
}

#[test]
fn the_image_was_pulled_manually() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    pull(&mut observed, "busybox", &[NEW]);
    expect![[r#"
        1.  create container moat-plain-R.next1: busybox is another image now, sha256:fedcba987654
        2.  start container moat-plain-R.next1 after 1: busybox is another image now, sha256:fedcba987654
        3.  await container moat-plain-R.next1 after 2: busybox is another image now, sha256:fedcba987654
        4.  stop container moat-plain-R after 3: superseded
        5.  remove container moat-plain-R after 3, 4: superseded
        6.  rename container moat-plain-R after 5: named moat-plain-R.next1
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &refresh("busybox")));
}

#[test]
fn the_image_has_lost_its_tag() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    observed.images.insert(reference("busybox"), None);
    expect![[r#"
        1.  pull image busybox: missing
        2.  create container moat-plain-R.next1 after 1: busybox is another image now, sha256:fedcba987654
        3.  start container moat-plain-R.next1 after 2: busybox is another image now, sha256:fedcba987654
        4.  await container moat-plain-R.next1 after 3: busybox is another image now, sha256:fedcba987654
        5.  stop container moat-plain-R after 4: superseded
        6.  remove container moat-plain-R after 4, 5: superseded
        7.  rename container moat-plain-R after 6: named moat-plain-R.next1
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &refresh("busybox")));
    // An engine whose ids are the registries' digests needs no name.
    container(&mut observed, "main").image = ImageId::new(NEW);
    expect![""].assert_eq(&plan_with(&graph, &observed, &refresh("busybox")));
}

#[test]
fn a_new_sidecar_image_replaces_only_the_sidecar() {
    let graph = graph(DIND);
    expect![[r#"
        1.  pull image moby/buildkit:v0.32.2: moby/buildkit:v0.32.2 is another image now, sha256:old -> sha256:fedcba987654
        2.  create container moat-buildkit-builder-R.next1 [privileged] after 1: moby/buildkit:v0.32.2 is another image now, sha256:old -> sha256:fedcba987654
        3.  upload container moat-buildkit-builder-R.next1 after 2: moby/buildkit:v0.32.2 is another image now, sha256:old -> sha256:fedcba987654
        4.  stop container moat-buildkit-builder-R after 2, 3: superseded
        5.  start container moat-buildkit-builder-R.next1 after 2, 3, 4: moby/buildkit:v0.32.2 is another image now, sha256:old -> sha256:fedcba987654
        6.  await container moat-buildkit-builder-R.next1 after 5: moby/buildkit:v0.32.2 is another image now, sha256:old -> sha256:fedcba987654
        7.  remove container moat-buildkit-builder-R after 4, 6: superseded
        8.  rename container moat-buildkit-builder-R after 7: named moat-buildkit-builder-R.next1
    "#]].assert_eq(&plan_with(&graph, &applied(&graph), &refresh("moby/buildkit:v0.32.2")));
}

#[test]
fn a_failed_replacement_is_rolled_back() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    pull(&mut observed, "busybox", &[NEW]);
    let old = container(&mut observed, "main");
    let mut new = old.clone();
    old.state = ContainerState::Exited;
    (new.id, new.image, new.created) = (ContainerId::new("id-new"), ImageId::new("sha256:2"), 2);
    new.name.push_str(".next1");
    observed.containers.push(new);
    let options = Options { restore: [ResourceId::main()].into(), ..refresh("busybox") };
    expect![[r#"
        1.  stop container moat-plain-R.next1: superseded
        2.  start container moat-plain-R after 1: exited
        3.  await container moat-plain-R after 2: exited
        4.  remove container moat-plain-R.next1 after 1, 3: superseded
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &options));
}

/// The image that a tag refers to, of another platform than desired.
#[test]
fn an_image_of_another_platform_is_pulled() {
    let graph = graph("agent: plain\nimage: busybox\nplatform: arm64\n");
    let mut observed = images_only(&graph);
    let mut platform = |platform: &str| {
        let facts = observed.images.get_mut(&reference("busybox")).and_then(Option::as_mut).expect("an image");
        facts.platform = Some(platform.parse().expect("a platform"));
        plan(&graph, &observed)
    };
    expect![[r#"
        1.  pull image busybox: changed
            platform "linux/amd64" -> "linux/arm64"
        2.  create network moat-plain-R: missing
        3.  create container moat-plain-R after 1, 2: missing
        4.  start container moat-plain-R after 3: missing
        5.  await container moat-plain-R after 4: missing
    "#]]
    .assert_eq(&platform("amd64"));
    let same = platform("linux/arm64/v8");
    assert!(!same.contains("pull image"), "{same}");
    // Not every engine reports it.
    for facts in observed.images.values_mut().flatten() {
        facts.platform = None;
    }
    assert_eq!(plan(&graph, &observed), same);
    expect![[r#"
        1.  pull image busybox: missing
        2.  create network moat-plain-R: missing
        3.  create container moat-plain-R after 1, 2: missing
        4.  start container moat-plain-R after 3: missing
        5.  await container moat-plain-R after 4: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
}
