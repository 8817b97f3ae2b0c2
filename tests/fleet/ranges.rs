//! Address ranges that are used up, or taken by somebody else at the last moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use testkit::breakpoint::{Breakpoint, Moment, Point};
use testkit::engine::{Inventory, engine};
use testkit::held::hold_at;
use testkit::sandbox::{PLAIN, Sandbox};

use crate::load::{FOLDER, Load};

/// Who needs an address range of the engine's own, and who takes them all.
static POOLS: Mutex<()> = Mutex::new(());

fn pools() -> MutexGuard<'static, ()> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than an engine's own pools have.
const MANY: usize = 200;

/// Networks of somebody else until the engine has no range left for another one. All bear the agent's name, and go
/// with the sandbox.
fn use_up_the_pools(agent: &str) -> usize {
    (0..MANY)
        .find(|i| engine().try_docker(&["network", "create", &format!("{agent}-pool-{i}")]).code != 0)
        .expect("an end")
}

fn subnets(part: &str) -> Vec<String> {
    let networks = engine().list(&["network", "ls", "-q", "--filter", &format!("name={part}")]);
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    networks.iter().map(|id| engine().docker(&["network", "inspect", "--format", format, id])).collect()
}

#[test]
fn nothing_is_left_and_then_there_is() {
    let _alone = pools();
    let before = Inventory::now();
    let load = Load::new(2, PLAIN);
    let specs = load.agents.iter().map(|agent| Load::spec(agent)).collect::<Vec<_>>();
    let (sandbox, first, second) = (&load.sandbox, &*specs[0], &*specs[1]);
    sandbox.moat(&["apply", first, "--subnets", "10.119.9.0/28"]).ok();
    let pools = use_up_the_pools(&sandbox.agent);

    let ran = sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/28"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    let hint = "= help: no address range is left, neither in moat's own nor in the engine's: name another one with `--subnets`";
    assert!(ran.stderr.contains("error: cannot create network") && ran.stderr.contains(hint), "{ran}");

    let ran = sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/28", "--json"]).run();
    assert!(ran.stdout.contains("\"code\":\"no-address-range\""), "{ran}");

    // Both ways out that the hint names.
    sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/27"]).ok();
    assert_eq!(subnets(&load.agents[1]), ["10.119.9.16/28"]);
    sandbox.moat(&["destroy", second]).ok();
    engine().docker(&["network", "rm", &format!("{}-pool-0", sandbox.agent)]);
    sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/28"]).ok();
    load.assert_all("ready");

    sandbox.moat(&["destroy", FOLDER]).ok();
    for i in 1..pools {
        engine().docker(&["network", "rm", &format!("{}-pool-{i}", sandbox.agent)]);
    }
    before.assert_unchanged(&sandbox.agent);
}

/// Between the look and the creation somebody takes all of the range; what is left are the engine's own.
#[test]
fn a_place_that_was_free_a_moment_ago() {
    let _alone = pools();
    let (sandbox, breakpoint) = (Sandbox::new(PLAIN), Breakpoint::new());
    let apply = ["apply", "--subnets", "10.119.10.0/28"];
    let held =
        hold_at(&sandbox, &breakpoint, &apply, Point { nth: 1, moment: Moment::Asked }).expect("it creates a network");
    assert!(held.call.ends_with("/networks/create"), "{}", held.call);
    let rival = format!("{}-rival", sandbox.agent);
    engine().docker(&["network", "create", "--subnet", "10.119.10.0/24", &rival]);
    let (code, told) = held.let_go();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("looked again"), "{told}");
    sandbox.assert_ready();
    sandbox.moat(&["destroy"]).ok();
    engine().docker(&["network", "rm", &rival]);
}

/// Agents of one call that see the same places free choose different ones: no creation is refused.
#[test]
fn a_range_that_has_just_enough() {
    let load = Load::new(8, PLAIN);
    let ran = load.sandbox.moat(&["apply", FOLDER, "--subnets", "10.119.11.0/25"]).ok();
    assert!(!ran.stderr.contains("failed"), "{ran}");
    let mut found = subnets(&load.sandbox.agent);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(found.iter().all(|it| it.starts_with("10.119.11.")), "{found:?}");
    load.sandbox.moat(&["destroy", FOLDER]).ok();
}
