//! A changed spec: the new container is created beside the old one, which is removed last.

use expect_test::expect;
use moat_model::resource::{ContainerId, ResourceId};
use moat_model::state::{ContainerState, Health, Observed};
use moat_plan::Options;

use super::world::{DIND, applied, container, graph, images_only, plan, plan_with};

const CHANGED: &str = "agent: builder\ndependencies: [docker:dind]\nenv: {A: two, B: three}\n";

/// The state of an older spec, with both containers of an interrupted replacement.
fn interrupted(newer: impl FnOnce(&mut moat_model::state::ContainerFacts)) -> Observed {
    let mut observed = applied(&graph(DIND));
    let old = container(&mut observed, "main");
    old.state = ContainerState::Exited;
    old.exit_code = Some(0);
    let mut new = container(&mut applied(&graph(CHANGED)), "main").clone();
    new.id = ContainerId::new("id-new");
    new.name.push_str(".next1");
    new.created = 2;
    newer(&mut new);
    observed.containers.push(new);
    observed
}

#[test]
fn a_changed_environment_replaces_main_and_nothing_else() {
    let mut observed = applied(&graph(DIND));
    observed.images = images_only(&graph(CHANGED)).images;
    expect![[r#"
        1.  create container moat-builder-R.next1 [privileged]: changed
            env.A unset -> "two"
            env.B unset -> "three"
        2.  upload container moat-builder-R.next1 after 1: changed
        3.  stop container moat-builder-R after 1, 2: superseded
        4.  start container moat-builder-R.next1 after 1, 2, 3: changed
        5.  await container moat-builder-R.next1 after 4: changed
        6.  remove container moat-builder-R after 3, 5: superseded
        7.  rename container moat-builder-R after 6: named moat-builder-R.next1
    "#]]
    .assert_eq(&plan(&graph(CHANGED), &observed));
}

#[test]
fn a_replacement_interrupted_before_the_start_continues() {
    let observed = interrupted(|new| {
        new.state = ContainerState::Created;
        new.health = Health::None;
    });
    expect![[r#"
        1.  upload container moat-builder-R.next1: created but never started
        2.  start container moat-builder-R.next1 after 1: created but never started
        3.  await container moat-builder-R.next1 after 2: created but never started
        4.  remove container moat-builder-R after 3: superseded
        5.  rename container moat-builder-R after 4: named moat-builder-R.next1
    "#]]
    .assert_eq(&plan(&graph(CHANGED), &observed));
}

#[test]
fn a_replacement_interrupted_before_the_end_is_finished() {
    expect![[r#"
        1.  remove container moat-builder-R: superseded
        2.  rename container moat-builder-R after 1: named moat-builder-R.next1
    "#]]
    .assert_eq(&plan(&graph(CHANGED), &interrupted(|_| {})));
}

#[test]
fn a_replacement_interrupted_before_the_rename_is_renamed() {
    let mut observed = interrupted(|_| {});
    observed.containers.retain(|it| it.name.contains(".next1") || it.name.contains("buildkit"));
    expect![[r#"
        1.  rename container moat-builder-R: named moat-builder-R.next1
    "#]]
    .assert_eq(&plan(&graph(CHANGED), &observed));
}

#[test]
fn a_failed_replacement_is_rolled_back() {
    let observed = interrupted(|new| {
        new.state = ContainerState::Exited;
        new.exit_code = Some(1);
    });
    let options = Options { restore: [ResourceId::main()].into(), ..Options::default() };
    expect![[r#"
        1.  start container moat-builder-R: exited with code 0
        2.  await container moat-builder-R after 1: exited with code 0
        3.  remove container moat-builder-R.next1 after 2: superseded
    "#]]
    .assert_eq(&plan_with(&graph(CHANGED), &observed, &options));
}

#[test]
fn an_old_container_that_runs_beside_the_new_one_is_stopped_before_the_new_one_starts() {
    let mut observed = interrupted(|new| new.state = ContainerState::Created);
    container(&mut observed, "main").state = ContainerState::Running;
    expect![[r#"
        1.  stop container moat-builder-R: superseded
        2.  upload container moat-builder-R.next1: created but never started
        3.  start container moat-builder-R.next1 after 1, 2: created but never started
        4.  await container moat-builder-R.next1 after 3: created but never started
        5.  remove container moat-builder-R after 1, 4: superseded
        6.  rename container moat-builder-R after 5: named moat-builder-R.next1
    "#]]
    .assert_eq(&plan(&graph(CHANGED), &observed));
}
