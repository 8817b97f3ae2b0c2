//! Several agents in one command, as far as no real engine is needed.

use expect_test::expect;
use serde_json::Value;
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

fn spec(agent: &str) -> String {
    format!("agent: {agent}\nimage: busybox\n")
}

/// A folder with an `agent.yaml`, one with other YAML files, and one with neither.
fn place() -> (EmptyEngine, Place) {
    let engine = EmptyEngine::start();
    let place = Place::new()
        .file("one/agent.yaml", spec("one"))
        .file("one/other.yaml", "not: read\n")
        .file("more/b.yml", spec("bee"))
        .file("more/a.yaml", spec("ant"))
        .file("more/.hidden.yaml", "not: read\n")
        .file("more/notes.txt", "not read\n")
        .file("none/notes.txt", "not read\n")
        .at(&engine.address());
    (engine, place)
}

#[test]
fn files_and_directories_keep_their_order() {
    let (_engine, place) = place();
    let ran = place.run(&["status", "more", "one"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out, "ant | ant: absent\nbee | bee: absent\none | one: absent\n");
}

#[test]
fn duplicate_arguments_are_one_agent() {
    let (_engine, place) = place();
    let alone = place.run(&["status", "one"]);
    assert_eq!((alone.code, alone.out.as_str()), (Some(0), "one: absent\n"));
    let twice = place.run(&["status", "one", "./one/agent.yaml", "one"]);
    assert_eq!(twice.out, alone.out);
    let json = |arguments: &[&str]| serde_json::from_str::<Value>(&place.run(arguments).out).expect("a document");
    assert_eq!(json(&["status", "--json", "one", "one"])["agent"], "one");
}

#[test]
fn agents_with_equal_names_are_labelled_by_run() {
    let (_engine, place) = place();
    let place = place.file("two/agent.yaml", spec("builder")).file("three/agent.yaml", spec("builder"));
    let ran = place.command(["status", "two", "three"]).output().expect("moat runs");
    let out = String::from_utf8(ran.stdout).expect("UTF-8");
    let labels: Vec<&str> = out.lines().filter_map(|line| line.split_once(" | ")).map(|(label, _)| label).collect();
    assert!(labels.len() == 2 && labels[0] != labels[1], "{out}");
    assert!(labels.iter().all(|label| label.starts_with("builder-")), "{out}");
}

#[test]
fn all_errors_are_reported_and_nothing_is_changed() {
    let (_engine, place) = place();
    let place = place.file("wrong/agent.yaml", "agnt: a\n").file("worse/agent.yaml", "agent: A\nimage: busybox\n");
    for command in ["apply", "plan", "destroy", "status"] {
        let ran = place.run(&[command, "one", "wrong", "worse", "none", "nowhere.yaml"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(65), ""), "{command}: {}", ran.err);
        expect![[r#"
            error: unknown key `agnt`
             --> wrong/agent.yaml:1:1
              |
            1 | agnt: a
              | ^^^^
              |
              = help: did you mean `agent`?

            error: `A` is not a valid agent name
             --> worse/agent.yaml:1:8
              |
            1 | agent: A
              |        ^
              |
              = help: use lowercase letters, digits, `-`, `_` and `.`, and start with a letter or digit, as in `a`

            error: spec file not found: `none/agent.yaml`
              = help: check the path

            error: spec file not found: `nowhere.yaml`
              = help: check the path
        "#]]
        .assert_eq(&ran.err);
    }
}

#[test]
fn all_errors_are_in_the_json_document() {
    let place = Place::new().file("a.yaml", "agnt: a\n").file("b.yaml", "agent: A\nimage: busybox\n");
    let ran = place.run(&["plan", "--json", "a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(ran.code, Some(65));
    let document: Value = serde_json::from_str(&ran.out).expect("a document");
    let findings = document["error"]["findings"].as_array().expect("a list");
    let files: Vec<&str> = findings.iter().filter_map(|it| it["file"].as_str()).collect();
    assert!(files.contains(&"a.yaml") && files.contains(&"b.yaml"), "{document:#}");
    let message = document["error"]["message"].as_str().expect("a text");
    assert!(message.contains("spec file not found: `c.yaml`"), "{message}");
}

#[test]
fn documents_of_several_are_an_array() {
    let (_engine, place) = place();
    for command in ["plan", "status"] {
        let ran = place.run(&[command, "--json", "one", "more"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        let documents: Vec<Value> = serde_json::from_str(&ran.out).expect("an array");
        let agents: Vec<&str> = documents.iter().filter_map(|it| it["agent"].as_str()).collect();
        assert_eq!(agents, ["one", "ant", "bee"], "{command}");
    }
}

#[test]
fn plans_of_several_agents_are_labelled() {
    let (_engine, place) = place();
    let ran = place.run(&["plan", "more", "--detailed-exitcode"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), ""));
    let (ants, bees): (Vec<&str>, Vec<&str>) = ran.out.lines().partition(|line| line.starts_with("ant |"));
    assert!(bees.iter().all(|line| line.starts_with("bee |")), "{}", ran.out);
    assert_eq!(ants.len(), bees.len());
    assert!(ants.len() > 3, "{}", ran.out);
}

/// The engine refuses every change, so that each agent fails.
#[test]
fn agents_fail_independently_and_the_summary_lists_them() {
    let (_engine, place) = place();
    let ran = place.run(&["apply", "more", "one"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    let (last, others) = lines.split_last().expect("lines");
    assert_eq!(*last, "3 agents: 3 failed (ant, bee, one)");
    for label in ["ant | ", "bee | ", "one | "] {
        assert!(others.iter().any(|line| line.starts_with(label) && line.contains("error: ")), "{}", ran.err);
    }
    let labelled = |line: &&str| ["ant |", "bee |", "one |"].iter().any(|label| line.starts_with(label));
    assert!(others.iter().all(labelled), "{}", ran.err);
}

#[test]
fn every_line_of_a_stream_names_its_agent() {
    let (_engine, place) = place();
    let ran = place.run(&["apply", "--json", "more", "one"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let (last, others) = lines.split_last().expect("lines");
    let named = |line: &Value| line["run"].is_string() && line["agent"].is_string();
    assert!(others.iter().all(named), "{}", ran.out);
    let done: Vec<&str> =
        others.iter().filter(|it| it["event"] == "done").filter_map(|it| it["agent"].as_str()).collect();
    assert_eq!(done.len(), 3);
    assert_eq!((&last["event"], &last["exit_code"]), (&"summary".into(), &1.into()));
    assert_eq!(last["agents"].as_array().map(Vec::len), Some(3));
}

#[test]
fn nothing_to_destroy_of_several() {
    let (_engine, place) = place();
    let ran = place.run(&["destroy", "more"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    // They run concurrently, so the order of lines varies.
    let mut lines: Vec<_> = ran.err.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["2 agents: 2 done", "ant | ant: nothing to destroy", "bee | bee: nothing to destroy"]);
    assert_eq!(place.run(&["destroy", "more", "--quiet"]).err, "");
}

#[test]
fn no_sandboxes_to_list_or_clean() {
    let (_engine, place) = place();
    let ran = place.run(&["list"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", "no sandboxes on this Docker host\n"));
    let ran = place.run(&["list", "--json", "--quiet"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "[]\n", ""));
    let ran = place.run(&["clean"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", "nothing to clean\n"));
}

/// A directory may contain files of other tools, which are reported once. An invalid spec is an error.
#[test]
fn only_specs_of_a_directory_count() {
    let (_engine, place) = place();
    let place = place
        .file("mixed/a.yaml", spec("ant"))
        .file("mixed/compose.yaml", "services:\n  web:\n    image: nginx\n")
        .file("mixed/deploy.yml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n")
        .file("mixed/latin.yaml", b"name: caf\xe9\n");
    let skipped = "skipped `mixed/compose.yaml`, `mixed/deploy.yml`, `mixed/latin.yaml`: no `agent` key\n";
    for command in ["plan", "status", "destroy", "validate", "approve"] {
        let ran = place.run(&[command, "mixed"]);
        assert_eq!((ran.code, ran.err.matches(skipped).count()), (Some(0), 1), "{command}: {}", ran.err);
    }
    assert!(place.run(&["plan", "mixed", "--quiet"]).err.is_empty());
    // A file that is given explicitly must be a spec.
    assert_eq!(place.run(&["plan", "mixed/compose.yaml"]).code, Some(65));
    let place = place.file("mixed/b.yaml", "agent: B\nimage: busybox\n");
    let ran = place.run(&["destroy", "mixed"]);
    assert!(ran.code == Some(65) && ran.err.contains("--> mixed/b.yaml:1:8"), "{}", ran.err);
}
