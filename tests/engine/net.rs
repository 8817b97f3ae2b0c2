//! `moat net` about a running gateway: what it has decided, and the rules for that.
//!
//! The lab has no internet: an allowed host is one that the gateway tries to resolve.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use testkit::sandbox::Sandbox;

fn spec(network: &str) -> String {
    format!("image: busybox\nnetwork: {{{network}}}\n")
}

/// The answer to a request of main: `403 Forbidden` from the gateway if the host is denied.
fn answer(sandbox: &Sandbox, url: &str) -> String {
    let ran = sandbox.sh(&format!("wget -T 10 -qO- {url}"));
    assert_ne!(ran.code, 0, "{url} cannot be reached in the lab\n{ran}");
    ran.stderr.trim().rsplit("HTTP/1.1 ").next().unwrap_or_default().to_owned()
}

fn net(sandbox: &Sandbox, args: &[&str]) -> String {
    sandbox.moat(&[&["net"], args].concat()).ok().stdout
}

fn json(sandbox: &Sandbox, args: &[&str]) -> Value {
    let text = net(sandbox, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_denied_host_becomes_a_rule_in_place() {
    let sandbox = Sandbox::applied(&spec("policy: strict, rules: ['@npm']"));
    let ids = [sandbox.main(), sandbox.id("gateway")];
    assert_eq!(answer(&sandbox, "http://evil.example/path"), "403 Forbidden");
    assert_eq!(answer(&sandbox, "http://evil.example/path"), "403 Forbidden");
    assert_eq!(answer(&sandbox, "http://a.npmjs.org"), "502 Bad Gateway");
    sandbox
        .sh("wget -T 10 -qO- https://tls.example; nslookup -type=a looked-up.example; wget -T 10 http://localhost:1");

    let denied = json(&sandbox, &["denied"]);
    let row = |it: &Value| (it["name"].clone(), it["port"].clone(), it["times"].clone(), it["rule"].clone());
    let rows: Vec<_> = denied["denied"].as_array().expect("rows").iter().map(row).collect();
    let expected = [
        ("looked-up.example".into(), Value::Null, 1.into(), "looked-up.example".into()),
        ("tls.example".into(), 443.into(), 1.into(), "tls.example".into()),
        ("evil.example".into(), 80.into(), 2.into(), "evil.example".into()),
    ];
    assert_eq!(rows, expected, "{denied:#}");
    let status = sandbox.moat(&["status"]).ok().stdout;
    assert!(
        status.contains("\ndenied: looked-up.example, tls.example:443, evil.example:80 in the last hour"),
        "{status}"
    );

    let log = net(&sandbox, &["log"]);
    assert!(log.contains("  allow  http  ") && log.contains("a.npmjs.org:80  @npm"), "{log}");
    assert!(!log.contains("/path"), "no log has paths: {log}");

    let suggested = net(&sandbox, &["suggest"]);
    let rules = "network:\n  policy: strict\n  rules:\n    - evil.example\n    - tls.example\n";
    let looked_up = "# only looked up; which port it needs is unknown: looked-up.example\n";
    assert_eq!(suggested, format!("{rules}{looked_up}"));

    sandbox.rewrite(&spec("policy: strict, rules: ['@npm', evil.example]"));
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 77 && ran.stderr.contains("network may reach evil.example"), "{ran}");
    assert_eq!(answer(&sandbox, "http://evil.example/path"), "403 Forbidden");
    sandbox.apply();
    assert_eq!([sandbox.main(), sandbox.id("gateway")], ids, "nothing is replaced");
    assert_eq!(answer(&sandbox, "http://evil.example/path"), "502 Bad Gateway");
    assert!(!net(&sandbox, &["suggest"]).contains("evil.example"));
    // Less needs no approval.
    sandbox.rewrite(&spec("policy: strict"));
    sandbox.moat(&["apply"]).ok();
    assert_eq!(answer(&sandbox, "http://a.npmjs.org"), "403 Forbidden");

    // The log of a stopped gateway can be read.
    let before = net(&sandbox, &["log", "--json"]);
    sandbox.moat(&["stop"]).ok();
    assert!(net(&sandbox, &["log", "--json"]).starts_with(&before));
}

#[test]
fn a_followed_log_has_later_connections() {
    let sandbox = Sandbox::applied(&spec("policy: learn"));
    assert_eq!(answer(&sandbox, "http://one.example"), "502 Bad Gateway");
    let mut moat = sandbox.moat(&["net", "log", "--follow", "--json"]);
    let mut child = moat.command.stdout(Stdio::piped()).spawn().expect("moat runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut names = lines.map(|line| {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((line["agent"].as_str(), line["decision"].as_str()), (Some(sandbox.agent.as_str()), Some("learn")));
        line["name"].as_str().expect("a name").to_owned()
    });
    assert_eq!(names.next().as_deref(), Some("one.example"));
    assert_eq!(answer(&sandbox, "http://two.example"), "502 Bad Gateway");
    assert_eq!(names.next().as_deref(), Some("two.example"));
    // The log continues in another container.
    testkit::engine::engine().docker(&["rm", "-f", &sandbox.id("gateway")]);
    sandbox.apply();
    assert_eq!(answer(&sandbox, "http://three.example"), "502 Bad Gateway");
    assert_eq!(names.next().as_deref(), Some("three.example"));
    child.kill().expect("ended");
    child.wait().expect("ended");
}

#[test]
fn without_a_policy_there_is_nothing_to_show() {
    let sandbox = Sandbox::applied("image: busybox\n");
    for what in ["log", "denied", "suggest"] {
        let ran = sandbox.moat(&["net", what]).run();
        assert!(ran.code == 1 && ran.stderr.contains("has no gateway"), "{ran}");
    }
    let ran = sandbox.moat(&["net", "check", "evil.example"]).ok();
    assert!(ran.stdout.contains("has no policy"), "{ran}");
}
