//! The default spec: the nearest `agent.yaml` in the working directory or its parents.

use std::fs;
use std::os::unix::fs::chown;

use rustix::process::geteuid;
use testkit::hermetic::{Place, Ran};

const SPEC: &str = "agent: builder\nimage: busybox\n";

const SAID: &str = "using `../../agent.yaml`\n";

/// Runs moat two directories below the spec.
fn below(place: &Place, arguments: &[&str]) -> Ran {
    let below = place.path().join("a/b");
    fs::create_dir_all(&below).expect("made");
    place.run_in("a/b", arguments)
}

#[test]
fn a_spec_in_a_parent_directory_is_found() {
    let ran = below(&Place::with(SPEC), &["validate"]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "builder is valid\n", SAID));
}

/// Commands that take a spec print the default one once, then continue as if it were given.
#[test]
fn every_command_announces_the_default_spec_once() {
    let commands: [&[&str]; 21] = [
        &["apply"],
        &["plan"],
        &["destroy"],
        &["watch"],
        &["approve"],
        &["status"],
        &["why"],
        &["run", "--", "true"],
        &["shell"],
        &["exec", "--", "true"],
        &["logs"],
        &["cp", "f", ":/b"],
        &["cp", ":/b", "f"],
        &["ports"],
        &["events"],
        &["open"],
        &["stop"],
        &["start"],
        &["restart"],
        &["graph"],
        &["cache"],
    ];
    let place = Place::with(SPEC).file("a/b/f", "");
    for command in commands {
        let ran = below(&place, command);
        assert_eq!(ran.code, Some(69), "{command:?}: {}", ran.err);
        assert!(ran.err.starts_with(SAID) && ran.err.matches("using").count() == 1, "{command:?}: {}", ran.err);
    }
    for command in [&["deps"][..], &["image"], &["history"], &["graph", "--offline"]] {
        let ran = below(&place, command);
        assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.err);
        assert!(ran.err.starts_with(SAID) && ran.err.matches("using").count() == 1, "{command:?}: {}", ran.err);
    }
}

#[test]
fn a_given_or_unneeded_spec_is_not_announced() {
    let place = Place::with(SPEC).file("a/agent.yaml", SPEC).file("a/b/c/x", "");
    assert_eq!(place.run(&["validate"]).err, "");
    assert_eq!(place.run_in("a", &["validate"]).err, "");
    assert_eq!(place.run_in("a/b", &["validate", "../agent.yaml"]).err, "");
    assert_eq!(place.run_in("a/b", &["history", "--all"]).err, "no history yet\n");
    assert_eq!(place.run_in("a/b", &["validate", "--quiet"]).err, "");
    assert_eq!(place.run_in("a/b", &["list"]).err.matches("using").count(), 0);
    // The nearest spec wins.
    assert_eq!(place.run_in("a/b/c", &["validate"]).err, "using `../../agent.yaml`\n");
}

/// A given path is relative to the working directory.
#[test]
fn a_given_spec_is_not_searched_in_parents() {
    for arguments in [&["validate", "agent.yaml"][..], &["validate", "."]] {
        let ran = below(&Place::with(SPEC), arguments);
        assert_eq!(ran.code, Some(65), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("spec file not found: `"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn errors_show_the_path_of_the_default_spec() {
    let ran = below(&Place::with("agnt: a\n"), &["validate"]);
    assert!(ran.code == Some(65) && ran.err.contains(" --> ../../agent.yaml:1:1"), "{}", ran.err);
}

#[test]
fn init_creates_the_file_in_the_working_directory() {
    let place = Place::with(SPEC);
    let ran = below(&place, &["init", "--yes"]);
    assert_eq!((ran.code, place.path().join("a/b/agent.yaml").exists()), (Some(0), true), "{}", ran.err);
}

// Main runs as the owner of its workspace, which cannot be root.
#[test]
fn init_isolates_where_the_folder_suits() {
    let place = Place::with(SPEC);
    let file = place.path().join("a/b/agent.yaml");
    let written = |owner: u32| {
        std::fs::create_dir_all(place.path().join("a/b")).expect("a folder");
        std::os::unix::fs::chown(place.path().join("a/b"), Some(owner), None).expect("a new owner");
        let _ = std::fs::remove_file(&file);
        assert_eq!(below(&place, &["init", "--yes"]).code, Some(0));
        std::fs::read_to_string(&file).expect("a spec").lines().any(|line| line == "isolation: auto")
    };
    assert_eq!([1000, 1001, 0].map(written), [true, true, false]);
}

/// The home directory, here that of the test, is the last one searched.
#[test]
fn the_search_stops_at_the_home_directory() {
    let place = Place::with(SPEC).file("home/a/b/x", "");
    let mut command = place.command(["validate"]);
    let output = command.env("HOME", place.path().join("home")).current_dir(place.path().join("home/a")).output();
    let output = output.expect("moat runs");
    assert_eq!(output.status.code(), Some(65), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A user who can write to a parent directory must not choose what is applied.
#[test]
fn a_spec_of_another_user_is_ignored_with_a_warning() {
    assert!(geteuid().is_root(), "the tests run as root: see CONTRIBUTING.md");
    let place = Place::with(SPEC);
    chown(place.path().join("agent.yaml"), Some(4242), None).expect("given away");
    let ran = below(&place, &["validate"]);
    assert_eq!(ran.code, Some(65));
    let said = "warning: `../../agent.yaml` ignored: it belongs to another user\n  = help: give its path to use it\n";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert_eq!(below(&place, &["validate", "../../agent.yaml"]).code, Some(0));
}
