//! `moat list` and `moat clean`: resources whose spec no longer exists.

use std::fs;

use serde_json::Value;
use testkit::engine::{Inventory, engine};
use testkit::sandbox::{PLAIN, Sandbox};

use crate::load::{FOLDER, Load};

/// The runs of these agents only: other tests use the engine too.
fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.moat(&["list", "--json"]).ok();
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).expect("an array");
    rows.into_iter().filter(|row| row["agent"].as_str().is_some_and(|it| it.starts_with(&sandbox.agent))).collect()
}

#[test]
fn orphans_are_listed_and_cleaned() {
    let before = Inventory::now();
    let load = Load::new(3, PLAIN);
    let sandbox = &load.sandbox;
    sandbox.moat(&["apply", FOLDER]).ok();
    assert!(listed(sandbox).iter().all(|row| row["orphaned"].is_null() && row["state"] == "running"));

    fs::remove_file(sandbox.path().join(Load::spec(&load.agents[0]))).expect("gone");
    load.rewrite(&load.agents[1], "agent: renamed\nimage: busybox\n");
    let rows = listed(sandbox);
    let orphaned: Vec<&Value> = rows.iter().map(|row| &row["orphaned"]).collect();
    assert_eq!(orphaned, [&Value::from("file is gone"), &"names another agent".into(), &Value::Null]);
    let runs: Vec<&str> = rows.iter().filter_map(|row| row["run"].as_str()).collect();
    let text = sandbox.moat(&["list"]).ok().stdout;
    assert!(text.lines().any(|line| line.contains(runs[0]) && line.ends_with(" (file is gone)")), "{text}");

    // Without a terminal there is no confirmation: nothing changes, and the plan is shown.
    let asked = sandbox.moat(&["clean", runs[0], runs[1], runs[2]]).run();
    assert_eq!(asked.code, 64, "{asked}");
    assert!(asked.stderr.contains(&format!("  remove  container moat-{}\n", runs[0])), "{asked}");
    assert!(!asked.stderr.contains(&format!("container moat-{}", runs[2])), "{asked}");
    assert!(asked.stderr.contains(&format!("still has its spec: `moat destroy {}` removes it", runs[2])), "{asked}");
    assert_eq!(listed(sandbox).len(), 3);

    let cleaned = sandbox.moat(&["clean", "--yes", runs[0], runs[1], runs[2]]).ok();
    assert!(cleaned.stderr.ends_with("2 agents: 2 done\n"), "{cleaned}");
    let left = listed(sandbox);
    assert_eq!(left.iter().filter_map(|row| row["run"].as_str()).collect::<Vec<_>>(), [runs[2]]);
    assert_eq!(left[0]["state"], "running");

    sandbox.moat(&["destroy", &Load::spec(&load.agents[2])]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn clean_keeps_volumes_unless_requested() {
    let before = Inventory::now();
    let load = Load::new(1, "dependencies: [docker:dind]\n");
    let sandbox = &load.sandbox;
    let spec = Load::spec(&load.agents[0]);
    sandbox.moat(&["apply", &spec]).ok();
    fs::remove_file(sandbox.path().join(&spec)).expect("gone");
    let run = listed(sandbox)[0]["run"].as_str().expect("an id").to_owned();
    let cache = format!("moat-{run}-buildkit-cache");

    let cleaned = sandbox.moat(&["clean", "--yes", &run]).ok();
    assert!(cleaned.stderr.contains(&format!("  keep    volume {cache}\n")), "{cleaned}");
    assert!(cleaned.stderr.contains("`moat clean --volumes`"), "{cleaned}");
    let filter = format!("name={run}");
    let volumes = || engine().list(&["volume", "ls", "-q", "--filter", &filter]);
    assert_eq!(volumes(), [cache.as_str()]);
    assert_eq!(listed(sandbox)[0]["state"], "kept");
    let again = sandbox.moat(&["clean", "--yes", &run]).ok();
    assert!(again.stderr.contains("nothing to clean"), "{again}");

    sandbox.moat(&["clean", "--yes", "--volumes", &run]).ok();
    assert!(volumes().is_empty());
    before.assert_unchanged(&sandbox.agent);
}
