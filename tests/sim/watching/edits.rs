//! Changes of the spec: which are applied, rejected or held.

use std::time::Duration;

use moat::watch::debounce::FILES_BOUND;
use moat_plan::event::Trigger;
use moat_sim::interference::Interference;
use moat_sim::sim::Scope;
use testkit::simulator::case::{Program, run};

use super::harness::{Harness, MOMENT, edited, pair, part};
use super::host::File;

#[tokio::test(start_paused = true)]
async fn an_edit_changes_only_what_it_affects() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            let wanted = edited(pair(), |main| main.version = 1);
            harness.edit(File::good(wanted.graph()));
            let reported = harness.after(MOMENT).await;
            assert_eq!(reported[..2], ["reloaded", "woken: `agent.yaml` changed"]);
            assert!(reported.iter().all(|line| !line.contains("buildkit")), "{reported:?}");
            assert_eq!(harness.left(&wanted).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_without_effect_makes_no_call() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            for _ in 0..100 {
                harness.touch();
                assert_eq!(harness.after(Duration::from_millis(10)).await, [""; 0]);
            }
            // Another text with the same meaning.
            harness.edit(File::good(pair().graph()));
            assert_eq!(harness.after(MOMENT).await, [""; 0]);
            assert_eq!(harness.sim.calls().len(), 0);
        })
        .await;
}

/// A file is saved without a change, and at the same moment a container dies.
#[tokio::test(start_paused = true)]
async fn an_unchanged_file_is_not_reported_as_the_reason() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.touch();
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            let reported = harness.after(MOMENT).await;
            assert!(reported[0].starts_with("woken: ") && reported[0].ends_with(" exited"), "{reported:?}");
            assert_eq!(harness.left(&pair()).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_edits_is_one_round() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            let mut reported = Vec::new();
            for version in 1..=8 {
                harness.edit(File::good(edited(pair(), |main| main.version = version).graph()));
                reported.extend(harness.after(Duration::from_millis(20)).await);
            }
            reported.extend(harness.after(FILES_BOUND + MOMENT).await);
            assert_eq!(reported.iter().filter(|line| *line == "reloaded").count(), 1, "{reported:?}");
            assert_eq!(harness.left(&edited(pair(), |main| main.version = 8)).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_edit_keeps_the_last_good_spec() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.edit(File::Bad);
            assert_eq!(harness.after(MOMENT).await, ["rejected: it makes no sense"]);
            assert_eq!(harness.sim.calls().len(), 0);
            assert_eq!(harness.host.standing_of(&run()).problem.as_deref(), Some("it makes no sense"));
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            assert!(harness.after(MOMENT).await.contains(&"start container/main".to_owned()), "it is still kept");
            harness.edit(File::good(pair().graph()));
            assert_eq!(harness.after(MOMENT).await, ["reloaded"]);
            assert_eq!(harness.host.standing_of(&run()).problem, None);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_spec_removes_nothing_unless_requested() {
    for prune in [false, true] {
        let mut harness = Harness::new();
        harness.settings.prune = prune;
        harness
            .play(&pair(), async {
                harness.begin().await;
                let before = harness.sim.snapshot(&Scope::All);
                harness.edit(File::Gone);
                let reported = harness.after(MOMENT * 2).await;
                assert_eq!(reported[0], "spec gone");
                if prune {
                    assert_eq!(harness.sim.counts(&Scope::Of(run().id)).containers, 0, "{reported:?}");
                } else {
                    assert_eq!(harness.sim.snapshot(&Scope::All), before);
                }
                harness.edit(File::good(pair().graph()));
                harness.after(MOMENT).await;
                assert_eq!(harness.left(&pair()).await, "");
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_widening_is_held_until_it_is_approved() {
    let harness = Harness::new();
    let privileged = edited(pair(), |main| *main = part(Program::Privileged));
    let asks = || File::Held(vec!["mount /conf: path /etc".to_owned()]);
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.edit(asks());
            assert_eq!(harness.after(MOMENT).await, ["held: mount /conf: path /etc"]);
            assert_eq!(harness.sim.changes(), 0);
            assert_eq!(harness.host.standing_of(&run()).held.len(), 1);
            // The approved state is kept meanwhile.
            harness.interfere(&Interference::RemoveContainer { container: "container/main".to_owned() });
            assert!(harness.after(MOMENT).await.contains(&"create container/main".to_owned()));
            assert_eq!(harness.left(&pair()).await, "");

            // Reported once, however often it is read.
            harness.edit(asks());
            harness.wakeups.wake(0, Trigger::Approval);
            assert_eq!(harness.after(MOMENT).await, [""; 0]);
            assert_eq!(harness.left(&pair()).await, "");

            // The approval changes no file of the spec.
            harness.host.approve(&harness.spec, privileged.graph());
            harness.wakeups.wake(0, Trigger::Approval);
            assert_eq!(harness.after(MOMENT).await[0], "reloaded");
            assert_eq!(harness.left(&privileged).await, "");
            assert_eq!(harness.host.standing_of(&run()).held.len(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_held_change_is_dropped_when_the_spec_is_restored() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.edit(File::Held(vec!["more".to_owned()]));
            harness.after(MOMENT).await;
            harness.edit(File::good(pair().graph()));
            assert_eq!(harness.after(MOMENT).await, ["reloaded"]);
            assert_eq!(harness.host.standing_of(&run()).held.len(), 0);
            assert_eq!(harness.sim.changes(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_an_unapproved_spec_changes_nothing_until_it_is_approved() {
    let harness = Harness::new();
    harness.play(&pair(), harness.begin()).await;
    harness.sim.forget();
    let privileged = edited(pair(), |main| *main = part(Program::Privileged));
    harness
        .play_unread(&run(), File::Held(vec!["more".to_owned()]), async {
            assert_eq!(harness.after(MOMENT).await, ["held: more"]);
            assert_eq!(harness.host.standing_of(&run()).held.len(), 1);
            harness.interfere(&Interference::Kill { container: "container/main".to_owned() });
            assert_eq!(harness.after(MOMENT).await, [""; 0]);
            assert_eq!(harness.sim.changes(), 0);
            harness.host.approve(&harness.spec, privileged.graph());
            harness.wakeups.wake(0, Trigger::Approval);
            harness.after(MOMENT).await;
            assert_eq!(harness.left(&privileged).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_watch_repairs_to_the_approved_spec() {
    let harness = Harness::new();
    harness.play(&pair(), harness.begin()).await;
    harness.interfere(&Interference::RemoveContainer { container: "container/buildkit".to_owned() });
    harness
        .play_unread(&run(), File::good(pair().graph()), async {
            let reported = harness.after(MOMENT).await;
            assert!(reported.contains(&"create container/buildkit".to_owned()), "{reported:?}");
            assert_eq!(harness.left(&pair()).await, "");
        })
        .await;
}
