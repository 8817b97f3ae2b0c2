//! An attached session: operations that would end it wait, and no others.

use std::time::Duration;

use moat_sim::interference::Interference;
use testkit::simulator::case::run;

use super::harness::{Harness, MOMENT, edited, pair};
use super::host::File;

fn attach() -> Interference {
    Interference::Attach { container: "container/main".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_waits_for_the_end_of_a_session() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.interfere(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            harness.edit(File::good(wanted.graph()));
            assert_eq!(harness.after(MOMENT).await, ["reloaded", "postponed for 1"]);
            assert_eq!(harness.after(Duration::from_secs(600)).await, [""; 0], "it is reported once");
            assert_eq!(harness.host.standing_of(&run()).sessions, 1);
            assert_eq!(harness.sim.changes(), 0);
            // Operations that do not end the session run meanwhile.
            harness.interfere(&Interference::Kill { container: "container/buildkit".to_owned() });
            assert!(harness.after(MOMENT).await.contains(&"start container/buildkit".to_owned()));

            harness.interfere(&Interference::Detach { container: "container/main".to_owned() });
            let reported = harness.after(MOMENT).await;
            assert_eq!(reported[0], "woken: the session ended");
            assert_eq!(harness.left(&wanted).await, "");
            assert_eq!(harness.host.standing_of(&run()).sessions, 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_unreported_end_of_a_session_is_noticed_soon() {
    let harness = Harness::new();
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.interfere(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            harness.edit(File::good(wanted.graph()));
            harness.after(MOMENT).await;
            harness.sim.lose_events(Duration::from_secs(3));
            harness.interfere(&Interference::Detach { container: "container/main".to_owned() });
            harness.after(Duration::from_secs(15)).await;
            assert_eq!(harness.left(&wanted).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn with_now_a_replacement_waits_for_no_session() {
    let mut harness = Harness::new();
    harness.settings.now = true;
    harness
        .play(&pair(), async {
            harness.begin().await;
            harness.interfere(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            harness.edit(File::good(wanted.graph()));
            harness.after(MOMENT).await;
            assert_eq!(harness.left(&wanted).await, "");
        })
        .await;
}
