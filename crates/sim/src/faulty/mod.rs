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
    Call, ContainerCreate, ContainerUpdate, Engine, EngineError, ExecOutput, Filter, ImageBuild, Inspection,
    NetworkCreate, Notice, PullProgress, VolumeCreate,
};
use moat_model::resource::{ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// An engine with faults. `O` applies interference from outside.
#[derive(Debug)]
pub struct Faulty<E, O> {
    engine: E,
    outside: O,
    progress: Mutex<Progress>,
    crash: Notify,
}

#[derive(Debug)]
struct Progress {
    /// The faults that have not occurred yet.
    ahead: Vec<Planned>,
    struck: Vec<Planned>,
    changes: u32,
    looks: u32,
}

impl<E: Engine, O: Interferer> Faulty<E, O> {
    pub fn new(engine: E, outside: O, schedule: Schedule) -> Self {
        let progress = Progress { ahead: schedule.0, struck: Vec::new(), changes: 0, looks: 0 };
        Self { engine, outside, progress: Mutex::new(progress), crash: Notify::new() }
    }

    /// Resolves when the caller has to be dropped. The call in which it crashes never returns.
    pub async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// The faults that have occurred, in order.
    pub fn struck(&self) -> Vec<Planned> {
        self.progress().struck.clone()
    }

    /// The number of changing calls.
    pub fn changes(&self) -> u32 {
        self.progress().changes
    }

    /// Disables all remaining faults.
    pub fn calm(&self) {
        self.progress().ahead.clear();
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
                Injection::Meddle { with } => self.outside.meddle(&with),
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
        let mut progress = self.progress();
        let counter = if call.changes() { &mut progress.changes } else { &mut progress.looks };
        let at = At::of(call, *counter);
        *counter += 1;
        let (now, ahead) = std::mem::take(&mut progress.ahead).into_iter().partition::<Vec<_>, _>(|p| p.at == at);
        progress.ahead = ahead;
        progress.struck.extend(now.iter().cloned());
        now
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn pull(&self, reference: &ImageRef, progress: &dyn Fn(PullProgress)) -> Result<(), EngineError> {
        self.through(Call::Pull, self.engine.pull(reference, progress)).await
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.through(Call::RegistryDigest, self.engine.registry_digest(reference)).await
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        self.through(Call::Build, self.engine.build(build, step)).await
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        self.through(Call::CreateNetwork, self.engine.create_network(create)).await
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        self.through(Call::RemoveNetwork, self.engine.remove_network(network)).await
    }

    async fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        self.through(Call::Connect, self.engine.connect(network, container, aliases)).await
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        self.through(Call::CreateVolume, self.engine.create_volume(create)).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.through(Call::RemoveVolume, self.engine.remove_volume(name)).await
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        self.through(Call::CreateContainer, self.engine.create_container(create)).await
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        self.through(Call::Upload, self.engine.upload(container, files)).await
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.through(Call::Start, self.engine.start(container)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Option<u32>) -> Result<(), EngineError> {
        self.through(Call::Stop, self.engine.stop(container, grace)).await
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.through(Call::Restart, self.engine.restart(container)).await
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.through(Call::Unpause, self.engine.unpause(container)).await
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        self.through(Call::Update, self.engine.update(container, update)).await
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        self.through(Call::Rename, self.engine.rename(container, name)).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.through(Call::RemoveContainer, self.engine.remove_container(container)).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        self.through(Call::Exec, self.engine.exec(container, command)).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.through(Call::Commands, self.engine.commands(container)).await
    }

    async fn events(&self, since: Option<i64>, tell: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        self.through(Call::Events, self.engine.events(since, tell)).await
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

    fn volume(name: &str) -> VolumeCreate {
        VolumeCreate { name: name.to_owned(), labels: [("moat.run".to_owned(), "r".to_owned())].into() }
    }

    fn faulty(sim: &Sim, faults: impl IntoIterator<Item = (At, Injection)>) -> Faulty<Sim, Sim> {
        let planned = faults.into_iter().map(|(at, inject)| Planned { at, inject }).collect();
        Faulty::new(sim.clone(), sim.clone(), Schedule(planned))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fails_before_or_after_it_happened() {
        let sim = Sim::new(&Settings::default());
        let error = Broken::TimedOut;
        let before = (At::Change(0), Injection::FailBefore { error });
        let after = (At::Change(1), Injection::FailAfter { error });
        let engine = faulty(&sim, [before, after]);
        assert!(engine.create_volume(&volume("aa")).await.is_err());
        assert!(engine.create_volume(&volume("bb")).await.is_err());
        let names: Vec<_> = engine.volumes(&Filter::Ours).await.unwrap().into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["bb"]);
        assert_eq!(engine.struck().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_drops_the_caller_and_keeps_what_happened() {
        for after in [false, true] {
            let sim = Sim::new(&Settings::default());
            let engine = faulty(&sim, [(At::Change(0), Injection::Crash { after })]);
            let create = volume("aa");
            tokio::select! {
                biased;
                _ = engine.create_volume(&create) => panic!("the caller was not dropped"),
                () = engine.crashed() => {}
            }
            assert_eq!(sim.counts(&crate::sim::Scope::All).volumes, usize::from(after));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_do_not_shift_the_numbers_of_changes() {
        let sim = Sim::new(&Settings::default());
        let meddling = Interference::AddVolume { name: "foreign".to_owned() };
        let engine = faulty(&sim, [(At::Change(1), Injection::Meddle { with: meddling })]);
        engine.volumes(&Filter::Ours).await.unwrap();
        engine.create_volume(&volume("aa")).await.unwrap();
        engine.volumes(&Filter::Ours).await.unwrap();
        assert_eq!(engine.struck().len(), 0);
        engine.create_volume(&volume("bb")).await.unwrap();
        assert_eq!(sim.counts(&crate::sim::Scope::All).volumes, 3);
    }

    #[test]
    fn a_schedule_is_readable() {
        let text = "\
- at: change 3
  inject:
    fault: meddle
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
