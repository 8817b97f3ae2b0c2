//! A sandbox locked by another moat process: exit code 75, with the holder and a hint.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use expect_test::expect;
use moat_model::resource::{AgentName, Run};
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

const HOLDER: &str = r#"{"pid":7,"command":"apply","since":"2026-01-01T00:00:00.000Z"}"#;

/// Two agents, with the state directory `state`.
fn place() -> (EmptyEngine, Place) {
    let engine = EmptyEngine::start();
    let place = Place::with("agent: builder\nimage: busybox\n")
        .file("other.yaml", "agent: other\nimage: busybox\n")
        .at(&engine.address());
    (engine, place)
}

/// The lock file, which exists after the first use.
fn lock_file(place: &Place) -> PathBuf {
    assert_eq!(place.run(&["destroy"]).code, Some(0), "a first command makes the file");
    let spec = place.path().join("agent.yaml").canonicalize().expect("there");
    let run = Run::derive(AgentName::parse("builder").expect("a name"), &spec).id;
    let files = fs::read_dir(place.home().join(".local/state/moat/locks")).expect("a folder");
    let mut files = files.map(|file| file.expect("a file").path());
    files.find(|file| file.to_string_lossy().contains(run.as_str())).expect("a lock file")
}

fn held(place: &Place) -> File {
    let path = lock_file(place);
    let file = OpenOptions::new().write(true).open(&path).expect("a file");
    file.try_lock().expect("the lock was released");
    fs::write(&path, HOLDER).expect("written");
    file
}

#[test]
fn a_locked_sandbox_refuses_changes_and_names_the_holder() {
    let (_engine, place) = place();
    let _lock = held(&place);
    for command in ["apply", "destroy"] {
        let ran = place.run(&[command]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(75), ""), "{command}: {}", ran.err);
        expect![[r#"
            error: `builder-1f2e3d4c` is locked by `moat apply` (process 7) since 2026-01-01T00:00:00.000Z
              = help: wait with `--lock-timeout 60`, or see `moat status`
        "#]]
        .assert_eq(&ran.err);
    }
    let ran = place.run(&["apply", "--lock-timeout", "1"]);
    assert_eq!(ran.code, Some(75), "{}", ran.err);
    let ran = place.run(&["destroy", "--json"]);
    assert_eq!(ran.code, Some(75));
    expect![[r#"
        {"time":"TIME","event":"done","outcome":"error","exit_code":75,"code":"lock-held","state":null,"error":{"code":"lock-held","message":"`builder-1f2e3d4c` is locked by `moat apply` (process 7) since 2026-01-01T00:00:00.000Z","hint":"wait with `--lock-timeout 60`, or see `moat status`"}}
    "#]].assert_eq(&ran.out);
}

#[test]
fn read_only_commands_ignore_the_lock() {
    let (_engine, place) = place();
    let _lock = held(&place);
    for command in ["plan", "status"] {
        assert_eq!(place.run(&[command]).code, Some(0), "{command}");
    }
}

#[test]
fn other_agents_are_not_locked() {
    let (_engine, place) = place();
    let _lock = held(&place);
    let ran = place.run(&["destroy", "agent.yaml", "other.yaml"]);
    assert_eq!(ran.code, Some(75));
    assert!(ran.err.contains("other   | other: nothing to destroy\n"), "{}", ran.err);
    assert!(ran.err.ends_with("2 agents: 1 done, 1 locked (builder)\n"), "{}", ran.err);
}

#[test]
fn the_locked_one_of_several_agents_is_named() {
    let (_engine, place) = place();
    let _lock = held(&place);
    let ran = place.run(&["destroy", "--json", "agent.yaml", "other.yaml"]);
    assert_eq!(ran.code, Some(75));
    assert!(ran.err.starts_with("builder | error: `builder-1f2e3d4c` is locked by"), "{}", ran.err);
    let refused = ran.out.lines().find(|line| line.contains("\"agent\":\"builder\"")).expect("a line");
    assert!(refused.contains("\"outcome\":\"error\"") && refused.contains("\"exit_code\":75"), "{refused}");
    assert!(ran.out.lines().last().is_some_and(|it| it.contains("\"summary\"")), "{}", ran.out);
}

#[test]
fn another_engine_is_not_locked() {
    let (_engine, place) = place();
    let _lock = held(&place);
    let other = EmptyEngine::start();
    assert_eq!(place.run(&["destroy", "--host", &other.address()]).code, Some(0));
}

#[test]
fn a_lock_released_in_time_is_taken() {
    let (_engine, place) = place();
    let lock = held(&place);
    let child = place.command(["destroy", "--lock-timeout", "60"]).stderr(std::process::Stdio::piped()).spawn();
    drop(lock);
    let ran = child.expect("moat runs").wait_with_output().expect("it ends");
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn without_a_lock_directory_the_command_continues() {
    let (_engine, place) = place();
    let place = place.file("state/locks", "");
    let state = place.path().join("state");
    let ran = place.command(["destroy"]).env("MOAT_STATE_DIR", &state).output().expect("moat runs");
    let text = String::from_utf8(ran.stderr).expect("UTF-8").replace(&*place.path().to_string_lossy(), "/here");
    assert_eq!(ran.status.code(), Some(0), "{text}");
    assert!(text.starts_with("warning: the lock file `/here/state/locks/"), "{text}");
    assert!(text.ends_with("builder: nothing to destroy\n"), "{text}");
}
