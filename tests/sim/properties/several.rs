//! Properties of concurrency: several agents in one call, and more containers than the maximum of calls in flight.
//!
//! The lock of a run is a file, which is not simulated: two concurrent applies of one run are simulated
//! without it, which is the harder case.

use futures_util::future::join_all;
use moat::observe::runs::runs;
use moat::reconcile::OnFailure;
use moat_model::engine::Call;
use moat_model::graph::Graph;
use moat_model::resource::RunId;
use moat_plan::{Options, Volumes};
use moat_sim::faulty::{Faulty, Schedule};
use moat_sim::sim::Scope;
use testkit::simulator::case::MAX_IN_FLIGHT;
use testkit::simulator::case::{Case, run_of};
use testkit::simulator::stage::{Stage, Verdict, check};

use super::stories::{SETTLES, begin, breaks_convergence};

/// The agents of one command. The first one is the run of the case.
const AGENTS: [&str; 3] = ["builder", "tester", "writer"];

/// Room for two networks: of three agents two begin to look at the same one. The last one gets a range of the engine's.
const RANGE: &str = "10.83.0.0/27";

/// Agents of one command do not conflict; each is listed, and one of them can be removed without the others.
pub async fn several_do_not_meet(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graphs = AGENTS.map(|agent| case.wanted.graph_of(run_of(agent)));
    let options = Options { range: RANGE.parse().expect("a range"), ..Options::default() };
    stage.sim.forget();
    let attempts = graphs.iter().enumerate().map(async |(nth, graph)| {
        let faults = if nth == 0 { case.faults.clone() } else { Schedule::default() };
        let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), faults);
        stage.attempt(&engine, graph, &options, OnFailure::Keep).await
    });
    for (attempt, verdict) in join_all(attempts).await {
        verdict?;
        let undisturbed = case.faults.0.is_empty() && case.interference.is_empty() && case.before.is_none();
        check(attempt.converged() || !undisturbed, || format!("one failed: {attempt:?}\n{}", stage.sim.trace()))?;
    }
    if case.faults.0.is_empty() {
        stage.no_call_was_refused()?;
    }
    stage.no_order_was_broken(false)?;

    tokio::time::sleep(SETTLES).await;
    stage.sim.forget();
    for graph in &graphs {
        stage.apply_until_done(graph, &options, &Schedule::default()).await?;
        stage.is_in_sync(graph).await?;
    }
    stage.no_call_was_refused()?;
    // One-shot commands have exited.
    tokio::time::sleep(SETTLES).await;
    cleaning_one_keeps_the_others(&stage, &graphs, &case.faults).await
}

/// `moat list` shows each of them, and `moat clean` of one does not affect the others.
async fn cleaning_one_keeps_the_others(stage: &Stage, graphs: &[Graph], faults: &Schedule) -> Verdict {
    let mut wanted: Vec<RunId> = graphs.iter().map(|graph| graph.run.id.clone()).collect();
    wanted.sort();
    let found = runs(&stage.sim).await.map_err(|error| error.to_string())?;
    let ids: Vec<RunId> = found.iter().map(|it| it.run.id.clone()).collect();
    check(ids == wanted, || format!("found {ids:?}, there are {wanted:?}"))?;
    let Some(doomed) = found.iter().find(|it| it.run.id == graphs[1].run.id) else {
        return Err("the second one is not found".to_owned());
    };
    let others = [0, 2].map(|nth| Scope::Of(graphs[nth].run.id.clone()));
    let before = others.each_ref().map(|scope| stage.sim.snapshot(scope));

    // Only its labels are known.
    let nothing = Graph::empty(doomed.run.clone());
    let options = Options { volumes: Volumes::All, ..Options::default() };
    stage.sim.forget();
    stage.apply_until_done(&nothing, &options, faults).await?;
    tokio::time::sleep(SETTLES).await;
    stage.apply_until_done(&nothing, &options, &Schedule::default()).await?;
    let left = stage.sim.snapshot(&Scope::Of(doomed.run.id.clone()));
    check(left.is_empty(), || format!("left behind:\n{left}"))?;
    stage.no_order_was_broken(false)?;
    // A fault may have been interference with them.
    if !faults.0.iter().any(|planned| breaks_convergence(&planned.inject)) {
        let now = others.each_ref().map(|scope| stage.sim.snapshot(scope));
        check(now == before, || format!("the others changed:\n{before:#?}\nto\n{now:#?}"))?;
    }
    Ok(())
}

/// A plan without dependencies is executed concurrently, up to the limit.
pub async fn few_calls_at_a_time(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graph = case.wanted.graph();
    stage.sim.forget();
    stage.apply_until_done(&graph, &Options::default(), &Schedule::default()).await?;
    let peak = stage.sim.peak_in_flight();
    check(peak == MAX_IN_FLIGHT, || format!("{peak} calls at one time, where there is work for more"))?;
    // Each image is inspected once a round, whatever the number of containers.
    let looks = stage.sim.calls().iter().filter(|entry| entry.call == Call::Image).count();
    let images = case.wanted.images().len();
    check(looks <= 2 * images, || format!("{looks} looks at {images} images"))?;
    stage.is_in_sync(&graph).await
}
