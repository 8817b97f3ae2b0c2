//! Read-only commands, and commands without changes.

use std::fs::File;
use std::process::Stdio;

use expect_test::expect;
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

const SPEC: &str = "agent: builder\nimage: busybox\nenv:\n  TOKEN: very-secret\n";

fn place() -> (EmptyEngine, Place) {
    let engine = EmptyEngine::start();
    let place = Place::with(SPEC).at(&engine.address());
    (engine, place)
}

#[test]
fn a_plan() {
    let (_engine, place) = place();
    let ran = place.run(&["plan"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    expect![[r#"
        1.  pull image busybox: missing
        2.  create network moat-builder-1f2e3d4c: missing
        3.  create container moat-builder-1f2e3d4c after 1, 2: missing
        4.  start container moat-builder-1f2e3d4c after 3: missing
        5.  await container moat-builder-1f2e3d4c after 4: missing

        Plan: 5 to do (1 pull, 2 create, 1 start, 1 await)
    "#]]
    .assert_eq(&ran.out);
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, Some(2));
    assert_eq!(place.run(&["plan", "--quiet"]).out, ran.out, "what was asked for is said to those who want quiet");
}

#[test]
fn a_plan_for_scripts() {
    let (_engine, place) = place();
    let ran = place.run(&["plan", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let document: serde_json::Value = serde_json::from_str(&ran.out).expect("a document");
    assert_eq!((&document["agent"], &document["changes"]), (&"builder".into(), &true.into()));
    assert_eq!(document["operations"][0]["action"], "pull");
}

/// A dry run makes no changing call and prints the plan.
#[test]
fn a_dry_run_is_a_plan() {
    let (_engine, place) = place();
    for form in [&[][..], &["--json"]] {
        let plan = place.run(&[&["plan"], form].concat());
        let ran = place.run(&[&["apply", "--dry-run"], form].concat());
        assert_eq!((ran.code, &ran.out, &ran.err), (Some(0), &plan.out, &plan.err));
    }
    assert_eq!(place.run(&["apply", "--dry-run", "--watch"]).code, Some(64));
}

/// Every command reports an unknown name in the same way.
#[test]
fn an_unknown_name_is_reported() {
    let (_engine, place) = place();
    let first = place.run(&["status", "nosuch"]);
    expect![[r#"
        error: no sandbox `nosuch` on this Docker host
          = help: `moat list` shows all sandboxes; a spec is given by its path
    "#]]
    .assert_eq(&first.err);
    let commands: [&[&str]; 8] = [
        &["apply", "nosuch"],
        &["plan", "nosuch"],
        &["destroy", "nosuch"],
        &["exec", "nosuch", "--", "true"],
        &["logs", "nosuch"],
        &["stop", "nosuch"],
        &["clean", "nosuch"],
        &["why", "-f", "nosuch"],
    ];
    for command in commands {
        let ran = place.run(command);
        assert_eq!((ran.code, ran.out.as_str(), &ran.err), (Some(1), "", &first.err), "{command:?}");
    }
}

#[test]
fn a_status() {
    let (_engine, place) = place();
    let ran = place.run(&["status"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "builder: absent\n", ""));
    let ran = place.run(&["status", "--json"]);
    expect![[r#"
        {
          "run": "builder-1f2e3d4c",
          "agent": "builder",
          "state": "absent",
          "resources": [
            {
              "kind": "image",
              "role": "support",
              "resource": "image/busybox",
              "name": "busybox",
              "id": null,
              "state": "missing",
              "ready": false,
              "cause": "missing"
            },
            {
              "kind": "network",
              "role": "support",
              "resource": "network/agent",
              "name": "moat-builder-1f2e3d4c",
              "id": null,
              "state": "missing",
              "ready": false,
              "cause": "missing"
            },
            {
              "kind": "container",
              "role": "main",
              "resource": "container/main",
              "name": "moat-builder-1f2e3d4c",
              "id": null,
              "state": "missing",
              "ready": false,
              "cause": "missing"
            }
          ],
          "builds": null,
          "last_error": null,
          "watch": null
        }
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn nothing_to_destroy() {
    let (_engine, place) = place();
    let ran = place.run(&["destroy", "--volumes"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", "builder: nothing to destroy\n"));
    let ran = place.run(&["destroy", "--quiet"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""));
    let ran = place.run(&["destroy", "--json"]);
    expect![[r#"
        {"time":"TIME","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"converged","exit_code":0,"state":"absent","changed":false,"kept":[]}
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn exec_without_a_sandbox_is_refused() {
    let (_engine, place) = place();
    let ran = place.run(&["exec", "--", "true"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    expect![[r#"
        error: the main container of `builder` does not exist
          = help: `moat apply` creates or starts it; `moat status` shows the state
    "#]]
    .assert_eq(&ran.err);
}

/// With an engine that refuses every change, the error names the failed operation and the rollback.
#[test]
fn an_apply_that_fails() {
    let (_engine, place) = place();
    let ran = place.run(&["apply"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let lines: Vec<_> =
        ran.err.lines().filter(|line| line.starts_with("error: ") || line.starts_with("  = ")).collect();
    expect![[r#"
        error: cannot pull `busybox`: this engine only answers
          = help: check the name and the tag, whether the engine can reach the registry, and `docker login`
        error: cannot create network `moat-builder-1f2e3d4c`: this engine only answers
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (_engine, place) = place();
    let mut child = place.command(["plan"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("moat runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn unwritable_output_is_an_error() {
    let (_engine, place) = place();
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let output = place.command(["plan"]).stdout(full).output().expect("moat runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(text.starts_with("error: cannot write the output: "), "{text}");
}

/// `-v` logs the command, its rounds and operations; `-vv` also each engine call with result and duration.
#[test]
fn verbose_logs_show_commands_rounds_operations_and_calls() {
    let (_engine, place) = place();
    let once = place.run(&["apply", "-v"]).err;
    let operation = "command{name=\"apply\"}:round{run=builder-1f2e3d4c n=1}:operation{id=1 action=\"pull\" resource=image/busybox}";
    for part in ["planned operations=5", operation, "operation status=\"failed\" ms="] {
        assert!(once.contains(part), "{part}: {once}");
    }
    assert!(!once.contains("engine call"), "{once}");
    let twice = place.run(&["apply", "-vv"]).err;
    for part in ["engine call call=list containers status=ok ms=", "engine call call=pull status=500 ms=", operation] {
        assert!(twice.contains(part), "{part}: {twice}");
    }
    assert!(!place.run(&["apply"]).err.contains("command{"));
}

/// At every log level, of moat and its dependencies.
#[test]
fn logs_contain_no_secrets() {
    let (_engine, place) = place();
    for filter in ["trace", "bollard=trace,hyper=trace,hyper_util::client=trace,moat=trace"] {
        let output = place.command(["apply", "-q"]).env("MOAT_LOG", filter).output().expect("moat runs");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(text.contains("docker at unix://"), "the log is on: {text}");
        assert!(!text.contains("very-secret"), "{filter}: {text}");
    }
    let output = place.command(["plan", "-vv"]).output().expect("moat runs");
    assert!(String::from_utf8(output.stderr).expect("UTF-8").contains("docker at unix://"));
}
