//! The properties: each runs a case to its end, and returns the violation, if any.

use std::time::Duration;

use moat::observe::observe;
use moat::reconcile::{OnFailure, Outcome};
use moat_model::engine::Fault;
use moat_model::graph::Graph;
use moat_plan::{Action, Options, Volumes, compute};
use moat_sim::faulty::{At, Broken, Faulty, Injection, Planned, Schedule};
use moat_sim::interference::Interference;
use moat_sim::sim::Scope;
use testkit::simulator::case::{Case, Program, Wanted, run};
use testkit::simulator::checker;
use testkit::simulator::stage::{Attempt, Stage, Verdict, check};

use super::mutants;

/// By then the engine has completed the calls of a caller that was killed.
pub const SETTLES: Duration = Duration::from_secs(2);
/// The virtual time of one start of moat, with every deadline and every slow call of a schedule.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The lists of containers, networks and volumes, and the main container's limits.
const CALLS_OF_A_LOOK: usize = 4;

/// From any world, under any faults followed by quiet: the run converges, changes no foreign object, and can be destroyed.
pub async fn converges_from_anywhere(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graph = case.wanted.graph();
    let options = Options::default();
    accepted(&stage, &graph, &options, false).await?;

    stage.sim.forget();
    stage.keep_order(&graph);
    let data_before = volumes(&stage);
    let unchanged = stage.lives().await;
    stage.gave_up.set(false);
    let insisted = stage.apply_until_done(&graph, &options, &case.faults).await?;
    check(insisted.took < PATIENCE * u32::try_from(insisted.starts).unwrap_or(u32::MAX), || {
        format!("took {} s", insisted.took.as_secs())
    })?;
    let undisturbed = !case.faults.0.iter().any(|planned| breaks_convergence(&planned.inject));
    stage.no_order_was_broken(undisturbed && !stage.undid.get())?;
    stage.few_calls_at_a_time()?;
    let lost = stage.sim.data_lost().into_iter().find(|name| data_before.contains(&format!("volume {name} ")));
    check(lost.is_none(), || format!("lost the data in {lost:?}"))?;
    if insisted.injected == 0 {
        stage.no_call_was_refused()?;
        check(insisted.starts == 1, || "started more than once without a fault".to_owned())?;
    }
    if case.faults.0.iter().all(passes) {
        let patient = insisted.starts == 1 && !stage.gave_up.get();
        check(patient, || format!("gave up what passes by itself:\n{}", stage.sim.trace()))?;
    }
    if case.faults.0.is_empty() && case.interference.is_empty() {
        unchanged_containers_are_kept(&stage, case, &unchanged).await?;
    }

    tokio::time::sleep(SETTLES).await;
    stage.sim.forget();
    let quiet = stage.apply_until_done(&graph, &options, &Schedule::default()).await?;
    check(quiet.starts == 1, || "a quiet world takes more than one start".to_owned())?;
    stage.no_call_was_refused()?;
    stage.no_order_was_broken(true)?;
    stage.is_in_sync(&graph).await?;

    stage.sim.forget();
    let again = stage.apply_until_done(&graph, &options, &Schedule::default()).await?;
    check(again.starts == 1 && stage.sim.changes() == 0, || {
        format!("changed by a second apply:\n{}", stage.sim.trace())
    })?;
    // A container without a health check is probed once more.
    let asked = stage.sim.calls().iter().filter(|entry| !entry.call.changes()).count();
    check(asked <= 2 * CALLS_OF_A_LOOK + 2 * case.wanted.containers.len(), || format!("asked {asked} times"))?;

    goes_away(&stage, &Schedule::default()).await?;
    stage.neighbours_are_untouched()
}

/// From any state, at any moment: a destroy under faults, repeated without faults, leaves nothing.
pub async fn destroy_leaves_nothing(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    // The schedule is for the destroy; the apply before it is cut off where the earlier one was.
    if let Some(earlier) = &case.before {
        let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), earlier.faults.clone());
        stage.attempt(&engine, &case.wanted.graph(), &Options::default(), OnFailure::Keep).await.1?;
        tokio::time::sleep(SETTLES).await;
    }
    stage.sim.forget();
    goes_away(&stage, &case.faults).await?;
    stage.neighbours_are_untouched()
}

/// An impossible desired state: a first apply leaves nothing, a later one restores the previous state.
pub async fn failure_is_undone(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graph = case.wanted.graph();
    let before = stage.sim.snapshot(&Scope::Of(stage.run.clone()));
    stage.sim.forget();
    stage.keep_order(&graph);
    let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), Schedule::default());
    let (attempt, verdict) = stage.attempt(&engine, &graph, &Options::default(), OnFailure::Undo).await;
    verdict?;
    let Attempt::Ended(Ok(Outcome::Failed { failures, .. })) = &attempt else {
        return Err(format!("not a failure: {attempt:?}"));
    };
    check(!failures.is_empty(), || "failed without a reason".to_owned())?;
    stage.no_order_was_broken(true)?;
    let Some(earlier) = &case.before else {
        stage.is_empty()?;
        return stage.neighbours_are_untouched();
    };
    // A network is replaced only after its containers are removed: that cannot be rolled back.
    let network = |wanted: &Wanted| (wanted.internal, wanted.gateway.is_some());
    if network(&earlier.wanted) == network(&case.wanted) {
        for (name, part) in &case.wanted.containers {
            if earlier.wanted.containers.contains_key(name) {
                let of = &moat_model::resource::ResourceId::container(name);
                let found: Vec<_> = containers(&stage, of).await;
                let [one] = &found[..] else {
                    let now = stage.sim.snapshot(&Scope::Of(stage.run.clone()));
                    return Err(format!("{} of {name} ({part:?}), before:\n{before}\nnow:\n{now}", found.len()));
                };
                let now = || stage.sim.snapshot(&Scope::Of(stage.run.clone()));
                check(one.name == graph.run.name_of(of), || format!("{name} is called {}\n{}", one.name, now()))?;
                // A one-shot command was not running.
                let completed = earlier.wanted.containers[name].program == Program::Ends && one.has_completed();
                check(completed || stage.sim.is_ready(&one.id), || {
                    format!("{name} was not put back, before:\n{before}\nnow:\n{}", now())
                })?;
            }
        }
    }
    // The previous state can still be applied.
    tokio::time::sleep(SETTLES).await;
    let graph = earlier.wanted.graph();
    stage.apply_until_done(&graph, &Options::default(), &Schedule::default()).await?;
    stage.is_in_sync(&graph).await?;
    failure_keeps_data(&stage, case).await?;
    stage.neighbours_are_untouched()
}

/// A rollback keeps what an earlier destroy has kept, although the apply looks like a first one.
async fn failure_keeps_data(stage: &Stage, case: &Case) -> Verdict {
    let nothing = Graph::empty(run());
    stage.apply_until_done(&nothing, &Options::default(), &Schedule::default()).await?;
    stage.sim.forget();
    let kept = volumes(stage);
    let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), Schedule::default());
    let (attempt, verdict) = stage.attempt(&engine, &case.wanted.graph(), &Options::default(), OnFailure::Undo).await;
    verdict?;
    check(!attempt.converged(), || "it cannot be had".to_owned())?;
    check(stage.sim.counts(&Scope::Of(stage.run.clone())).containers == 0, || "containers stay".to_owned())?;
    let left = volumes(stage);
    let name = |line: &str| line.split(' ').nth(1).map(str::to_owned);
    let lost = kept.iter().find(|it| !left.iter().any(|now| name(now) == name(it)));
    check(lost.is_none(), || format!("the undo took {lost:?}"))
}

/// Two concurrent applies conflict without harm.
pub async fn two_at_once_are_tolerated(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graph = case.wanted.graph();
    let options = Options::default();
    let engines = [case.faults.clone(), Schedule::default()]
        .map(|faults| Faulty::new(stage.sim.clone(), stage.sim.clone(), faults));
    let attempts = engines.each_ref().map(|engine| stage.attempt(engine, &graph, &options, OnFailure::Keep));
    let [one, other] = attempts;
    let ((one, first), (other, second)) = futures_util::future::join(one, other).await;
    first?;
    second?;
    // A conflict means that the other one was faster, and causes another observation, not a failure.
    if case.faults.0.is_empty() && case.interference.is_empty() && case.before.is_none() {
        check(one.converged() && other.converged(), || {
            format!("one of two failed:\n{one:?}\n{other:?}\n{}", stage.sim.trace())
        })?;
    }
    tokio::time::sleep(SETTLES).await;
    stage.sim.forget();
    let quiet = stage.apply_until_done(&graph, &options, &Schedule::default()).await?;
    check(quiet.starts == 1, || "a quiet world takes more than one start".to_owned())?;
    stage.no_call_was_refused()?;
    stage.is_in_sync(&graph).await?;
    stage.neighbours_are_untouched()
}

/// Objects with moat's names and without its labels are reported and left unchanged; without them, the run converges.
pub async fn namesakes_are_left_alone(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    stage.record_foreign_objects();
    let graph = case.wanted.graph();
    let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), Schedule::default());
    let (attempt, verdict) = stage.attempt(&engine, &graph, &Options::default(), OnFailure::Undo).await;
    verdict?;
    stage.neighbours_are_untouched()?;
    stage.no_order_was_broken(true)?;
    let [namesake] = &case.interference[..] else { return Err("one namesake".to_owned()) };
    // Networks are distinguished by id where the engine allows two with one name.
    if case.old_engine && matches!(namesake, Interference::AddNetwork { .. }) {
        check(attempt.converged(), || format!("not converged: {attempt:?}"))?;
        return stage.is_in_sync(&graph).await;
    }
    let Attempt::Ended(Ok(Outcome::Failed { failures, .. })) = &attempt else {
        return Err(format!("not a failure: {attempt:?}"));
    };
    let reported = failures.iter().any(|it| it.fault == Some(Fault::Conflict) && it.hint.is_some());
    check(reported, || format!("the conflict is not reported: {failures:?}"))?;
    stage.is_empty()?;
    let gone = match namesake.clone() {
        Interference::AddContainer { name, .. } => Interference::RemoveContainer { container: name },
        Interference::AddNetwork { name } => Interference::RemoveNetwork { network: name },
        Interference::AddVolume { name } => Interference::RemoveVolume { volume: name },
        other => return Err(format!("{other} is no namesake")),
    };
    stage.sim.interfere(&gone);
    stage.apply_until_done(&graph, &Options::default(), &Schedule::default()).await?;
    stage.is_in_sync(&graph).await
}

/// An interrupt starts nothing new. It rolls back a first apply, and leaves any other to the next apply.
pub async fn interrupts_leave_no_harm(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let graph = case.wanted.graph();
    let is_first = stage.is_empty().is_ok();
    let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), Schedule::default());
    stage.sim.forget();
    stage.keep_order(&graph);
    let (attempt, verdict) =
        stage.interrupted(&engine, &graph, &Options::default(), OnFailure::Undo, case.interrupt).await;
    verdict?;
    stage.no_call_was_refused()?;
    stage.no_order_was_broken(true)?;
    check(stage.sim.calls().iter().all(|entry| entry.ended.is_some()), || "a call was not finished".to_owned())?;
    match attempt {
        Attempt::Ended(Ok(Outcome::Interrupted { .. })) if is_first => stage.is_empty()?,
        Attempt::Ended(Ok(Outcome::Interrupted { .. } | Outcome::Converged { .. })) => {}
        other => return Err(format!("neither interrupted nor done: {other:?}")),
    }
    stage.sim.forget();
    let quiet = stage.apply_until_done(&graph, &Options::default(), &Schedule::default()).await?;
    check(quiet.starts == 1, || "the next apply takes more than one start".to_owned())?;
    stage.no_call_was_refused()?;
    stage.is_in_sync(&graph).await?;
    stage.neighbours_are_untouched()
}

/// The checker that accepts every plan rejects each plan with one mutation.
pub async fn wrong_plans_are_refused(case: &Case) -> Verdict {
    let stage = begin(case).await?;
    let volumes = Volumes::All;
    let worlds = [(case.wanted.graph(), Volumes::Keep), (Graph::empty(run()), volumes)];
    for (graph, volumes) in worlds {
        let consent = volumes == Volumes::All;
        let observed = observe(&stage.sim, &graph).await.map_err(|error| error.to_string())?;
        let plan = compute(&graph, &observed, &Options { volumes, ..Options::default() });
        checker::accepts(&graph, &observed, &plan, consent)?;
        for mutants::Mutant { fault, plan: wrong } in mutants::of(&plan) {
            let accepted = checker::accepts(&graph, &observed, &wrong, consent).is_ok();
            check(!accepted, || format!("accepted a plan that {fault}\n{plan}\nas\n{wrong}"))?;
        }
        if consent && plan.operations.iter().any(|it| it.action == Action::RemoveVolume) {
            let accepted = checker::accepts(&graph, &observed, &plan, false).is_ok();
            check(!accepted, || "accepted the loss of a volume without consent".to_owned())?;
        }
    }
    Ok(())
}

/// The same case gives the same calls at the same times.
pub fn same_case_same_trace(case: &Case) -> Verdict {
    let play = || {
        super::on_paused_clock(async {
            let stage = begin(case).await?;
            let _ = stage.apply_until_done(&case.wanted.graph(), &Options::default(), &case.faults).await;
            Ok::<_, String>(stage.sim.trace())
        })
    };
    let (one, other) = (play()?, play()?);
    check(one == other, || format!("two traces:\n{one}\n\n{other}"))
}

/// The initial state of the case.
pub async fn begin(case: &Case) -> Result<Stage, String> {
    let stage = Stage::new(case);
    if let Some(earlier) = &case.before {
        let engine = Faulty::new(stage.sim.clone(), stage.sim.clone(), earlier.faults.clone());
        let (attempt, verdict) =
            stage.attempt(&engine, &earlier.wanted.graph(), &Options::default(), OnFailure::Keep).await;
        verdict?;
        if earlier.faults.0.is_empty() {
            check(attempt.converged(), || format!("the earlier state cannot be had: {attempt:?}"))?;
        }
        tokio::time::sleep(SETTLES).await;
    }
    for interference in &case.interference {
        stage.sim.interfere(interference);
    }
    tokio::time::sleep(SETTLES).await;
    Ok(stage)
}

async fn goes_away(stage: &Stage, faults: &Schedule) -> Verdict {
    let nothing = Graph::empty(run());
    let options = Options { volumes: Volumes::All, ..Options::default() };
    accepted(stage, &nothing, &options, true).await?;
    let insisted = stage.apply_until_done(&nothing, &options, faults).await?;
    if insisted.injected == 0 {
        stage.no_call_was_refused()?;
    }
    stage.no_order_was_broken(false)?;
    tokio::time::sleep(SETTLES).await;
    stage.apply_until_done(&nothing, &options, &Schedule::default()).await?;
    stage.is_empty()
}

/// The plan for the current state, checked independently of the planner.
async fn accepted(stage: &Stage, graph: &Graph, options: &Options, consent: bool) -> Verdict {
    let observed = observe(&stage.sim, graph).await.map_err(|error| error.to_string())?;
    let plan = compute(graph, &observed, options);
    check(plan == compute(graph, &observed, options), || "two plans for one world".to_owned())?;
    checker::accepts(graph, &observed, &plan, consent)
        .map_err(|why| format!("{why}\nin the plan\n{plan}\nfor {observed:#?}"))
}

async fn unchanged_containers_are_kept(
    stage: &Stage,
    case: &Case,
    before: &std::collections::BTreeMap<moat_model::resource::ResourceId, (moat_model::resource::ContainerId, String)>,
) -> Verdict {
    let Some(earlier) = case.before.as_ref().filter(|it| it.faults.0.is_empty()) else { return Ok(()) };
    if earlier.wanted.internal != case.wanted.internal {
        return Ok(());
    }
    let after = stage.lives().await;
    for (name, part) in &case.wanted.containers {
        let id = moat_model::resource::ResourceId::container(name);
        if earlier.wanted.containers.get(name) == Some(part) {
            check(before.get(&id) == after.get(&id), || {
                format!("{name} did not change: {:?}, {:?}", before.get(&id), after.get(&id))
            })?;
        }
    }
    Ok(())
}

async fn containers(stage: &Stage, of: &moat_model::resource::ResourceId) -> Vec<moat_model::state::ContainerFacts> {
    use moat_model::engine::{Engine, Filter};
    let all = stage.sim.containers(&Filter::Run(stage.run.clone())).await.unwrap_or_default();
    all.into_iter().filter(|it| it.owner.as_ref().is_some_and(|owner| owner.resource == *of)).collect()
}

/// The run's current volumes, one per line.
fn volumes(stage: &Stage) -> Vec<String> {
    let all = stage.sim.snapshot(&Scope::Of(stage.run.clone()));
    all.lines().filter(|line| line.starts_with("volume ")).map(str::to_owned).collect()
}

/// Whether waiting is sufficient.
fn passes(planned: &Planned) -> bool {
    let is_busy = matches!(planned.inject, Injection::FailBefore { error: Broken::Busy });
    is_busy && matches!(planned.at, At::Change(_))
}

pub fn breaks_convergence(injection: &Injection) -> bool {
    matches!(injection, Injection::Interfere { .. } | Injection::EngineRestart { .. })
}
