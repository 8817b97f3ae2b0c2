//! Shell completion.

use std::process::Command;

use testkit::hermetic::Place;

fn place() -> Place {
    let record = r#"{"v":1,"name":"builder","run":"builder-1f2e3d4c","spec":"/x/agent.yaml","workspace":"/x",
        "engine":"unix:///x","ports":[],"container_id":null,"buildkit_container_id":null,"network_id":null,
        "resources":[{"resource":"container/main","name":"m","id":"1"},{"resource":"container/buildkit","name":"b","id":"2"}],
        "state":"ready","interactive":false,"created_at":null,"started_at":null,"stopped_at":null,"error":null,
        "updated_at":"2026-01-01T00:00:00Z"}"#;
    Place::new().file("../.local/state/moat/runs/00000000/builder-1f2e3d4c.json", record)
}

/// The candidates of bash for the last of `words`.
fn offered(words: &[&str]) -> Vec<String> {
    let place = place();
    let mut command = place_command(&place, words);
    let output = command.output().expect("moat runs");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn place_command(place: &Place, words: &[&str]) -> Command {
    let mut command = place.command([&["--", "moat"], words].concat());
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    command
}

#[test]
fn commands_and_names_are_completed() {
    assert_eq!(offered(&["res"]), ["restart"]);
    assert_eq!(offered(&["logs", "bui"]), ["builder"]);
    assert_eq!(offered(&["open"]), ["open", "opencode"]);
    assert_eq!(offered(&["status", "bui"]), ["builder"]);
    assert_eq!(offered(&["logs", "--container", ""]), ["buildkit", "main"]);
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Place::new().run(&["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{shell}");
        assert!(ran.out.contains("restart"), "{shell}");
        let place = Place::new();
        let mut dynamic = place.command(Vec::<&str>::new());
        let output = dynamic.env("COMPLETE", shell).output().expect("moat runs");
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("COMPLETE"), "{shell}");
    }
}
