//! One difference: the plan names its cause, and repairs only that.

use expect_test::{Expect, expect};
use moat_model::resource::{NetworkId, ResourceId};
use moat_model::state::{ContainerFacts, ContainerState, Health, Observed};
use moat_plan::Options;

use super::world::{DIND, applied, container, graph, plan, plan_with};

/// Plans a state that is in sync except for `drift`.
fn drifted(drift: impl FnOnce(&mut Observed), expected: &Expect) {
    let graph = graph(DIND);
    let mut observed = applied(&graph);
    drift(&mut observed);
    expected.assert_eq(&plan(&graph, &observed));
}

fn without(observed: &mut Observed, name: &str) {
    let gone = ResourceId::container(name);
    observed.containers.retain(|it| it.owner.as_ref().is_some_and(|owner| owner.resource != gone));
}

fn all_networks_of(observed: &mut Observed, change: impl Fn(&mut ContainerFacts)) {
    observed.containers.iter_mut().for_each(change);
}

#[test]
fn the_sidecar_is_gone() {
    drifted(
        |it| without(it, "buildkit"),
        &expect![[r#"
            1.  create container moat-buildkit-builder-R [privileged]: missing
            2.  upload container moat-buildkit-builder-R after 1: missing
            3.  start container moat-buildkit-builder-R after 1, 2: missing
            4.  await container moat-buildkit-builder-R after 3: missing
        "#]],
    );
}

/// A container that is started again needs no image; a pull could only fail.
#[test]
fn main_has_stopped_and_its_image_is_gone() {
    let change = |it: &mut Observed| {
        container(it, "main").state = ContainerState::Exited;
        for image in it.images.values_mut() {
            *image = None;
        }
    };
    drifted(
        change,
        &expect![[r#"
            1.  start container moat-builder-R: exited
            2.  await container moat-builder-R after 1: exited
        "#]],
    );
}

#[test]
fn main_is_gone() {
    drifted(
        |it| without(it, "main"),
        &expect![[r#"
            1.  create container moat-builder-R [privileged]: missing
            2.  upload container moat-builder-R after 1: missing
            3.  start container moat-builder-R after 1, 2: missing
            4.  await container moat-builder-R after 3: missing
        "#]],
    );
}

#[test]
fn main_and_its_volume_are_gone() {
    let change = |it: &mut Observed| {
        without(it, "main");
        it.volumes.retain(|volume| !volume.name.ends_with("-docker"));
    };
    drifted(
        change,
        &expect![[r#"
            1.  create volume moat-builder-R-docker: missing
            2.  create container moat-builder-R [privileged] after 1: missing
            3.  upload container moat-builder-R after 2: missing
            4.  start container moat-builder-R after 2, 3: missing
            5.  await container moat-builder-R after 4: missing
        "#]],
    );
}

#[test]
fn the_network_is_gone_and_the_containers_were_disconnected_before() {
    let change = |it: &mut Observed| {
        it.networks.clear();
        all_networks_of(it, |container| container.networks.clear());
    };
    drifted(
        change,
        &expect![[r#"
            1.  create network moat-builder-R: missing
            2.  create container moat-buildkit-builder-R.next1 [privileged] after 1: its network no longer exists
            3.  upload container moat-buildkit-builder-R.next1 after 2: its network no longer exists
            4.  stop container moat-buildkit-builder-R after 2, 3: superseded
            5.  start container moat-buildkit-builder-R.next1 after 2, 3, 4: its network no longer exists
            6.  await container moat-buildkit-builder-R.next1 after 5: its network no longer exists
            7.  remove container moat-buildkit-builder-R after 4, 6: superseded
            8.  rename container moat-buildkit-builder-R after 7: named moat-buildkit-builder-R.next1
            9.  create container moat-builder-R.next1 [privileged] after 1: its network no longer exists
            10. upload container moat-builder-R.next1 after 9: its network no longer exists
            11. stop container moat-builder-R after 6, 9, 10: superseded
            12. start container moat-builder-R.next1 after 6, 9, 10, 11: its network no longer exists
            13. await container moat-builder-R.next1 after 6, 12: its network no longer exists
            14. remove container moat-builder-R after 11, 13: superseded
            15. rename container moat-builder-R after 14: named moat-builder-R.next1
        "#]],
    );
}

#[test]
fn the_network_is_gone_and_the_stopped_containers_still_hold_its_id() {
    let change = |it: &mut Observed| {
        it.networks.clear();
        all_networks_of(it, |container| {
            container.state = ContainerState::Exited;
            container.exit_code = Some(0);
        });
    };
    drifted(
        change,
        &expect![[r#"
            1.  create network moat-builder-R: missing
            2.  create container moat-buildkit-builder-R.next1 [privileged] after 1: its network no longer exists
            3.  upload container moat-buildkit-builder-R.next1 after 2: its network no longer exists
            4.  start container moat-buildkit-builder-R.next1 after 2, 3: its network no longer exists
            5.  await container moat-buildkit-builder-R.next1 after 4: its network no longer exists
            6.  remove container moat-buildkit-builder-R after 5: superseded
            7.  rename container moat-buildkit-builder-R after 6: named moat-buildkit-builder-R.next1
            8.  create container moat-builder-R.next1 [privileged] after 1: its network no longer exists
            9.  upload container moat-builder-R.next1 after 8: its network no longer exists
            10. start container moat-builder-R.next1 after 8, 9: its network no longer exists
            11. await container moat-builder-R.next1 after 5, 10: its network no longer exists
            12. remove container moat-builder-R after 11: superseded
            13. rename container moat-builder-R after 12: named moat-builder-R.next1
        "#]],
    );
}

#[test]
fn the_network_was_recreated_manually_without_labels() {
    // Only objects with the labels are observed, so the containers' network looks dead: it is foreign.
    let change = |it: &mut Observed| {
        it.networks[0].id = NetworkId::new("id-other");
    };
    drifted(
        change,
        &expect![[r#"
            1.  create container moat-buildkit-builder-R.next1 [privileged]: its network no longer exists
            2.  upload container moat-buildkit-builder-R.next1 after 1: its network no longer exists
            3.  stop container moat-buildkit-builder-R after 1, 2: superseded
            4.  start container moat-buildkit-builder-R.next1 after 1, 2, 3: its network no longer exists
            5.  await container moat-buildkit-builder-R.next1 after 4: its network no longer exists
            6.  remove container moat-buildkit-builder-R after 3, 5: superseded
            7.  rename container moat-buildkit-builder-R after 6: named moat-buildkit-builder-R.next1
            8.  create container moat-builder-R.next1 [privileged]: its network no longer exists
            9.  upload container moat-builder-R.next1 after 8: its network no longer exists
            10. stop container moat-builder-R after 5, 8, 9: superseded
            11. start container moat-builder-R.next1 after 5, 8, 9, 10: its network no longer exists
            12. await container moat-builder-R.next1 after 5, 11: its network no longer exists
            13. remove container moat-builder-R after 10, 12: superseded
            14. rename container moat-builder-R after 13: named moat-builder-R.next1
        "#]],
    );
}

#[test]
fn the_sidecar_is_disconnected() {
    drifted(
        |it| container(it, "buildkit").networks.clear(),
        &expect![[r#"
            1.  connect container moat-buildkit-builder-R: not on its network
        "#]],
    );
}

#[test]
fn the_sidecar_is_stopped() {
    let change = |it: &mut Observed| {
        let sidecar = container(it, "buildkit");
        (sidecar.state, sidecar.exit_code, sidecar.health) = (ContainerState::Exited, Some(137), Health::None);
    };
    drifted(
        change,
        &expect![[r#"
            1.  start container moat-buildkit-builder-R: exited with code 137
            2.  await container moat-buildkit-builder-R after 1: exited with code 137
        "#]],
    );
}

#[test]
fn main_is_paused() {
    drifted(
        |it| container(it, "main").state = ContainerState::Paused,
        &expect![[r#"
            1.  unpause container moat-builder-R: paused
            2.  await container moat-builder-R after 1: paused
        "#]],
    );
}

#[test]
fn main_is_unhealthy() {
    drifted(
        |it| container(it, "main").health = Health::Unhealthy,
        &expect![[r#"
            1.  restart container moat-builder-R: unhealthy
            2.  await container moat-builder-R after 1: unhealthy
        "#]],
    );
}

#[test]
fn main_is_restarting() {
    drifted(
        |it| container(it, "main").health = Health::Starting,
        &expect![[r#"
            1.  await container moat-builder-R: not proven ready
        "#]],
    );
}

#[test]
fn main_is_dead_and_is_recreated() {
    drifted(
        |it| container(it, "main").state = ContainerState::Dead,
        &expect![[r#"
            1.  create container moat-builder-R.next1 [privileged]: dead
            2.  upload container moat-builder-R.next1 after 1: dead
            3.  start container moat-builder-R.next1 after 1, 2: dead
            4.  await container moat-builder-R.next1 after 3: dead
            5.  remove container moat-builder-R after 4: superseded
            6.  rename container moat-builder-R after 5: named moat-builder-R.next1
        "#]],
    );
}

#[test]
fn the_oldest_of_two_networks_with_one_name_is_kept() {
    let change = |it: &mut Observed| {
        let mut twin = it.networks[0].clone();
        twin.id = NetworkId::new("id-twin");
        it.networks.push(twin);
    };
    drifted(
        change,
        &expect![[r#"
            1.  remove network moat-builder-R: superseded
        "#]],
    );
}

/// A container that exits repeatedly, or is never ready, may have been started without its files.
#[test]
fn the_sidecar_was_not_ready_in_time() {
    let graph = graph(DIND);
    for state in [ContainerState::Running, ContainerState::Restarting] {
        let mut observed = applied(&graph);
        container(&mut observed, "buildkit").state = state;
        let unready = [container(&mut observed, "buildkit").id.clone()].into();
        let text = plan_with(&graph, &observed, &Options { unready, ..Options::default() });
        assert_eq!(
            text,
            "1.  upload container moat-buildkit-builder-R: unhealthy\n\
             2.  restart container moat-buildkit-builder-R after 1: unhealthy\n\
             3.  await container moat-buildkit-builder-R after 2: unhealthy\n",
            "{state:?}"
        );
    }
}
