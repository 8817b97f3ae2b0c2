//! A wrapper of an engine that injects the faults of a [`Schedule`].
//!
//! Independent of the wrapped engine: calls that the schedule does not name pass through unchanged. Each
//! scheduled fault occurs once. The numbering of calls continues after a crash of the caller.

pub mod schedule;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use schedule::{At, Broken, Injection, Planned, Schedule};

use crate::interference::Interferer;
use moat_model::engine::{
    Call, Change, Created, Engine, EngineError, ExecOutput, Filter, Inspection, Notice, Progress,
};
use moat_model::resource::{ContainerId, ImageDigest, ImageRef};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// An engine with faults. `O` applies interference from outside.
#[derive(Debug)]
pub struct Faulty<E, O> {
    engine: E,
    outside: O,
    tally: Mutex<Tally>,
    crash: Notify,
}

#[derive(Debug)]
struct Tally {
    /// The faults that have not occurred yet.
    ahead: Vec<Planned>,
    injected: Vec<Planned>,
    changes: u32,
    looks: u32,
}

impl<E: Engine, O: Interferer> Faulty<E, O> {
    pub fn new(engine: E, outside: O, schedule: Schedule) -> Self {
        let tally = Tally { ahead: schedule.0, injected: Vec::new(), changes: 0, looks: 0 };
        Self { engine, outside, tally: Mutex::new(tally), crash: Notify::new() }
    }

    /// Resolves when the caller has to be dropped. The call in which it crashes never returns.
    pub async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// The faults that have occurred, in order.
    pub fn injected(&self) -> Vec<Planned> {
        self.tally().injected.clone()
    }

    /// The number of changing calls.
    pub fn changes(&self) -> u32 {
        self.tally().changes
    }

    /// Disables all remaining faults.
    pub fn disable(&self) {
        self.tally().ahead.clear();
    }

    pub fn inner(&self) -> &E {
        &self.engine
    }

    async fn through<T>(
        &self,
        call: Call,
        pass: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        for planned in self.next(call) {
            match planned.inject {
                Injection::FailBefore { error } => return Err(error.error()),
                Injection::FailAfter { error } => {
                    // The result is lost.
                    let _ = pass.await;
                    return Err(error.error());
                }
                Injection::Slow { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
                Injection::Crash { after } => {
                    if after {
                        let _ = pass.await;
                    }
                    self.crash.notify_one();
                    return pending().await;
                }
                Injection::Interfere { with } => self.outside.interfere(&with),
                Injection::EngineRestart { down_ms } => {
                    self.outside.restart_engine(Duration::from_millis(down_ms));
                }
                Injection::EventsLost { ms } => self.outside.lose_events(Duration::from_millis(ms)),
            }
        }
        pass.await
    }

    /// Counts a call, and removes its faults from the schedule.
    fn next(&self, call: Call) -> Vec<Planned> {
        let mut tally = self.tally();
        let counter = if call.changes() { &mut tally.changes } else { &mut tally.looks };
        let at = At::of(call, *counter);
        *counter += 1;
        let (now, ahead) = std::mem::take(&mut tally.ahead).into_iter().partition::<Vec<_>, _>(|p| p.at == at);
        tally.ahead = ahead;
        tally.injected.extend(now.iter().cloned());
        now
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Engine, O: Interferer> Engine for Faulty<E, O> {
    async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerFacts>, EngineError> {
        self.through(Call::Containers, self.engine.containers(filter)).await
    }

    async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
        self.through(Call::Networks, self.engine.networks(filter)).await
    }

    async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeFacts>, EngineError> {
        self.through(Call::Volumes, self.engine.volumes(filter)).await
    }

    async fn image(&self, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        self.through(Call::Image, self.engine.image(reference)).await
    }

    async fn inspect(&self, container: &ContainerId) -> Result<Inspection, EngineError> {
        self.through(Call::Inspect, self.engine.inspect(container)).await
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.through(Call::RegistryDigest, self.engine.registry_digest(reference)).await
    }

    async fn change(&self, change: &Change, progress: &dyn Fn(Progress<'_>)) -> Result<Created, EngineError> {
        self.through(change.call(), self.engine.change(change, progress)).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        self.through(Call::Exec, self.engine.exec(container, command)).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.through(Call::Commands, self.engine.commands(container)).await
    }

    async fn events(&self, since: Option<i64>, on_notice: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        self.through(Call::Events, self.engine.events(since, on_notice)).await
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.through(Call::LogTail, self.engine.log_tail(container, lines)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interference::Interference;
    use crate::sim::{Settings, Sim};
    use moat_model::engine::VolumeCreate;

    async fn create_volume(engine: &impl Engine, name: &str) -> Result<Created, EngineError> {
        let labels = [("moat.run".to_owned(), "r".to_owned())].into();
        engine.change(&Change::CreateVolume(VolumeCreate { name: name.to_owned(), labels }), &|_| ()).await
    }

    fn faulty(sim: &Sim, faults: impl IntoIterator<Item = (At, Injection)>) -> Faulty<Sim, Sim> {
        let planned = faults.into_iter().map(|(at, inject)| Planned { at, inject }).collect();
        Faulty::new(sim.clone(), sim.clone(), Schedule(planned))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fails_before_or_after_its_effect() {
        let sim = Sim::new(&Settings::default());
        let error = Broken::TimedOut;
        let before = (At::Change(0), Injection::FailBefore { error });
        let after = (At::Change(1), Injection::FailAfter { error });
        let engine = faulty(&sim, [before, after]);
        assert!(create_volume(&engine, "aa").await.is_err());
        assert!(create_volume(&engine, "bb").await.is_err());
        let names: Vec<_> = engine.volumes(&Filter::Ours).await.unwrap().into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["bb"]);
        assert_eq!(engine.injected().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_drops_the_caller_and_keeps_the_effect() {
        for after in [false, true] {
            let sim = Sim::new(&Settings::default());
            let engine = faulty(&sim, [(At::Change(0), Injection::Crash { after })]);
            tokio::select! {
                biased;
                _ = create_volume(&engine, "aa") => panic!("the caller was not dropped"),
                () = engine.crashed() => {}
            }
            assert_eq!(sim.counts(&crate::sim::Scope::All).volumes, usize::from(after));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_do_not_shift_the_numbers_of_changes() {
        let sim = Sim::new(&Settings::default());
        let interference = Interference::AddVolume { name: "foreign".to_owned() };
        let engine = faulty(&sim, [(At::Change(1), Injection::Interfere { with: interference })]);
        engine.volumes(&Filter::Ours).await.unwrap();
        create_volume(&engine, "aa").await.unwrap();
        engine.volumes(&Filter::Ours).await.unwrap();
        assert_eq!(engine.injected().len(), 0);
        create_volume(&engine, "bb").await.unwrap();
        assert_eq!(sim.counts(&crate::sim::Scope::All).volumes, 3);
    }

    #[test]
    fn a_schedule_is_readable() {
        let text = "\
- at: change 3
  inject:
    fault: interfere
    with:
      do: kill
      container: container/main
- at: look 0
  inject:
    fault: fail-after
    error: timed-out
";
        let schedule: Schedule = serde_yaml::from_str(text).expect("valid");
        assert_eq!(schedule.0[0].at, At::Change(3));
        assert_eq!(serde_yaml::to_string(&schedule).expect("plain data"), text);
    }
}
