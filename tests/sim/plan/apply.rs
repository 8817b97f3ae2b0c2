//! A first apply, and the rest of an interrupted one.

use expect_test::expect;
use moat_model::resource::ResourceId;
use moat_model::state::{ContainerState, Health};

use super::world::{DIND, PLAIN, applied, container, graph, images_only, nothing, plan};

#[test]
fn main_starts_beside_the_sidecar_and_is_ready_after_it() {
    let graph = graph(DIND);
    expect![[r#"
        1.  pull image docker:29.7.2-dind: missing
        2.  pull image moby/buildkit:v0.32.2: missing
        3.  create network moat-builder-R: missing
        4.  create volume moat-builder-R-buildkit-cache: missing
        5.  create volume moat-builder-R-buildkit-socket: missing
        6.  create volume moat-builder-R-docker: missing
        7.  create container moat-buildkit-builder-R [privileged] after 2, 3, 4, 5: missing
        8.  upload container moat-buildkit-builder-R after 7: missing
        9.  start container moat-buildkit-builder-R after 7, 8: missing
        10. await container moat-buildkit-builder-R after 9: missing
        11. create container moat-builder-R [privileged] after 1, 3, 5, 6: missing
        12. upload container moat-builder-R after 11: missing
        13. start container moat-builder-R after 11, 12: missing
        14. await container moat-builder-R after 10, 13: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
}

// The hook runs before the start script, which could not hold it.
#[test]
fn with_a_hook_main_starts_after_the_sidecar() {
    let graph = graph(&format!("{DIND}hooks: {{pre_run: echo ready}}\n"));
    expect![[r#"
        1.  create network moat-builder-R: missing
        2.  create volume moat-builder-R-buildkit-cache: missing
        3.  create volume moat-builder-R-buildkit-socket: missing
        4.  create volume moat-builder-R-docker: missing
        5.  create container moat-buildkit-builder-R [privileged] after 1, 2, 3: missing
        6.  upload container moat-buildkit-builder-R after 5: missing
        7.  start container moat-buildkit-builder-R after 5, 6: missing
        8.  await container moat-buildkit-builder-R after 7: missing
        9.  create container moat-builder-R [privileged] after 1, 3, 4: missing
        10. upload container moat-builder-R after 9: missing
        11. start container moat-builder-R after 8, 9, 10: missing
        12. await container moat-builder-R after 11: missing
    "#]]
    .assert_eq(&plan(&graph, &images_only(&graph)));
}

#[test]
fn an_existing_image_is_not_pulled() {
    let graph = graph(DIND);
    let text = plan(&graph, &images_only(&graph));
    assert!(!text.contains("pull"), "{text}");
}

#[test]
fn a_plain_sandbox_is_a_network_and_a_container() {
    let graph = graph(PLAIN);
    expect![[r#"
        1.  pull image busybox: missing
        2.  create network moat-plain-R: missing
        3.  create container moat-plain-R after 1, 2: missing
        4.  start container moat-plain-R after 3: missing
        5.  await container moat-plain-R after 4: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
}

#[test]
fn a_sandbox_in_sync_needs_no_operation() {
    for text in [DIND, PLAIN] {
        let graph = graph(text);
        assert_eq!(plan(&graph, &applied(&graph)), "");
    }
}

#[test]
fn a_container_that_was_created_and_never_started_gets_its_files_again() {
    let graph = graph(DIND);
    let mut observed = applied(&graph);
    let main = container(&mut observed, "main");
    main.state = ContainerState::Created;
    main.health = Health::None;
    expect![[r#"
        1.  upload container moat-builder-R: created but never started
        2.  start container moat-builder-R after 1: created but never started
        3.  await container moat-builder-R after 2: created but never started
    "#]]
    .assert_eq(&plan(&graph, &observed));
}

#[test]
fn resources_of_an_incomplete_apply_are_kept() {
    let graph = graph(DIND);
    let mut observed = applied(&graph);
    observed.containers.retain(|it| it.owner.as_ref().is_some_and(|owner| owner.resource != ResourceId::main()));
    container(&mut observed, "buildkit").health = Health::Starting;
    expect![[r#"
        1.  await container moat-buildkit-builder-R: not proven ready
        2.  create container moat-builder-R [privileged]: missing
        3.  upload container moat-builder-R after 2: missing
        4.  start container moat-builder-R after 2, 3: missing
        5.  await container moat-builder-R after 1, 4: missing
    "#]]
    .assert_eq(&plan(&graph, &observed));
}
