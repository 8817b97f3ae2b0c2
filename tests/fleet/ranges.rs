//! Address pools that are exhausted, or subnets taken by another client at the last moment.

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

/// More networks than the engine's pools allow.
const MANY: usize = 200;

/// Creates foreign networks until the engine's pools are exhausted. Their names start with the agent's, so that they are
/// removed with the sandbox.
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
fn exhausted_address_pools_are_reported() {
    let _alone = pools();
    let before = Inventory::now();
    let load = Load::new(2, PLAIN);
    let specs = load.agents.iter().map(|agent| Load::spec(agent)).collect::<Vec<_>>();
    let (sandbox, first, second) = (&load.sandbox, &*specs[0], &*specs[1]);
    sandbox.moat(&["apply", first, "--subnets", "10.119.9.0/28"]).ok();
    let pools = use_up_the_pools(&sandbox.agent);

    let ran = sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/28"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    let hint = "= help: no address range is left in moat's pool or the engine's: set another one with `--subnets`";
    assert!(ran.stderr.contains("error: cannot create network") && ran.stderr.contains(hint), "{ran}");

    let ran = sandbox.moat(&["apply", second, "--subnets", "10.119.9.0/28", "--json"]).run();
    assert!(ran.stdout.contains("\"code\":\"no-address-range\""), "{ran}");

    // Both remedies of the hint.
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

/// Another client takes the whole range between observation and creation; only the engine's pools remain.
#[test]
fn a_subnet_taken_after_observation() {
    let _alone = pools();
    let (sandbox, breakpoint) = (Sandbox::new(PLAIN), Breakpoint::new());
    let apply = ["apply", "--subnets", "10.119.10.0/28"];
    let held =
        hold_at(&sandbox, &breakpoint, &apply, Point { nth: 1, moment: Moment::Asked }).expect("it creates a network");
    assert!(held.call.ends_with("/networks/create"), "{}", held.call);
    let rival = format!("{}-rival", sandbox.agent);
    engine().docker(&["network", "create", "--subnet", "10.119.10.0/24", &rival]);
    let (code, reported) = held.resume();
    assert_eq!(code, Some(0), "{reported}");
    assert!(reported.contains("checked again"), "{reported}");
    sandbox.assert_ready();
    sandbox.moat(&["destroy"]).ok();
    engine().docker(&["network", "rm", &rival]);
}

/// Agents of one command that observe the same free subnets choose different ones: no creation fails.
#[test]
fn a_range_of_exact_size() {
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
