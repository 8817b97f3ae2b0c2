//! The watch: keeps agents in sync with their specs until it is stopped. Decides when rounds run.
//!
//! Level-triggered: a file, the engine or the clock only wakes the loop, and every round observes everything. The
//! layers below decide what to do. Reads and writes no file itself: the [`Host`] does.

pub mod host;

pub mod debounce;
pub mod wakeups;

mod listen;

pub mod files;
pub mod fingerprint;
pub mod systemd;

mod backoff;
pub mod credentials;
mod desired;
mod reading;
pub mod recorded;
mod round;

mod agent;

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use fingerprint::Fingerprint;
pub use host::{Host, Loaded, Read, Standing, Work};
pub use recorded::RecordedEngine;
pub use wakeups::Wakeups;

use crate::reconcile::Claims;
use agent::{Agent, NextStep};
use listen::{Owners, listen};
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_plan::Options;
use moat_plan::event::Trigger;
use reading::read;
use round::{End, RoundContext, round};

/// The interval of periodic rounds: a lost event delays a repair by at most this time.
pub const RESYNC: Duration = Duration::from_secs(5 * 60);

/// The time for calls in flight to finish when the watch is stopped. Users expect it to stop within a second.
const END_TIMEOUT: Duration = Duration::from_millis(600);

/// The options of a watch.
#[derive(Debug, Clone)]
pub struct Settings {
    pub options: Options,
    pub resync: Duration,
    /// Rounds do not wait for sessions of users.
    pub now: bool,
    /// A sandbox is removed when its spec file is.
    pub prune: bool,
}

/// An agent to watch, with its spec at the start.
#[derive(Debug)]
pub struct Watched {
    pub run: Run,
    pub spec: PathBuf,
    /// `None`: its spec has to be read and approved first.
    pub desired: Option<Graph>,
    /// The files of the spec, with their fingerprint.
    pub inputs: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
}

impl Default for Settings {
    fn default() -> Self {
        Self { options: Options::default(), resync: RESYNC, now: false, prune: false }
    }
}

/// Watches until `stop`, and leaves everything as it is then.
pub async fn watch<E: Engine, D: Host>(
    engine: &E,
    host: &D,
    watched: Vec<Watched>,
    settings: &Settings,
    wakeups: &Wakeups,
    stop: &CancellationToken,
) {
    let mut agents = begin(host, watched, settings);
    let owners = Owners::new(agents.iter().map(|agent| &agent.run));
    let mut listener = pin!(listen(engine, host, &owners, wakeups));
    let around = RoundContext { engine, host, claims: Claims::default(), stop };
    let (mut rounds, mut readings) = (FuturesUnordered::new(), FuturesUnordered::new());
    (0..agents.len()).for_each(|agent| wakeups.wake(agent, Trigger::Start));
    loop {
        let now = Instant::now();
        for (number, wakeup) in wakeups.take() {
            if let Some(agent) = agents.get_mut(number) {
                agent.wake(wakeup, now);
            }
        }
        for agent in &mut agents {
            match agent.turn(settings, now) {
                Some(NextStep::Read(wakeup, query)) => readings.push(async { (wakeup, read(host, *query).await) }),
                Some(NextStep::Round(order)) => rounds.push(Box::pin(round(&around, *order))),
                None => {}
            }
        }
        let next = agents.iter().filter_map(Agent::due).min();
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            never = &mut listener => match never {},
            () = wakeups.changed() => {}
            Some(report) = rounds.next() => {
                if let End::Settled(observed) = &report.end {
                    owners.know(report.agent, observed);
                }
                if let Some(agent) = agents.get_mut(report.agent) {
                    agent.finish(report, host, Instant::now());
                }
            }
            Some((wakeup, answer)) = readings.next() => {
                let agent = agents.get_mut(answer.agent);
                if let Some(order) = agent.and_then(|it| it.found(wakeup, answer, host, settings, Instant::now())) {
                    rounds.push(Box::pin(round(&around, order)));
                }
            }
            () = until(next) => {}
        }
    }
    // Stopping does not wait for the reading of a spec: a program that provides a secret may never answer. It waits for
    // calls in flight; the next apply finds the rest.
    let _ = timeout(END_TIMEOUT, async { while rounds.next().await.is_some() {} }).await;
}

/// The agents, with their periodic rounds spread over the interval.
fn begin<D: Host>(host: &D, watched: Vec<Watched>, settings: &Settings) -> Vec<Agent> {
    let (now, count) = (Instant::now(), u32::try_from(watched.len()).unwrap_or(u32::MAX).max(1));
    let agents = watched.into_iter().zip(0_u32..).map(|(it, nth)| {
        let number = nth as usize;
        host.follow(number, &it.inputs);
        let resync = now + settings.resync + settings.resync / count * nth;
        Agent::new(number, it, resync)
    });
    agents.collect()
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
