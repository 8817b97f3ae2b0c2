//! All commands accept an agent's name, a run id or a spec, and report typos.

use serde_json::Value;
use testkit::sandbox::{PLAIN, Sandbox};

/// Read-only commands, with NAME as the placeholder.
const LOOK: [&[&str]; 14] = [
    &["status", "NAME"],
    &["plan", "NAME"],
    &["why", "-f", "NAME"],
    &["logs", "NAME"],
    &["history", "NAME"],
    &["ports", "NAME"],
    &["graph", "NAME"],
    &["exec", "NAME", "--", "true"],
    &["shell", "NAME"],
    &["cp", "NAME:/etc/passwd", "copy"],
    &["image", "NAME"],
    &["approve", "NAME"],
    &["doctor", "NAME"],
    &["clean", "NAME"],
];

/// Changing commands, in an order in which each has an effect.
const CHANGE: [&[&str]; 5] =
    [&["apply", "NAME"], &["stop", "NAME"], &["start", "NAME"], &["restart", "NAME"], &["destroy", "NAME"]];

fn named<'a>(command: &[&'a str], name: &'a str, whole: &'a str) -> Vec<&'a str> {
    command
        .iter()
        .map(|word| {
            if *word == "NAME" {
                name
            } else if word.starts_with("NAME:") {
                whole
            } else {
                word
            }
        })
        .collect()
}

#[test]
fn by_name_by_id_and_by_spec() {
    let sandbox = Sandbox::applied(PLAIN);
    let elsewhere = Sandbox::new(PLAIN);
    let spec = sandbox.path().join("agent.yaml").display().to_string();
    let folder = sandbox.path().display().to_string();
    // The caller has another spec in its folder, and the same state directory.
    let state = sandbox.home().join(".local/state/moat");
    for name in [&sandbox.agent, &sandbox.run_id(), &spec, &folder] {
        for command in LOOK {
            let whole = format!("{name}:/etc/passwd");
            let words = named(command, name, &whole);
            let mut moat = elsewhere.moat(&words);
            moat.command.env("MOAT_STATE_DIR", &state);
            let ran = moat.run();
            // The findings of doctor are about the host.
            assert!(ran.code == 0 || command[0] == "doctor", "{words:?}\n{ran}");
        }
        if *name == sandbox.agent || *name == sandbox.run_id() {
            // The history has no files.
            let mut audit = elsewhere.moat(&["audit", "-a", name]);
            audit.command.env("MOAT_STATE_DIR", &state);
            assert!(audit.ok().stdout.contains("container_started"), "{name}");
        }
        for command in CHANGE {
            let mut moat = elsewhere.moat(&named(command, name, ""));
            moat.command.env("MOAT_STATE_DIR", &state);
            moat.ok();
        }
        sandbox.apply();
    }
}

#[test]
fn a_typo_is_reported() {
    let sandbox = Sandbox::applied(PLAIN);
    let slip = format!("{}x", sandbox.agent);
    let hint = format!("did you mean `{}`?", sandbox.agent);
    let others: [&[&str]; 5] =
        [&["audit", "-a", "NAME"], &["events", "NAME"], &["open", "NAME"], &["cache", "NAME"], &["watch", "NAME"]];
    for command in LOOK.iter().chain(&CHANGE).chain(&others) {
        let whole = format!("{slip}:/etc/passwd");
        let words = named(command, &slip, &whole);
        let words = [&words[..1], &["--json"], &words[1..]].concat();
        let ran = sandbox.moat(&words).run();
        assert!(ran.code == 1 && ran.stderr.contains(&hint), "{words:?}\n{ran}");
        let last = if ran.stdout.starts_with("{\n") {
            ran.stdout.as_str()
        } else {
            ran.stdout.lines().last().unwrap_or_default()
        };
        let reported: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {words:?}\n{ran}"));
        assert_eq!(reported["error"]["code"], "unknown-name", "{words:?}: {reported:#}");
    }
    // Names of containers in a sandbox.
    for (words, meant) in [
        (&["why", "mian"][..], "main"),
        (&["logs", "-c", "mian"], "main"),
        (&["exec", "-c", "mian", "--", "true"], "main"),
        (&["restart", "-c", "mian"], "main"),
    ] {
        let ran = sandbox.moat(words).run();
        assert!(ran.code != 0 && ran.stderr.contains(&format!("did you mean `{meant}`?")), "{words:?}\n{ran}");
    }
}

/// Only commands that compare or apply the spec need it to be valid.
#[test]
fn an_invalid_spec_does_not_hide_its_sandbox() {
    let sandbox = Sandbox::new("build: image\ncommand: [sleep, infinity]\n");
    let folder = sandbox.path().join("image");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("Dockerfile"), "FROM busybox\n").expect("written");
    sandbox.apply();
    let good = std::fs::read_to_string(sandbox.path().join("agent.yaml")).expect("a spec");
    let look: [&[&str]; 6] = [
        &["logs"],
        &["exec", "--", "true"],
        &["cp", ":/etc/passwd", "copy"],
        &["ports"],
        &["history"],
        &["history", "agent.yaml"],
    ];
    let need: [&[&str]; 6] = [&["plan"], &["apply"], &["status"], &["why"], &["graph"], &["start"]];
    for damage in ["a Dockerfile that is gone", "what is no spec"] {
        match damage {
            "what is no spec" => std::fs::write(sandbox.path().join("agent.yaml"), "agent: [\n").expect("written"),
            _ => std::fs::remove_file(folder.join("Dockerfile")).expect("removed"),
        }
        for words in look {
            sandbox.moat(words).ok();
        }
        for words in need {
            let ran = sandbox.moat(words).run();
            assert!(ran.code == 65 && ran.stderr.contains("agent.yaml:"), "{damage}: {words:?}\n{ran}");
        }
    }
    let id = sandbox.main();
    sandbox.moat(&["stop"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.Running}}"), "false");
    assert_eq!(sandbox.main(), id);
    sandbox.moat(&["destroy"]).ok();
    assert_eq!(sandbox.find("main"), None);
    // Without a sandbox only the error of the spec is reported.
    for words in [&["destroy"][..], &["logs"], &["stop"]] {
        assert_eq!(sandbox.moat(words).run().code, 65, "{words:?}");
    }
    std::fs::write(sandbox.path().join("agent.yaml"), good).expect("written");
}
