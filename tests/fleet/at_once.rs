//! Commands for many agents.

use std::collections::BTreeSet;

use testkit::engine::{Inventory, engine};
use testkit::sandbox::PLAIN;

use crate::load::{FOLDER, Load, count};

#[test]
fn a_fleet_is_applied_and_destroyed() {
    let before = Inventory::now();
    let load = Load::new(count("MOAT_FLEET", 10), PLAIN);
    let n = load.agents.len();
    let applied = load.sandbox.moat(&["apply", FOLDER]).ok();
    assert_eq!(applied.stderr.lines().last(), Some(&*format!("{n} agents: {n} done")), "{applied}");
    load.assert_all("ready");

    let again = load.sandbox.moat(&["apply", FOLDER]).ok();
    let nothing = again.stderr.lines().filter(|line| line.ends_with("is ready: nothing to do")).count();
    assert_eq!(nothing, n, "{again}");

    load.sandbox.moat(&["destroy", FOLDER]).ok();
    load.assert_all("absent");
    before.assert_unchanged(&load.sandbox.agent);
}

#[test]
fn cycles_leak_nothing() {
    let before = Inventory::now();
    let load = Load::new(2, PLAIN);
    for _ in 0..count("MOAT_CYCLES", 3) {
        load.sandbox.moat(&["apply", FOLDER]).ok();
        load.assert_all("ready");
        load.sandbox.moat(&["destroy", FOLDER]).ok();
    }
    before.assert_unchanged(&load.sandbox.agent);
}

#[test]
fn a_failing_agent_does_not_stop_the_others() {
    let load = Load::new(3, PLAIN);
    let failing = &load.agents[1];
    load.rewrite(failing, &format!("agent: {failing}\nimage: 127.0.0.1:5000/no/such:image\n"));
    let ran = load.sandbox.moat(&["apply", FOLDER]).run();
    assert_eq!(ran.code, 1, "{ran}");
    let summary = format!("3 agents: 2 done, 1 failed ({failing})");
    assert_eq!(ran.stderr.lines().last(), Some(&*summary), "{ran}");
    let states: Vec<String> = load.states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["ready", "absent", "ready"]);
    load.sandbox.moat(&["destroy", FOLDER]).ok();
}

#[test]
fn subnets_come_from_the_configured_range() {
    let load = Load::new(3, PLAIN);
    load.sandbox.moat(&["apply", FOLDER, "--subnets", "10.119.7.0/24"]).ok();
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    let filter = format!("name={}", load.sandbox.agent);
    let networks = engine().list(&["network", "ls", "-q", "--filter", &filter]);
    let subnets: BTreeSet<String> =
        networks.iter().map(|id| engine().docker(&["network", "inspect", "--format", format, id])).collect();
    assert_eq!(subnets.len(), 3, "each has its own: {subnets:?}");
    assert!(subnets.iter().all(|it| it.starts_with("10.119.7.") && it.ends_with("/28")), "{subnets:?}");
    load.sandbox.moat(&["destroy", FOLDER]).ok();
}
