//! Stopped is a desired state: running containers are stopped in order, and nothing is started until `moat start`.

use expect_test::expect;
use moat_model::resource::label::{self, Ownership};
use moat_model::resource::{Config, ResourceId, Retention, VolumeConfig};
use moat_model::state::{ContainerState, Observed, VolumeFacts};
use moat_plan::{Action, Condition, Operation, Options, Power, compute, status};

use super::world::{DIND, applied, container, graph, plan, plan_with};
use moat_model::graph::Graph;

pub fn with_mark(graph: &Graph, mut observed: Observed) -> Observed {
    let mark = ResourceId::stop_mark();
    let config = Config::Volume(VolumeConfig { retention: Retention::Scratch });
    let owner = Ownership::read(&label::labels(&graph.run, &mark, &config));
    observed.volumes.push(VolumeFacts { name: graph.run.name_of(&mark), owner });
    observed
}

fn exited(mut observed: Observed) -> Observed {
    observed.containers.iter_mut().for_each(|it| it.state = ContainerState::Exited);
    observed
}

#[test]
fn the_mark_is_created_first_and_main_stops_before_its_services() {
    let graph = graph(DIND);
    let options = Options { power: Power::Stop, ..Options::default() };
    expect![[r#"
        1.  create volume moat-stopped-builder-R: requested
        2.  stop container moat-builder-R after 1: the sandbox is stopped
        3.  stop container moat-buildkit-builder-R after 1, 2: the sandbox is stopped
    "#]]
    .assert_eq(&plan_with(&graph, &applied(&graph), &options));
    // With an unknown spec.
    expect![[r#"
        1.  create volume moat-stopped-builder-R: requested
        2.  stop container moat-builder-R after 1: the sandbox is stopped
        3.  stop container moat-buildkit-builder-R after 1, 2: the sandbox is stopped
    "#]]
    .assert_eq(&plan_with(&Graph::empty(graph.run.clone()), &applied(&graph), &options));
}

/// A stop timeout of the user overrides the container's, and only if it is given.
#[test]
fn the_stop_timeout_is_the_requested_one() {
    let graph = graph(DIND);
    let graces = |grace| {
        let options = Options { power: Power::Stop, grace, ..Options::default() };
        let plan = compute(&graph, &applied(&graph), &options);
        let grace = |operation: &Operation| match &operation.action {
            Action::StopContainer { grace, .. } => Some(grace.asked()),
            _ => None,
        };
        plan.operations.iter().filter_map(grace).collect::<Vec<_>>()
    };
    assert_eq!(graces(None), [None, None]);
    assert_eq!(graces(Some(3)), [Some(3), Some(3)]);
}

#[test]
fn a_stopped_sandbox_stays_unchanged() {
    let graph = graph(DIND);
    let stopped = with_mark(&graph, exited(applied(&graph)));
    assert_eq!(plan(&graph, &stopped), "");
    let plan_of_it = compute(&graph, &stopped, &Options::default());
    assert_eq!(status(&graph, &stopped, &plan_of_it).condition, Condition::Stopped);
    let mut half = stopped;
    container(&mut half, "buildkit").state = ContainerState::Running;
    expect![[r#"
        1.  stop container moat-buildkit-builder-R: the sandbox is stopped
    "#]]
    .assert_eq(&plan(&graph, &half));
}

#[test]
fn start_removes_the_mark_and_applies() {
    let graph = graph(DIND);
    let options = Options { power: Power::Start, ..Options::default() };
    expect![[r#"
        1.  remove volume moat-stopped-builder-R: requested
        2.  start container moat-buildkit-builder-R: exited
        3.  await container moat-buildkit-builder-R after 2: exited
        4.  start container moat-builder-R: exited
        5.  await container moat-builder-R after 3, 4: exited
    "#]]
    .assert_eq(&plan_with(&graph, &with_mark(&graph, exited(applied(&graph))), &options));
    assert_eq!(plan_with(&graph, &applied(&graph), &options), "");
}

#[test]
fn destroy_removes_all_of_a_stopped_sandbox() {
    let graph = graph(DIND);
    let nothing = Graph::empty(graph.run.clone());
    let options = Options { volumes: moat_plan::Volumes::Scratch([].into()), ..Options::default() };
    let plan = plan_with(&nothing, &with_mark(&graph, exited(applied(&graph))), &options);
    assert!(plan.contains("remove volume moat-stopped-builder-R:"), "{plan}");
}

#[test]
fn a_restarted_main_is_ready_after_its_services() {
    let graph = graph(DIND);
    let observed = applied(&graph);
    let restart = observed.containers.iter().map(|it| it.id.clone()).collect();
    let options = Options { restart, ..Options::default() };
    expect![[r#"
        1.  restart container moat-buildkit-builder-R: requested
        2.  await container moat-buildkit-builder-R after 1: requested
        3.  restart container moat-builder-R: requested
        4.  await container moat-builder-R after 2, 3: requested
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &options));
}
