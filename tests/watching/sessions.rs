//! Somebody is attached: what would end that waits, and nothing else does.

use std::time::Duration;

use moat::engine::outside::Meddling;

use super::case::run;
use super::desk::File;
use super::theatre::{MOMENT, Theatre, edited, pair};

fn attach() -> Meddling {
    Meddling::Attach { container: "container/main".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_waits_for_the_end_of_a_session() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.meddle(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            theatre.edit(File::good(wanted.graph()));
            assert_eq!(theatre.after(MOMENT).await, ["reloaded", "postponed for 1"]);
            assert_eq!(theatre.after(Duration::from_secs(600)).await, [""; 0], "it is told once");
            assert_eq!(theatre.desk.standing_of(&run()).sessions, 1);
            assert_eq!(theatre.sim.changes(), 0);
            // What needs no end of the session is done meanwhile.
            theatre.meddle(&Meddling::Kill { container: "container/buildkit".to_owned() });
            assert!(theatre.after(MOMENT).await.contains(&"start container/buildkit".to_owned()));

            theatre.meddle(&Meddling::Detach { container: "container/main".to_owned() });
            let told = theatre.after(MOMENT).await;
            assert_eq!(told[0], "woken: the session is over");
            assert_eq!(theatre.left(&wanted).await, "");
            assert_eq!(theatre.desk.standing_of(&run()).sessions, 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_told_is_found_soon() {
    let theatre = Theatre::new();
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.meddle(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            theatre.edit(File::good(wanted.graph()));
            theatre.after(MOMENT).await;
            theatre.sim.lose_events(Duration::from_secs(3));
            theatre.meddle(&Meddling::Detach { container: "container/main".to_owned() });
            theatre.after(Duration::from_secs(15)).await;
            assert_eq!(theatre.left(&wanted).await, "");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_wait_does_not() {
    let mut theatre = Theatre::new();
    theatre.settings.now = true;
    theatre
        .play(&pair(), async {
            theatre.begin().await;
            theatre.meddle(&attach());
            let wanted = edited(pair(), |main| main.version = 1);
            theatre.edit(File::good(wanted.graph()));
            theatre.after(MOMENT).await;
            assert_eq!(theatre.left(&wanted).await, "");
        })
        .await;
}
