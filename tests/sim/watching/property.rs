//! Any edits, any interference, lost events, restarts of the engine, answers that fail; then quiet, and it must converge.

use std::time::Duration;

use moat::watch::RESYNC;
use moat_plan::event::Trigger;
use moat_sim::faulty::{Broken, Faulty, Injection, Planned, Schedule};
use moat_sim::interference::Interference;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use testkit::simulator::case::Wanted;
use testkit::simulator::search::{Verdict, search};
use testkit::simulator::strategy;

use super::harness::Harness;
use super::host::File;

/// An action of another user while the sandbox is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    first: Wanted,
    /// Each after a pause, in milliseconds.
    acts: Vec<(u64, Act)>,
    #[serde(default)]
    faults: Schedule,
    /// How long it takes to read the spec, in milliseconds.
    #[serde(default)]
    reading_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Act {
    Edit(Wanted),
    BreakFile,
    Remove,
    Touch,
    Interfere(Interference),
    LoseEvents { ms: u64 },
    RestartEngine { down_ms: u64 },
}

fn story() -> impl Strategy<Value = Story> {
    let act = prop_oneof![
        3 => strategy::wanted().prop_map(Act::Edit),
        1 => Just(Act::BreakFile),
        1 => Just(Act::Remove),
        1 => Just(Act::Touch),
        6 => strategy::interference().prop_map(Act::Interfere),
        1 => prop_oneof![Just(100), Just(5_000)].prop_map(|ms| Act::LoseEvents { ms }),
        1 => prop_oneof![Just(0), Just(700), Just(20_000)].prop_map(|down_ms| Act::RestartEngine { down_ms }),
    ];
    let pause = || prop_oneof![Just(0), 1..300_u64, 300..5_000_u64, Just(120_000)];
    let single = (pause(), act).prop_map(|it| vec![it]);
    let acts = vec(prop_oneof![4 => single, 1 => burst(pause())], 0..8).prop_map(|acts| acts.concat());
    let reading = prop_oneof![2 => Just(0), 1 => 1..300_u64, 1 => Just(20_000)];
    (strategy::wanted(), acts, faults(), reading).prop_map(|(first, acts, faults, reading_ms)| Story {
        first,
        acts,
        faults,
        reading_ms,
    })
}

/// One container is hit again and again: soon enough to come into the repair of the time before, and into the pause after
/// it, but no more often than [`HITS`].
fn burst(begins: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<(u64, Act)>> {
    let pause = prop_oneof![2 => 1..1_500_u64, 1 => 1_500..8_000_u64];
    let hits = vec((pause, harm()), 2..=HITS);
    (begins, strategy::container(), hits).prop_map(|(begins, container, hits)| {
        let mut acts: Vec<_> =
            hits.into_iter().map(|(pause, harm)| (pause, Act::Interfere(harm(container.clone())))).collect();
        acts[0].0 = begins;
        acts
    })
}

/// The notices about a container that got worse.
fn harm() -> impl Strategy<Value = fn(String) -> Interference> {
    prop_oneof![
        Just((|container| Interference::Kill { container }) as fn(String) -> Interference),
        Just((|container| Interference::Die { container, code: 1 }) as fn(String) -> Interference),
        Just((|container| Interference::Stop { container }) as fn(String) -> Interference),
        Just((|container| Interference::Pause { container }) as fn(String) -> Interference),
        Just((|container| Interference::RemoveContainer { container }) as fn(String) -> Interference),
        Just((|container| Interference::Disconnect { container }) as fn(String) -> Interference),
    ]
}

/// A crash of the watch is not included: a restart is another scenario.
fn faults() -> impl Strategy<Value = Schedule> {
    strategy::schedule(3).prop_map(|schedule| {
        let crash = |inject| match inject {
            Injection::Crash { after: true } => Injection::FailAfter { error: Broken::TimedOut },
            Injection::Crash { after: false } => Injection::FailBefore { error: Broken::Unreachable },
            other => other,
        };
        Schedule(schedule.0.into_iter().map(|it| Planned { at: it.at, inject: crash(it.inject) }).collect())
    })
}

/// From the later of the quiet period and the announced retry until everything is in sync.
const BOUND: Duration = Duration::from_secs(30);

/// More repeated interference with one container causes a pause longer than everything else.
const HITS: usize = 4;

/// A call that hangs at the start of the quiet period has timed out by then.
const HANGING: Duration = Duration::from_secs(180);

/// A scenario lasts for half an hour of virtual time.
const USUAL: u64 = 100;

/// More calls than this in one scenario mean a loop.
const CALLS_MAX: usize = 3_000;

async fn play(story: &Story) -> Result<String, String> {
    let harness = Harness::new();
    harness.host.takes.borrow_mut().insert(harness.spec.clone(), Duration::from_millis(story.reading_ms));
    let engine = Faulty::new(harness.sim.clone(), harness.sim.clone(), story.faults.clone());
    let wanted = harness
        .play_on(&engine, &story.first, async {
            let mut wanted = story.first.clone();
            for (pause, act) in &story.acts {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
                match act {
                    Act::Edit(edited) => {
                        wanted = edited.clone();
                        harness.edit(File::good(edited.graph()));
                    }
                    // An invalid spec does not change the desired state. It is noticed before the next edit.
                    Act::BreakFile => harness.edit(File::Bad),
                    Act::Remove => harness.edit(File::Gone),
                    Act::Touch => harness.touch(),
                    Act::Interfere(interference) => {
                        harness.sim.interfere(interference);
                    }
                    Act::LoseEvents { ms } => harness.sim.lose_events(Duration::from_millis(*ms)),
                    Act::RestartEngine { down_ms } => harness.sim.restart_engine(Duration::from_millis(*down_ms)),
                }
            }
            engine.disable();
            story.converges(&harness).await;
            // An edit that became invalid before it was read was never the desired state.
            if !harness.says(&wanted) {
                harness.edit(File::good(wanted.graph()));
                story.converges(&harness).await;
            }
            wanted
        })
        .await;
    let trace = format!("{}\n{}", harness.sim.trace(), harness.host.take_reported().join("\n"));
    let left = harness.left(&wanted).await;
    if !left.is_empty() {
        return Err(format!("still to do:\n{left}\n{trace}"));
    }
    let calls = harness.sim.calls().len();
    if calls > CALLS_MAX {
        return Err(format!("{calls} calls"));
    }
    if let Some(violation) = harness.sim.violations().first() {
        return Err(format!("{violation:?}\n{trace}"));
    }
    Ok(trace)
}

impl Story {
    /// Waits for the maximum time until everything is in sync.
    async fn converges(&self, harness: &Harness) {
        tokio::time::sleep(self.until_heard()).await;
        // An operation in progress may still fail, and announce another try.
        tokio::time::sleep(BOUND).await;
        if let Some(promised) = harness.host.promised.get() {
            tokio::time::sleep_until(promised.max(tokio::time::Instant::now()) + BOUND).await;
        }
        // A container that was stopped from outside while it replaced another looks as if it failed. The watch then
        // waits for a change of the spec, and gets one here.
        if harness.host.stuck.replace(false) {
            harness.wakeups.wake(0, Trigger::Reload);
            tokio::time::sleep(BOUND).await;
        }
    }

    /// The time until everything is observed: the periodic check finds what no event reports, such as a program that no
    /// longer answers; and reading a spec may take time.
    fn until_heard(&self) -> Duration {
        let reading = 2 * Duration::from_millis(self.reading_ms);
        let injected = |inject: &Injection| match inject {
            Injection::EventsLost { .. } | Injection::Interfere { with: Interference::FailCheck { .. } } => RESYNC,
            Injection::Slow { ms } => HANGING.min(Duration::from_millis(*ms)),
            Injection::EngineRestart { down_ms } => Duration::from_millis(*down_ms),
            _ => Duration::ZERO,
        };
        let act = |nth: usize, act: &Act| match act {
            Act::Interfere(Interference::FailCheck { .. }) => RESYNC,
            Act::LoseEvents { ms } if self.is_hit_after(nth, *ms) => RESYNC,
            Act::RestartEngine { down_ms } => Duration::from_millis(*down_ms),
            _ => Duration::ZERO,
        };
        let acts = self.acts.iter().enumerate().map(|(nth, (_, it))| act(nth, it));
        let longest = self.faults.0.iter().map(|it| injected(&it.inject)).chain(acts);
        reading + longest.max().unwrap_or_default()
    }

    /// Whether anything but an edit happens within `ms` after an action, with a margin for the engine's own changes.
    fn is_hit_after(&self, nth: usize, ms: u64) -> bool {
        let mut after = 0;
        let mut later = self.acts[nth + 1..].iter().map(|(pause, act)| {
            after += pause;
            (after, act)
        });
        let hits = |act: &Act| matches!(act, Act::Interfere(_) | Act::RestartEngine { .. } | Act::LoseEvents { .. });
        let by_faults = self.faults.0.iter().any(|it| matches!(it.inject, Injection::Interfere { .. }));
        by_faults || later.any(|(after, act)| after <= ms + 1000 && hits(act))
    }
}

fn holds(story: &Story) -> Verdict {
    let once = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime without I/O").block_on(play(story))
    };
    let first = once()?;
    if first != once()? {
        return Err("the same story twice, and two traces".to_owned());
    }
    Ok(())
}

#[test]
fn a_watch_converges_once_it_is_quiet() {
    search(USUAL, "watch", story, holds);
}
