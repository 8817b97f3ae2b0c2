//! A spec that takes long to read: which agents wait for it.

use std::path::Path;
use std::time::Duration;

use moat_model::graph::Graph;
use moat_model::resource::{ResourceId, Run};
use moat_plan::event::Trigger;
use moat_sim::interference::Interference;
use testkit::simulator::case::{run, run_of};
use tokio::time::Instant;

use super::harness::{Harness, MOMENT, edited, pair};
use super::host::File;

/// The second agent's spec.
const OTHER: &str = "/home/me/other.yaml";

/// The time that a prompt for a secret may take; longer than everything else in the test.
const LONG: Duration = Duration::from_secs(60);

fn other() -> Run {
    run_of("other")
}

/// The desired state of an agent in a version.
fn version(run: Run, version: u8) -> Graph {
    edited(pair(), |main| main.version = version).graph_of(run)
}

/// Two agents in sync; the spec of the second takes [`LONG`] to read.
async fn play<T>(harness: &Harness, act: impl Future<Output = T>) -> T {
    let agents = [(harness.spec.as_path(), version(run(), 0)), (Path::new(OTHER), version(other(), 0))];
    let act = async {
        harness.begin().await;
        harness.host.takes.borrow_mut().insert(OTHER.into(), LONG);
        act.await
    };
    Box::pin(harness.play_all(&harness.sim, &agents, act)).await
}

fn edit_other(harness: &Harness, to: u8) {
    harness.host.write(Path::new(OTHER), File::good(version(other(), to)));
    harness.wakeups.wake(1, Trigger::File("other.yaml".to_owned()));
}

/// Kills the main container of one of them.
async fn kill(harness: &Harness, graph: &Graph) {
    let (observed, main) = (harness.observed(graph).await, ResourceId::main());
    let main = observed.containers_of(&main).next().expect("it runs");
    harness.interfere(&Interference::Kill { container: main.name.clone() });
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_delays_no_other_agent() {
    let harness = Harness::new();
    Box::pin(play(&harness, async {
        edit_other(&harness, 1);
        assert_eq!(harness.after(MOMENT).await, [""; 0], "it is being read");
        kill(&harness, &version(run(), 0)).await;
        let reported = harness.after(MOMENT).await;
        assert!(reported[0].starts_with("woken: "), "{reported:?}");
        assert_eq!(reported[1..], ["start container/main", "await container/main", "settled"]);

        // Events about the agent itself wait until its spec has been read.
        kill(&harness, &version(other(), 0)).await;
        assert_eq!(harness.after(MOMENT).await, [""; 0], "it is still being read");
        let reported = harness.after(LONG).await;
        assert_eq!(reported[0], "reloaded");
        assert_eq!(harness.left_of(&version(other(), 1)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_during_a_read_are_kept() {
    let harness = Harness::new();
    Box::pin(play(&harness, async {
        // The same meaning in another text: only the repair remains to be done.
        edit_other(&harness, 0);
        harness.after(MOMENT).await;
        kill(&harness, &version(other(), 0)).await;
        assert_eq!(harness.after(MOMENT).await, [""; 0]);
        let reported = harness.after(LONG).await;
        assert_eq!(reported[1..], ["start container/main", "await container/main", "settled"], "{reported:?}");
        assert_eq!(harness.left_of(&version(other(), 0)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_during_a_read_is_read_as_well() {
    let harness = Harness::new();
    Box::pin(play(&harness, async {
        edit_other(&harness, 1);
        harness.after(MOMENT).await;
        edit_other(&harness, 2);
        harness.after(LONG).await;
        assert_eq!(harness.left_of(&version(other(), 1)).await, "");
        harness.after(LONG).await;
        assert_eq!(harness.left_of(&version(other(), 2)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn several_specs_are_read_concurrently() {
    let harness = Harness::new();
    Box::pin(play(&harness, async {
        harness.host.takes.borrow_mut().insert(harness.spec.clone(), LONG);
        harness.edit(File::good(version(run(), 1)));
        edit_other(&harness, 1);
        let reported = harness.after(LONG + MOMENT).await;
        assert_eq!(reported.iter().filter(|line| *line == "reloaded").count(), 2, "{reported:?}");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_without_waiting_for_readers() {
    let harness = Harness::new();
    let asked = play(&harness, async {
        edit_other(&harness, 1);
        harness.after(MOMENT).await;
        Instant::now()
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}
