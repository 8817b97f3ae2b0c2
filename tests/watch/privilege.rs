//! An agent edits its own spec from inside its container, in all possible ways.

use std::fs;

use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::{DIND, PLAIN, Sandbox};
use testkit::watched::Watched;

/// Widenings.
const WIDENINGS: [&str; 6] = [
    "dependencies: [docker:dind]",
    "mounts: ['/home:/host']",
    "mounts: ['/var/run/docker.sock:/var/run/docker.sock']",
    "ports: ['0.0.0.0:18999:80']",
    "secrets: {KEY: 'env://HOME'}",
    "image: elsewhere.example/other:1",
];

/// A spec that uses all kinds of files.
const BASE: &str =
    "env: {BASE: '${FROM}'}\nenv_file: more.env\nsecrets: {OWN_KEY: 'file://key'}\ndependencies: [own]\n";

#[test]
fn an_agent_cannot_widen_its_sandbox() {
    let sandbox = Sandbox::new(PLAIN);
    let spec = sandbox.path().join("agent.yaml");
    // The agent can write all of its files.
    let parts = [
        ("base.yaml", BASE),
        (".env", "FROM=there\n"),
        ("more.env", "MORE=1\n"),
        ("key", "secret\n"),
        ("specs/own.yaml", "capability: own\nsummary: a variable\nmain:\n  env: {OWN: yes}\n"),
    ];
    fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    for (name, text) in parts {
        fs::write(sandbox.path().join(name), text).expect("a file");
    }
    let plain = format!("agent: {}\n{PLAIN}workspace: .\nextends: base.yaml\n", sandbox.agent);
    fs::write(&spec, &plain).expect("a spec");
    let mut watch = Watched::new(&sandbox, &[]);
    let (main, before) = (sandbox.main(), sandbox.inspect("main", "{{json .HostConfig}}"));

    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", "echo a > /workspace/b && cat /workspace/b"]), "a");
    assert_eq!(watch.quiet(), [Value::Null; 0]);

    // Its edit is a proposal.
    for widening in WIDENINGS {
        let text = if widening.starts_with("image") {
            plain.replace("image: busybox", widening)
        } else {
            format!("{plain}{widening}\n")
        };
        sandbox.docker_exec("main", &["sh", "-c", "printf %s \"$1\" > /workspace/agent.yaml", "sh", &text]);
        let held = watch.wait_for("held");
        assert!(held["more"].as_array().is_some_and(|more| !more.is_empty()), "{widening}: {held:#}");
        assert_eq!(watch.quiet(), [Value::Null; 0], "{widening}");
        assert_eq!(sandbox.main(), main, "{widening}");
        assert_eq!(sandbox.inspect("main", "{{json .HostConfig}}"), before, "{widening}");
        fs::write(&spec, &plain).expect("a spec");
        watch.wait_for("reloaded");
    }
}

#[test]
fn a_held_change_is_shown_and_approved() {
    let sandbox = Sandbox::new(PLAIN);
    let spec = sandbox.path().join("agent.yaml");
    let more = format!("agent: {}\n{PLAIN}mounts: ['/etc:/conf:ro']\n", sandbox.agent);
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    fs::write(&spec, &more).expect("a spec");
    watch.wait_for("held");
    let status = sandbox.status();
    assert_eq!(status["watch"]["held"].as_array().map(Vec::len), Some(1), "{status:#}");
    let text = sandbox.moat(&["status"]).ok().stdout;
    assert!(text.contains("held for `moat approve`: mount /conf: path /etc (read only)"), "{text}");
    // A held change does not block repairs.
    engine().docker(&["kill", &main]);
    watch.wait_for("settled");
    assert_eq!(sandbox.main(), main);

    // Without a terminal there is no prompt.
    let refused = sandbox.moat(&["approve"]).run();
    assert_eq!(refused.code, 64, "{refused}");
    sandbox.moat(&["approve", "--yes"]).ok();
    watch.wait_for("settled");
    let record = sandbox.moat(&["audit", "--json"]).ok().stdout;
    let record: Value = serde_json::from_str(&record).expect("a document");
    let consents: Vec<_> =
        record.as_array().into_iter().flatten().filter(|entry| entry["event"] == "consent_given").collect();
    assert_eq!(consents.len(), 1, "{record:#}");
    assert!(consents[0].to_string().contains("/etc"), "{record:#}");
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", "test -e /conf/passwd && echo there"]), "there");

    // Reverted, then repeated: the narrowed state is the approved one.
    sandbox.rewrite(PLAIN);
    watch.wait_for("settled");
    fs::write(&spec, &more).expect("a spec");
    watch.wait_for("held");
    assert_eq!(watch.quiet(), [Value::Null; 0]);
}

#[test]
fn with_approval_nothing_is_held() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &["--allow"]);
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/etc:/conf:ro']\n"));
    watch.wait_for("settled");
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", "test -e /conf/passwd && echo there"]), "there");
}

#[test]
fn watch_runs_no_commands_of_an_unapproved_spec() {
    let sandbox = Sandbox::new(PLAIN);
    let spec = sandbox.path().join("agent.yaml");
    let canary = sandbox.path().join("canary");
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    for source in ["cmd", "op", "pass"] {
        let text = match source {
            "cmd" => format!("cmd://touch {}; echo x", canary.display()),
            tool => format!("{tool}://vault/item"),
        };
        fs::write(&spec, format!("agent: {}\n{PLAIN}secrets: {{T: '{text}'}}\n", sandbox.agent)).expect("a spec");
        let held = watch.wait_for("held");
        assert!(held.to_string().contains("secret T"), "{held:#}");
        assert!(sandbox.moat(&["status"]).ok().stderr.contains("not fetched (not approved)"));
        assert_eq!(watch.quiet(), [Value::Null; 0]);
        assert!(!canary.exists(), "{source}");
    }
    assert_eq!(sandbox.main(), main);
    fs::write(
        &spec,
        format!("agent: {}\n{PLAIN}secrets: {{T: 'cmd://touch {}; echo x'}}\n", sandbox.agent, canary.display()),
    )
    .expect("a spec");
    watch.wait_for("held");
    sandbox.moat(&["approve", "--yes"]).ok();
    watch.wait_for("settled");
    assert!(canary.exists());
}

/// The spec is unchanged: the next watch repairs missing resources.
#[test]
fn a_restarted_watch_repairs_the_approved_state() {
    let sandbox = Sandbox::applied(DIND);
    for lost in [&["buildkit"][..], &["main"], &["buildkit", "main"]] {
        for container in lost {
            engine().docker(&["rm", "-f", &sandbox.id(container)]);
        }
        let watch = Watched::new(&sandbox, &[]);
        assert!(watch.events.iter().all(|it| it["event"] != "held"), "{:#?}", watch.events);
        sandbox.assert_ready();
        watch.end();
    }
}

/// A spec edited while no watch runs is not approved.
#[test]
fn watch_ignores_an_unapproved_edit_made_before_its_start() {
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/etc:/conf:ro']\n"));
    let mut watch = Watched::until(&sandbox, &[], "held");
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(sandbox.main(), main);
    sandbox.moat(&["approve", "--yes"]).ok();
    watch.wait_for("settled");
    assert_ne!(sandbox.main(), main);
}
