//! A one-shot command: after exit code 0 it is not started again, after any other it is.

use expect_test::{Expect, expect};
use moat_model::state::{ContainerState, Observed};
use moat_plan::{Condition, Options, Power, compute, status};

use super::power::with_mark;
use super::world::{applied, container, graph, plan, plan_with};
use moat_model::graph::Graph;

const RUN: &str = "agent: job\nimage: busybox\ncommand: make\n";

/// A state in which the command of `graph` has exited.
fn ended(graph: &Graph, code: i64) -> Observed {
    let mut observed = applied(graph);
    let main = container(&mut observed, "main");
    (main.state, main.exit_code) = (ContainerState::Exited, Some(code));
    observed
}

fn condition(graph: &Graph, observed: &Observed) -> Condition {
    status(graph, observed, &compute(graph, observed, &Options::default())).condition
}

/// The plan and the condition after the command of a spec has exited.
fn planned(spec: &str, code: i64, called: Condition, expected: &Expect) {
    let graph = graph(spec);
    let observed = ended(&graph, code);
    expected.assert_eq(&plan(&graph, &observed));
    assert_eq!(condition(&graph, &observed), called, "{spec}");
}

#[test]
fn exit_code_0_completes_a_sandbox() {
    planned(RUN, 0, Condition::Completed, &expect![""]);
    planned(&format!("{RUN}restart: on-failure\n"), 0, Condition::Completed, &expect![""]);
    let checked = format!("{RUN}healthcheck:\n  command: test -e /ready\n");
    planned(&checked, 0, Condition::Completed, &expect![""]);
}

#[test]
fn a_failed_command_runs_again() {
    let again = &expect![[r#"
        1.  start container moat-job-R: exited with code 3
        2.  await container moat-job-R after 1: exited with code 3
    "#]];
    planned(RUN, 3, Condition::Failed, again);
    // Killed or stopped by another user is not completed.
    for code in [137, 143] {
        let graph = graph(RUN);
        assert!(plan(&graph, &ended(&graph, code)).starts_with("1.  start"), "{code}");
    }
}

#[test]
fn a_container_that_is_always_restarted_never_completes() {
    let again = &expect![[r#"
        1.  start container moat-job-R: exited with code 0
        2.  await container moat-job-R after 1: exited with code 0
    "#]];
    planned(&format!("{RUN}restart: unless-stopped\n"), 0, Condition::Degraded, again);
}

/// A completed command does not need its network, and a clean-up may have removed it.
#[test]
fn the_network_of_a_completed_sandbox_may_be_missing() {
    let graph = graph(RUN);
    let mut observed = ended(&graph, 0);
    observed.networks.clear();
    expect![[r#"
        1.  create network moat-job-R: missing
    "#]]
    .assert_eq(&plan(&graph, &observed));
}

#[test]
fn a_changed_spec_runs_again() {
    let observed = ended(&graph(RUN), 0);
    let other = graph("agent: job\nimage: busybox\ncommand: make test\n");
    expect![[r#"
        1.  create container moat-job-R.next1: changed
            command ["sh","-c","make"] -> ["sh","-c","make test"]
        2.  start container moat-job-R.next1 after 1: changed
        3.  await container moat-job-R.next1 after 2: changed
        4.  remove container moat-job-R after 3: superseded
        5.  rename container moat-job-R after 4: named moat-job-R.next1
    "#]]
    .assert_eq(&plan(&other, &observed));
}

#[test]
fn a_completed_command_runs_again_on_request() {
    let graph = graph(RUN);
    let observed = ended(&graph, 0);
    let restart = observed.containers.iter().map(|it| it.id.clone()).collect();
    expect![[r#"
        1.  start container moat-job-R: requested
        2.  await container moat-job-R after 1: requested
    "#]]
    .assert_eq(&plan_with(&graph, &observed, &Options { restart, ..Options::default() }));
}

/// A program may exit with 0 because it was stopped. The mark shows that until it runs again.
#[test]
fn start_runs_it_again_before_removing_the_mark() {
    let graph = graph(RUN);
    let stopped = with_mark(&graph, ended(&graph, 0));
    assert_eq!(condition(&graph, &stopped), Condition::Stopped);
    let options = Options { power: Power::Start, ..Options::default() };
    expect![[r#"
        1.  start container moat-job-R: requested
        2.  await container moat-job-R after 1: requested
        3.  remove volume moat-stopped-job-R after 1: requested
    "#]]
    .assert_eq(&plan_with(&graph, &stopped, &options));
}
