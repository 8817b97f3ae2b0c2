//! The proof of a network policy during a watch: a failed one is shown and tried again, and repairs go on.

use std::time::Duration;

use moat::watch::{RESYNC, Work};
use moat_sim::interference::Interference;
use testkit::simulator::case::{Wanted, run};
use tokio::time::Instant;

use super::harness::{Harness, MOMENT, pair};

/// Longer than the patience of a proof and the first pauses.
const TRIES: Duration = Duration::from_secs(60);

fn wanted() -> Wanted {
    Wanted { gateway: Some(0), ..pair() }
}

fn tries(reported: &[String]) -> usize {
    reported.iter().filter(|line| line.starts_with("unsettled until ")).count()
}

#[tokio::test(start_paused = true)]
async fn a_failed_proof_is_tried_again_until_it_holds() {
    let harness = Harness::new();
    harness.sim.pass_names(false);
    harness
        .play(&wanted(), async {
            let reported = harness.after(TRIES).await;
            assert!((3..=5).contains(&tries(&reported)), "{reported:#?}");
            assert!(!reported.contains(&"settled".to_owned()), "{reported:#?}");
            assert!(!harness.host.stuck.get(), "the next try is announced");
            let standing = harness.host.standing_of(&run());
            assert_eq!(standing.work, Work::BackingOff);
            let error = standing.last_error.unwrap_or_default();
            assert!(error.starts_with("the network policy is not in force"), "{error}");

            harness.sim.pass_names(true);
            let wait = harness.host.promised.get().expect("a retry").saturating_duration_since(Instant::now());
            let reported = harness.after(wait + MOMENT).await;
            assert_eq!(reported.last().map(String::as_str), Some("settled"), "{reported:#?}");
            let standing = harness.host.standing_of(&run());
            assert_eq!((standing.work, standing.last_error), (Work::Settled, None));
            harness.sim.forget();
            assert_eq!(harness.after(RESYNC / 2).await, [""; 0]);
            assert_eq!(harness.sim.calls().len(), 0, "quiet means that nothing is asked");
        })
        .await;
}

/// Nothing on the engine shows that names no longer lead to the gateway.
#[tokio::test(start_paused = true)]
async fn a_proof_that_no_longer_holds_is_found_by_the_clock() {
    let harness = Harness::new();
    harness
        .play(&wanted(), async {
            harness.begin().await;
            harness.sim.pass_names(false);
            let reported = harness.after(RESYNC + TRIES / 2).await;
            assert_eq!(reported[..2], ["woken: periodic check", "unsettled until 1s"], "{reported:#?}");
            assert_eq!(harness.host.standing_of(&run()).work, Work::BackingOff);
        })
        .await;
}

/// A policy that cannot be proven suspends no repair: neither of another container, nor of the rules themselves.
#[tokio::test(start_paused = true)]
async fn repairs_go_on_while_a_proof_fails() {
    let harness = Harness::new();
    harness.sim.pass_names(false);
    harness
        .play(&wanted(), async {
            while harness.host.promised.get().is_none_or(|at| at < Instant::now() + Duration::from_secs(100)) {
                harness.after(Duration::from_secs(1)).await;
            }
            harness.interfere(&Interference::Kill { container: "container/gateway".to_owned() });
            let reported = harness.after(MOMENT).await;
            assert!(reported.contains(&"set policy/gateway".to_owned()), "{reported:#?}");
            assert_eq!(harness.left(&wanted()).await, "");
            harness.after(TRIES).await;
            assert_eq!(harness.host.standing_of(&run()).work, Work::BackingOff, "it is not in sync");
        })
        .await;
}

/// However often it has failed: another try changes nothing.
#[tokio::test(start_paused = true)]
async fn a_failed_proof_is_never_given_up() {
    let harness = Harness::new();
    harness.sim.pass_names(false);
    harness
        .play(&wanted(), async {
            let reported = harness.after(Duration::from_secs(3 * 3600)).await;
            assert!((20..=50).contains(&tries(&reported)), "{}", tries(&reported));
            assert!(!harness.host.stuck.get());
        })
        .await;
}
