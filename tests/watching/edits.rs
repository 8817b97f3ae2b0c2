//! The spec changes: what is taken up, what is refused, what is held.

use std::time::Duration;

use moat::engine::outside::Meddling;
use moat::engine::sim::Scope;
use moat::event::Trigger;
use moat::watch::pace::FILES_BOUND;

use super::case::{Program, run};
use super::desk::File;
use super::theatre::{MOMENT, Theatre, edited, pair, part};

#[tokio::test(start_paused = true)]
async fn an_edit_is_taken_up_and_only_what_it_changes() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            let wanted = edited(pair(), |main| main.version = 1);
            theatre.edit(File::good(wanted.graph()));
            let told = theatre.after(MOMENT).await;
            assert_eq!(told[..2], ["reloaded", "woken: `agent.yaml` has changed"]);
            assert!(told.iter().all(|line| !line.contains("buildkit")), "{told:?}");
            assert_eq!(theatre.left(&wanted).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_makes_no_call() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            for _ in 0..100 {
                theatre.touch();
                assert_eq!(theatre.after(Duration::from_millis(10)).await, [""; 0]);
            }
            // Another text that means the same.
            theatre.edit(File::good(pair().graph()));
            assert_eq!(theatre.after(MOMENT).await, [""; 0]);
            assert_eq!(theatre.sim.calls().len(), 0);
        })
        .await;
}

/// Somebody saves a file without a change, and at the same moment a container dies.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_as_it_was_is_not_given_as_the_reason() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.touch();
            theatre.meddle(&Meddling::Kill { container: "container/main".to_owned() });
            let told = theatre.after(MOMENT).await;
            assert!(told[0].starts_with("woken: ") && told[0].ends_with(" has ended"), "{told:?}");
            assert_eq!(theatre.left(&pair()).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_edits_is_one_round() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            let mut told = Vec::new();
            for version in 1..=8 {
                theatre.edit(File::good(edited(pair(), |main| main.version = version).graph()));
                told.extend(theatre.after(Duration::from_millis(20)).await);
            }
            told.extend(theatre.after(FILES_BOUND + MOMENT).await);
            assert_eq!(told.iter().filter(|line| *line == "reloaded").count(), 1, "{told:?}");
            assert_eq!(theatre.left(&edited(pair(), |main| main.version = 8)).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_edit_keeps_the_last_good_spec() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.edit(File::Bad);
            assert_eq!(theatre.after(MOMENT).await, ["rejected: it makes no sense"]);
            assert_eq!(theatre.sim.calls().len(), 0);
            assert_eq!(theatre.desk.standing_of(&run()).problem.as_deref(), Some("it makes no sense"));
            theatre.meddle(&Meddling::Kill { container: "container/main".to_owned() });
            assert!(theatre.after(MOMENT).await.contains(&"start container/main".to_owned()), "it is still kept");
            theatre.edit(File::good(pair().graph()));
            assert_eq!(theatre.after(MOMENT).await, ["reloaded"]);
            assert_eq!(theatre.desk.standing_of(&run()).problem, None);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_gone_removes_nothing_unless_asked_to() {
    for prune in [false, true] {
        let mut theatre = Theatre::new();
        theatre.settings.prune = prune;
        theatre
            .play(&pair(), async {
                theatre.begin().await;
                let before = theatre.sim.snapshot(&Scope::All);
                theatre.edit(File::Gone);
                let told = theatre.after(MOMENT * 2).await;
                assert_eq!(told[0], "spec gone");
                if prune {
                    assert_eq!(theatre.sim.counts(&Scope::Of(run().id)).containers, 0, "{told:?}");
                } else {
                    assert_eq!(theatre.sim.snapshot(&Scope::All), before);
                }
                theatre.edit(File::good(pair().graph()));
                theatre.after(MOMENT).await;
                assert_eq!(theatre.left(&pair()).await, "");
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_was_approved_is_held_until_it_is_approved() {
    let theatre = Theatre::new();
    let needy = edited(pair(), |main| *main = part(Program::Needy));
    let asks = || File::Held(vec!["mount /conf: path /etc".to_owned()]);
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.edit(asks());
            assert_eq!(theatre.after(MOMENT).await, ["held: mount /conf: path /etc"]);
            assert_eq!(theatre.sim.changes(), 0);
            assert_eq!(theatre.desk.standing_of(&run()).held.len(), 1);
            // What was approved is kept meanwhile.
            theatre.meddle(&Meddling::RemoveContainer { container: "container/main".to_owned() });
            assert!(theatre.after(MOMENT).await.contains(&"create container/main".to_owned()));
            assert_eq!(theatre.left(&pair()).await, "");

            // Reported once, however often it is read.
            theatre.edit(asks());
            theatre.bell.ring(0, Trigger::Approval);
            assert_eq!(theatre.after(MOMENT).await, [""; 0]);
            assert_eq!(theatre.left(&pair()).await, "");

            // The approval changes no file that the spec is made of.
            theatre.desk.approve(&theatre.spec, needy.graph());
            theatre.bell.ring(0, Trigger::Approval);
            assert_eq!(theatre.after(MOMENT).await[0], "reloaded");
            assert_eq!(theatre.left(&needy).await, "");
            assert_eq!(theatre.desk.standing_of(&run()).held.len(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_dropped_when_the_spec_is_as_it_was() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.edit(File::Held(vec!["more".to_owned()]));
            theatre.after(MOMENT).await;
            theatre.edit(File::good(pair().graph()));
            assert_eq!(theatre.after(MOMENT).await, ["reloaded"]);
            assert_eq!(theatre.desk.standing_of(&run()).held.len(), 0);
            assert_eq!(theatre.sim.changes(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_an_unapproved_spec_changes_nothing_until_it_is_approved() {
    let theatre = Theatre::new();
    theatre.play(&pair(), theatre.begin()).await;
    theatre.sim.forget();
    let needy = edited(pair(), |main| *main = part(Program::Needy));
    theatre
        .play_unread(&run(), File::Held(vec!["more".to_owned()]), async {
            assert_eq!(theatre.after(MOMENT).await, ["held: more"]);
            assert_eq!(theatre.desk.standing_of(&run()).held.len(), 1);
            theatre.meddle(&Meddling::Kill { container: "container/main".to_owned() });
            assert_eq!(theatre.after(MOMENT).await, [""; 0]);
            assert_eq!(theatre.sim.changes(), 0);
            theatre.desk.approve(&theatre.spec, needy.graph());
            theatre.bell.ring(0, Trigger::Approval);
            theatre.after(MOMENT).await;
            assert_eq!(theatre.left(&needy).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_again_repairs_what_is_approved() {
    let theatre = Theatre::new();
    theatre.play(&pair(), theatre.begin()).await;
    theatre.meddle(&Meddling::RemoveContainer { container: "container/buildkit".to_owned() });
    theatre
        .play_unread(&run(), File::good(pair().graph()), async {
            let told = theatre.after(MOMENT).await;
            assert!(told.contains(&"create container/buildkit".to_owned()), "{told:?}");
            assert_eq!(theatre.left(&pair()).await, "");
        })
        .await;
}
