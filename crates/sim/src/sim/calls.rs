//! The trait's methods: each waits for its latency, applies its effect to the daemon, and returns the answer.

use std::convert::Infallible;
use std::time::Duration;

use super::Sim;
use super::daemon::Daemon;
use super::journal::Outcome;
use moat_model::engine::call::Call;
use moat_model::engine::{
    ContainerCreate, ContainerUpdate, Engine, EngineError, ExecOutput, Fault, Filter, ImageBuild, Inspection,
    NetworkCreate, Notice, PullProgress, VolumeCreate,
};
use moat_model::resource::{ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// The number of progress reports of a successful pull, and its total bytes.
const PULL_BYTES: u64 = 100 << 20;

/// A call in flight. A dropped one stays open in the journal.
struct Ticket<'a> {
    sim: &'a Sim,
    number: usize,
    /// The number of engine restarts when the call arrived.
    restarts: u32,
    half: Duration,
    closed: bool,
}

impl Sim {
    async fn enter(&self, call: Call, subject: impl FnOnce(&Daemon) -> String) -> Result<Ticket<'_>, EngineError> {
        let (mut ticket, down) = {
            let mut daemon = self.now();
            let subject = subject(&daemon);
            let now = daemon.now;
            let number = daemon.journal.begin(call, subject, now);
            let half = daemon.latencies.of(call) / 2;
            (Ticket { sim: self, number, restarts: daemon.restarts, half, closed: false }, now < daemon.down_until)
        };
        if down {
            return ticket.close(Err(unreachable("is the daemon running?")));
        }
        pause(ticket.half).await;
        if ticket.is_cut_off() {
            return ticket.close(Err(unreachable("connection reset")));
        }
        Ok(ticket)
    }

    /// A call with one effect.
    async fn call<T>(
        &self,
        call: Call,
        subject: impl FnOnce(&Daemon) -> String,
        effect: impl FnOnce(&mut Daemon) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut ticket = self.enter(call, subject).await?;
        let answer = effect(&mut self.now());
        pause(ticket.half).await;
        ticket.leave(answer)
    }

    /// A call that continues in the engine until the time that its effect returns.
    async fn long_call<T>(
        &self,
        call: Call,
        subject: impl FnOnce(&Daemon) -> String,
        first: impl FnOnce(&mut Daemon) -> Result<(T, Duration), EngineError>,
        last: impl FnOnce(&mut Daemon, T) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut ticket = self.enter(call, subject).await?;
        let started = first(&mut self.now());
        let answer = match started {
            Ok((value, until)) => {
                tokio::time::sleep_until(self.origin + until).await;
                last(&mut self.now(), value)
            }
            Err(error) => Err(error),
        };
        ticket.leave(answer)
    }
}

impl Ticket<'_> {
    fn is_cut_off(&self) -> bool {
        self.sim.now().restarts != self.restarts
    }

    fn leave<T>(&mut self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        let answer = if self.is_cut_off() { Err(unreachable("connection reset")) } else { answer };
        self.close(answer)
    }

    fn close<T>(&mut self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        let outcome = match &answer {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Refused(error.clone()),
        };
        self.end(outcome);
        answer
    }

    fn end(&mut self, outcome: Outcome) {
        if !self.closed {
            self.closed = true;
            let mut daemon = self.sim.now();
            let now = daemon.now;
            daemon.journal.end(self.number, outcome, now);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Open);
    }
}

impl Engine for Sim {
    async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerFacts>, EngineError> {
        self.call(Call::Containers, |_| show(filter), |d| Ok(d.list_containers(filter))).await
    }

    async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
        self.call(Call::Networks, |_| show(filter), |d| Ok(d.list_networks(filter))).await
    }

    async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeFacts>, EngineError> {
        self.call(Call::Volumes, |_| show(filter), |d| Ok(d.list_volumes(filter))).await
    }

    async fn image(&self, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        self.call(Call::Image, |_| reference.to_string(), |d| Ok(d.image(reference))).await
    }

    async fn inspect(&self, container: &ContainerId) -> Result<Inspection, EngineError> {
        self.call(Call::Inspect, |d| d.name_of_container(container), |d| d.inspect(container)).await
    }

    async fn pull(&self, reference: &ImageRef, progress: &dyn Fn(PullProgress)) -> Result<(), EngineError> {
        let mut ticket = self.enter(Call::Pull, |_| reference.to_string()).await?;
        let known = self.now().registry.contains_key(reference);
        if known {
            progress(PullProgress { current: PULL_BYTES / 2, total: PULL_BYTES, layers_done: 0, layers: 1 });
            pause(ticket.half).await;
        }
        // A pull is cancelled with its caller, so the image only appears at the end.
        let answer = if ticket.is_cut_off() { Ok(()) } else { self.now().pull(reference) };
        ticket.leave(answer)
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.call(Call::RegistryDigest, |_| reference.to_string(), |d| d.registry_digest(reference)).await
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        let mut ticket = self.enter(Call::Build, |_| build.reference.to_string()).await?;
        step("Step 1/1 : FROM");
        pause(ticket.half).await;
        // As with a pull: a build is cancelled with its caller.
        let answer = if ticket.is_cut_off() { Ok(()) } else { self.now().build(build) };
        ticket.leave(answer)
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        self.call(Call::CreateNetwork, |_| create.name.clone(), |d| d.create_network(create)).await
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        let effect = |d: &mut Daemon| {
            d.guard_network(Call::RemoveNetwork, network);
            d.remove_network(network)
        };
        self.call(Call::RemoveNetwork, |d| d.name_of_network(network), effect).await
    }

    async fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        let subject = |d: &Daemon| format!("{} to {}", d.name_of_container(container), d.name_of_network(network));
        let effect = |d: &mut Daemon| {
            d.guard_network(Call::Connect, network);
            d.connect(network, container, aliases)
        };
        self.call(Call::Connect, subject, effect).await
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        self.call(Call::CreateVolume, |_| create.name.clone(), |d| d.create_volume(create)).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let effect = |d: &mut Daemon| {
            d.guard_volume(Call::RemoveVolume, name);
            d.remove_volume(name)
        };
        self.call(Call::RemoveVolume, |_| name.to_owned(), effect).await
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        let begin = |d: &mut Daemon| {
            let takes = d.latencies.create_container / 2;
            d.create_container(create, takes)
        };
        let end = |d: &mut Daemon, id: ContainerId| d.container(&id).map(|_| id.clone());
        self.long_call(Call::CreateContainer, |_| create.name.clone(), begin, end).await
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        self.on_container(Call::Upload, container, |d| d.upload(container, files)).await
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.on_container(Call::Start, container, |d| d.start(container)).await
    }

    async fn stop(&self, container: &ContainerId, _grace: Option<u32>) -> Result<(), EngineError> {
        self.stop_call(Call::Stop, container, false).await
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.stop_call(Call::Restart, container, true).await
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.on_container(Call::Unpause, container, |d| d.unpause(container)).await
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        self.on_container(Call::Update, container, |d| d.update(container, update)).await
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        let subject = |d: &Daemon| format!("{} to {name}", d.name_of_container(container));
        let effect = |d: &mut Daemon| {
            d.guard_container(Call::Rename, container);
            d.rename(container, name)
        };
        self.call(Call::Rename, subject, effect).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        let begin = |d: &mut Daemon| {
            d.guard_container(Call::RemoveContainer, container);
            let takes = d.latencies.remove_container / 2;
            Ok(((), d.remove_container(container, takes)))
        };
        let subject = |d: &Daemon| d.name_of_container(container);
        self.long_call(Call::RemoveContainer, subject, begin, |_, ()| Ok(())).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        self.on_container(Call::Exec, container, |d| d.exec(container, command)).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.call(Call::Commands, |d| d.name_of_container(container), |d| d.commands(container)).await
    }

    async fn events(&self, since: Option<i64>, tell: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        let mut ticket = self.enter(Call::Events, |_| String::new()).await?;
        // An event stream does not count as a call in flight.
        ticket.close(Ok(()))?;
        Err(self.listen(since, tell).await)
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.call(Call::LogTail, |d| d.name_of_container(container), |d| d.log_tail(container, lines)).await
    }
}

impl Sim {
    async fn on_container<T>(
        &self,
        call: Call,
        container: &ContainerId,
        effect: impl FnOnce(&mut Daemon) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let guarded = |d: &mut Daemon| {
            d.guard_container(call, container);
            effect(d)
        };
        self.call(call, |d| d.name_of_container(container), guarded).await
    }

    async fn stop_call(&self, call: Call, container: &ContainerId, again: bool) -> Result<(), EngineError> {
        let begin = |d: &mut Daemon| {
            d.guard_container(call, container);
            d.begin_stop(container, again).map(|until| ((), until))
        };
        let end = |d: &mut Daemon, ()| d.end_stop(container, again);
        self.long_call(call, |d| d.name_of_container(container), begin, end).await
    }
}

/// Yields to other tasks, even if no time passes.
async fn pause(time: Duration) {
    if time.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(time).await;
    }
}

fn show(filter: &Filter) -> String {
    match filter {
        Filter::Run(run) => format!("of {run}"),
        Filter::Ours => "of all runs".to_owned(),
        Filter::All => "of all".to_owned(),
    }
}

pub(super) fn unreachable(words: &str) -> EngineError {
    EngineError::new(Fault::Unreachable, format!("cannot reach the engine: {words}"))
}
