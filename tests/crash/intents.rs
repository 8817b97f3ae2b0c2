//! The audit log while a call is paused: it has an intent for this call.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use testkit::sandbox::Sandbox;

/// Calls, by the start or the end of their path, and their audit events.
const EVENTS: [(&str, &str, &[&str]); 10] = [
    ("POST", "/networks/create", &["docker_network_created"]),
    ("POST", "/volumes/create", &["volume_created"]),
    ("POST", "/containers/create", &["container_created"]),
    ("POST", "/start", &["container_started", "buildkit_sidecar_started"]),
    ("POST", "/stop", &["container_stopped", "buildkit_sidecar_stopped"]),
    ("POST", "/rename", &["container_renamed"]),
    ("PUT", "/archive", &["files_uploaded"]),
    ("DELETE", "/containers/", &["container_removed"]),
    ("DELETE", "/networks/", &["docker_network_removed"]),
    ("DELETE", "/volumes/", &["volume_removed"]),
];

/// Checks that the log has an intent without an outcome for `call`, such as `POST /v1.45/networks/create`.
pub fn assert_intent(sandbox: &Sandbox, call: &str) {
    // A probe, which changes nothing.
    if call.contains("/exec") {
        return;
    }
    let is_it = |(method, path, _): &&(&str, &str, &[&str])| {
        call.starts_with(method) && if *method == "DELETE" { call.contains(path) } else { call.ends_with(path) }
    };
    let (_, _, events) = EVENTS.iter().find(is_it).unwrap_or_else(|| panic!("`{call}` is not known here"));
    let log = fs::read_to_string(sandbox.home().join(".local/state/moat/audit/log.jsonl")).expect("a log");
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let closed: BTreeSet<u64> = entries.iter().filter_map(|entry| entry["of"].as_u64()).collect();
    let is_open = |entry: &&Value| {
        let is_it = entry["event"].as_str().is_some_and(|event| events.contains(&event));
        is_it && entry["phase"] == "intent" && entry["seq"].as_u64().is_some_and(|seq| !closed.contains(&seq))
    };
    assert!(entries.iter().any(|entry| is_open(&entry)), "`{call}` was sent without an intent:\n{log}");
}

/// Checks that the log verifies, and that the next command leaves no open intents.
pub fn assert_whole(sandbox: &Sandbox, at: &str) {
    let ran = sandbox.moat(&["audit", "verify", "--json"]).run();
    assert!(ran.code == 0, "{at}\n{ran}");
    let found: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(found["open"], 0, "{at}\n{ran}");
}
