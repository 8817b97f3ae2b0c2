//! A spec that takes long to read: who waits for it, and who does not.

use std::path::Path;
use std::time::Duration;

use moat::engine::outside::Meddling;
use moat::event::Trigger;
use moat::graph::Graph;
use moat::resource::{ResourceId, Run};
use tokio::time::Instant;

use super::case::{run, run_of};
use super::desk::File;
use super::theatre::{MOMENT, Theatre, edited, pair};

/// The second agent's spec.
const OTHER: &str = "/home/me/other.yaml";

/// As long as somebody may be asked for a secret; longer than all that is done meanwhile.
const LONG: Duration = Duration::from_secs(60);

fn other() -> Run {
    run_of("other")
}

/// What is wanted of an agent in a version.
fn version(run: Run, version: u8) -> Graph {
    edited(pair(), |main| main.version = version).graph_of(run)
}

/// Two agents, of which the spec of the second takes [`LONG`] to read, once both are as wanted.
async fn play<T>(theatre: &Theatre, act: impl Future<Output = T>) -> T {
    let agents = [(theatre.spec.as_path(), version(run(), 0)), (Path::new(OTHER), version(other(), 0))];
    let act = async {
        theatre.begin().await;
        theatre.desk.takes.borrow_mut().insert(OTHER.into(), LONG);
        act.await
    };
    Box::pin(theatre.play_all(&theatre.sim, &agents, act)).await
}

fn edit_other(theatre: &Theatre, to: u8) {
    theatre.desk.write(Path::new(OTHER), File::good(version(other(), to)));
    theatre.bell.ring(1, Trigger::File("other.yaml".to_owned()));
}

/// Kills the main container of one of them.
async fn kill(theatre: &Theatre, graph: &Graph) {
    let (observed, main) = (theatre.observed(graph).await, ResourceId::main());
    let main = observed.containers_of(&main).next().expect("it runs");
    theatre.meddle(&Meddling::Kill { container: main.name.clone() });
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_for_long_keeps_no_other_waiting() {
    let theatre = Theatre::new();
    Box::pin(play(&theatre, async {
        edit_other(&theatre, 1);
        assert_eq!(theatre.after(MOMENT).await, [""; 0], "it is being read");
        kill(&theatre, &version(run(), 0)).await;
        let told = theatre.after(MOMENT).await;
        assert!(told[0].starts_with("woken: "), "{told:?}");
        assert_eq!(told[1..], ["start container/main", "await container/main", "settled"]);

        // What happens to the agent itself is kept for when it has been read.
        kill(&theatre, &version(other(), 0)).await;
        assert_eq!(theatre.after(MOMENT).await, [""; 0], "it is still being read");
        let told = theatre.after(LONG).await;
        assert_eq!(told[0], "reloaded");
        assert_eq!(theatre.left_of(&version(other(), 1)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_an_agent_while_its_spec_is_read_is_not_forgotten() {
    let theatre = Theatre::new();
    Box::pin(play(&theatre, async {
        // The same in other words: there is nothing to do but for what happens meanwhile.
        edit_other(&theatre, 0);
        theatre.after(MOMENT).await;
        kill(&theatre, &version(other(), 0)).await;
        assert_eq!(theatre.after(MOMENT).await, [""; 0]);
        let told = theatre.after(LONG).await;
        assert_eq!(told[1..], ["start container/main", "await container/main", "settled"], "{told:?}");
        assert_eq!(theatre.left_of(&version(other(), 0)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_it_is_read_is_read_as_well() {
    let theatre = Theatre::new();
    Box::pin(play(&theatre, async {
        edit_other(&theatre, 1);
        theatre.after(MOMENT).await;
        edit_other(&theatre, 2);
        theatre.after(LONG).await;
        assert_eq!(theatre.left_of(&version(other(), 1)).await, "");
        theatre.after(LONG).await;
        assert_eq!(theatre.left_of(&version(other(), 2)).await, "");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn several_are_read_side_by_side() {
    let theatre = Theatre::new();
    Box::pin(play(&theatre, async {
        theatre.desk.takes.borrow_mut().insert(theatre.spec.clone(), LONG);
        theatre.edit(File::good(version(run(), 1)));
        edit_other(&theatre, 1);
        let told = theatre.after(LONG + MOMENT).await;
        assert_eq!(told.iter().filter(|line| *line == "reloaded").count(), 2, "{told:?}");
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_no_reader() {
    let theatre = Theatre::new();
    let asked = play(&theatre, async {
        edit_other(&theatre, 1);
        theatre.after(MOMENT).await;
        Instant::now()
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}
