//! Changes on the engine: the repairs, their operations, and the pauses of the watch.

use std::time::Duration;

use expect_test::{Expect, expect};
use moat::watch::{RESYNC, Work};
use moat_sim::interference::Interference;
use moat_sim::sim::Scope;
use testkit::simulator::case::{Program, run};
use tokio::time::{Instant, sleep};

use super::harness::{Harness, MOMENT, edited, pair, part};
use super::host::File;

fn check(reported: &[String], expected: &Expect) {
    expected.assert_eq(&(reported.join("\n") + "\n"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_applies_the_spec_and_becomes_idle() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            check(
                &harness.after(MOMENT).await,
                &expect![[r"
                    woken: the watch started
                    create network/agent
                    create container/buildkit
                    create container/main
                    start container/buildkit
                    await container/buildkit
                    start container/main
                    await container/main
                    settled
                "]],
            );
            harness.sim.forget();
            assert!(harness.after(RESYNC / 2).await.is_empty());
            assert_eq!(harness.sim.calls().len(), 0, "quiet means that nothing is asked");
            assert_eq!(harness.host.standing_of(&run()).work, Work::Settled);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn only_damaged_resources_are_repaired() {
    let main = || "container/main".to_owned();
    let table: [(Interference, &str); 8] = [
        (Interference::Kill { container: main() }, "start container/main, await container/main"),
        (Interference::Stop { container: main() }, "start container/main, await container/main"),
        (Interference::Pause { container: main() }, "unpause container/main, await container/main"),
        (Interference::Disconnect { container: main() }, "connect container/main, await container/main"),
        (
            Interference::RemoveContainer { container: main() },
            "create container/main, start container/main, await container/main",
        ),
        (Interference::RenameContainer { container: main(), to: "renamed".to_owned() }, "rename container/main"),
        (
            Interference::Kill { container: "container/buildkit".to_owned() },
            "start container/buildkit, await container/buildkit",
        ),
        (
            Interference::RemoveNetwork { network: "network/agent".to_owned() },
            "stop container/buildkit, stop container/main, remove container/buildkit, remove container/main, create network/agent, create container/buildkit, create container/main, start container/buildkit, await container/buildkit, start container/main, await container/main, rename container/buildkit, rename container/main",
        ),
    ];
    for (interference, repair) in table {
        let harness = Harness::new();
        harness
            .play(&pair(), async {
                harness.begin().await;
                harness.interfere(&interference);
                let reported = harness.after(MOMENT * 3).await;
                assert!(reported[0].starts_with("woken: "), "{interference}: {reported:?}");
                assert_eq!(reported.last().map(String::as_str), Some("settled"), "{interference}");
                let mut done = reported[1..reported.len() - 1].to_vec();
                let mut wanted: Vec<_> = repair.split(", ").collect();
                if matches!(interference, Interference::RemoveNetwork { .. }) {
                    // Two containers are repaired concurrently, in any order.
                    done.sort_unstable();
                    wanted.sort_unstable();
                }
                assert_eq!(done, wanted, "{interference}");
                assert_eq!(harness.left(&pair()).await, "", "{interference}");
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_starts_at_once() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            let began = Instant::now();
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            while harness.sim.changes() == 0 {
                assert!(began.elapsed() < Duration::from_millis(200), "nothing is done about it");
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn unreported_changes_are_found_by_the_clock() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.sim.lose_events(Duration::from_secs(60));
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            assert_eq!(harness.after(MOMENT).await, [""; 0]);
            let reported = harness.after(RESYNC).await;
            assert_eq!(reported[0], "woken: periodic check");
            assert_eq!(harness.left(&pair()).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_catches_up_after_an_engine_restart() {
    let harness = Harness::new();
    // A container that the engine does not restart.
    let wanted = edited(pair(), |main| main.mortal = true);
    harness
        .play(&wanted, async {
            harness.begin().await;
            harness.sim.restart_engine(Duration::from_secs(20));
            let reported = harness.after(MOMENT).await;
            assert_eq!(reported, ["engine lost"]);
            let reported = harness.after(Duration::from_secs(30)).await;
            assert_eq!(reported[0], "engine back");
            assert!(reported.contains(&"start container/main".to_owned()), "{reported:?}");
            assert_eq!(reported.last().map(String::as_str), Some("settled"));
            assert_eq!(harness.left(&wanted).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn repairs_of_a_repeatedly_killed_container_back_off() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            let (mut reported, began) = (Vec::new(), Instant::now());
            while began.elapsed() < Duration::from_secs(3600) {
                harness.sim.interfere(&Interference::Kill { container: "container/main".to_owned() });
                reported.extend(harness.after(Duration::from_secs(1)).await);
            }
            let starts = reported.iter().filter(|line| *line == "start container/main").count();
            // 1 + 2 + 4 + … + 256 s, then every five minutes.
            assert!((15..=24).contains(&starts), "{starts} starts within an hour");
            let left: Vec<_> = reported.iter().filter(|line| line.contains("left alone")).collect();
            assert!(left.len() >= 8 && left.len() <= starts, "{left:#?}");
            assert!(left[0].starts_with("container/main left alone for 3 s after 3 repairs"), "{left:#?}");
            assert!(harness.host.standing_of(&run()).left.contains(&"container/main".to_owned()));
            // The other container does not wait for it.
            harness.interfere(&Interference::Kill { container: "container/buildkit".to_owned() });
            let reported = harness.after(MOMENT).await;
            assert!(reported.contains(&"await container/buildkit".to_owned()), "{reported:?}");
        })
        .await;
}

/// An edit causes an immediate retry, whose failure is reported again.
#[tokio::test(start_paused = true)]
async fn suspended_repairs_are_reported_again_after_an_edit() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            for version in 1..=3 {
                let mut reported = Vec::new();
                while !reported.iter().any(|line: &String| line.contains("left alone")) {
                    assert!(reported.len() < 100, "{reported:#?}");
                    harness.sim.interfere(&Interference::Kill { container: "container/main".to_owned() });
                    reported.extend(harness.after(Duration::from_secs(1)).await);
                }
                let left = reported.last().map(String::as_str).unwrap_or_default();
                assert!(left.starts_with("container/main left alone for 3 s after 3 repairs"), "{reported:#?}");
                harness.edit(File::good(edited(pair(), |main| main.version = version).graph()));
                let reported = harness.after(MOMENT).await;
                assert_eq!(reported.last().map(String::as_str), Some("settled"));
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_failure_is_not_retried_until_something_changes() {
    let harness = Harness::new();
    let broken = edited(pair(), |main| *main = part(Program::Broken));
    harness
        .play(&broken, async {
            let reported = harness.after(Duration::from_secs(4 * 3600)).await;
            let tries = reported.iter().filter(|line| *line == "failed start container/main").count();
            assert_eq!(tries, 10, "{reported:#?}");
            assert_eq!(reported.last().map(String::as_str), Some("unsettled until something changes"));
            assert_eq!(harness.host.standing_of(&run()).work, Work::Stuck);
            // The sidecar is still repaired.
            harness.interfere(&Interference::Kill { container: "container/buildkit".to_owned() });
            assert!(harness.after(MOMENT).await.contains(&"await container/buildkit".to_owned()));
            harness.edit(File::good(edited(broken.clone(), |main| main.version = 1).graph()));
            let reported = harness.after(MOMENT).await;
            assert!(
                reported.contains(&"failed start container/main".to_owned()),
                "an edit is tried at once: {reported:?}"
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_watch_changes_nothing() {
    let harness = Harness::new();
    let began = harness
        .play(&pair(), async {
            harness.begin().await;
            harness.interfere(&Interference::RemoveContainer { container: "container/buildkit".to_owned() });
            sleep(Duration::from_millis(60)).await;
            Instant::now()
        })
        .await;
    assert!(began.elapsed() < Duration::from_secs(1), "it took {:?} to end", began.elapsed());
    let counts = harness.sim.counts(&Scope::Of(run().id));
    assert!(counts.containers >= 1 && counts.networks == 1, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_waits_for_the_lock_of_another_process() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.host.locked.set(true);
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            assert_eq!(harness.after(MOMENT).await, [""; 0]);
            assert_eq!(harness.sim.changes(), 0);
            harness.host.locked.set(false);
            assert_eq!(harness.after(MOMENT).await.last().map(String::as_str), Some("settled"));
        })
        .await;
}
