//! A second apply: no changes, and a number of calls that does not depend on the number of resources.

use expect_test::expect;
use serde_json::{Value, json};
use testkit::engine::engine;
use testkit::recorder::{Call, Recorder};
use testkit::sandbox::{DIND, PLAIN, Sandbox};
use testkit::text::without_ids;

/// The calls of an apply at the engine's socket in order, with ids replaced.
fn calls(sandbox: &Sandbox, args: &[&str]) -> Vec<Call> {
    let recorder = Recorder::new();
    let ran = sandbox.moat(args).docker_host(&recorder.host()).ok();
    let mut calls = recorder.take();
    for call in &mut calls {
        call.path = without_ids(&call.path);
    }
    assert!(!calls.is_empty(), "the recorder was passed by: {ran}");
    calls
}

fn changing(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| call.changes()).collect()
}

#[test]
fn a_second_apply_changes_nothing_and_costs_the_same_for_one_resource_or_ten() {
    let (plain, dind) = (Sandbox::new(PLAIN), Sandbox::new(DIND));
    // The recorder must see this call, otherwise the check proves nothing.
    assert!(changing(&calls(&plain, &["apply"])).len() >= 3);
    assert!(changing(&calls(&dind, &["apply"])).len() >= 8);

    let started = |sandbox: &Sandbox, name: &str| sandbox.inspect(name, "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}");
    let before = [started(&dind, "main"), started(&dind, "buildkit")];
    let (of_plain, of_dind) = (calls(&plain, &["apply"]), calls(&dind, &["apply"]));
    assert_eq!(changing(&of_dind), <[&Call; 0]>::default());
    assert_eq!(of_plain, of_dind);
    assert_eq!([started(&dind, "main"), started(&dind, "buildkit")], before);
    let shown: Vec<String> = of_dind.iter().map(|call| format!("{} {}\n", call.method, call.path)).collect();
    expect![[r#"
        GET /_ping
        GET /containers/ID/json
        GET /containers/json
        GET /images/json
        GET /networks
        GET /volumes
    "#]]
    .assert_eq(&shown.concat());

    expect![[r#"
        exit 0
        == stderr
        builder is ready: nothing to do
    "#]]
    .assert_eq(&dind.moat(&["apply"]).transcript());
    let events = dind.moat(&["apply", "--json"]).ok().stdout;
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), 1, "{events:#?}");
    let reported = ["event", "outcome", "exit_code", "state", "changed"].map(|key| events[0][key].clone());
    assert_eq!(reported, [json!("done"), json!("converged"), json!(0), json!("ready"), json!(false)]);
    expect![[r#"
        exit 0
        == stdout
        Nothing to do: builder matches agent.yaml
    "#]]
    .assert_eq(&dind.moat(&["plan", "--detailed-exitcode"]).transcript());
    assert_eq!(changing(&calls(&dind, &["plan"])), <[&Call; 0]>::default());
}

#[test]
fn plan_shows_the_operations_of_apply_without_changes() {
    engine().docker(&["pull", "--quiet", "busybox"]);
    let sandbox = Sandbox::new(PLAIN);
    assert_eq!(changing(&calls(&sandbox, &["plan"])), <[&Call; 0]>::default());
    expect![[r#"
        exit 0
        == stdout
        1.  create network moat-R: missing
        2.  create container moat-R after 1: missing
        3.  start container moat-R after 2: missing
        4.  await container moat-R after 3: missing

        Plan: 4 to do (2 create, 1 start, 1 await)
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    expect![[r#"
        exit 2
        == stdout
        1.  create network moat-R: missing
        2.  create container moat-R after 1: missing
        3.  start container moat-R after 2: missing
        4.  await container moat-R after 3: missing

        Plan: 4 to do (2 create, 1 start, 1 await)
    "#]]
    .assert_eq(&sandbox.moat(&["plan", "--detailed-exitcode"]).transcript());
    assert_eq!(sandbox.find("main"), None);
}
