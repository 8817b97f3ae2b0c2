//! Calls: each waits for its latency, applies its effect to the daemon, and returns the answer. `changes` has the
//! changing ones.

use std::convert::Infallible;
use std::time::Duration;

use super::Sim;
use super::daemon::{Daemon, unreachable};
use super::journal::Outcome;
use moat_model::engine::call::Call;
use moat_model::engine::{Change, Created, Engine, EngineError, ExecOutput, Filter, Inspection, Notice, Progress};
use moat_model::resource::{ContainerId, ImageDigest, ImageRef};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// A call in flight. A dropped one stays open in the journal.
pub(super) struct Ticket<'a> {
    sim: &'a Sim,
    number: usize,
    /// The number of engine restarts when the call arrived.
    restarts: u32,
    pub half: Duration,
    closed: bool,
}

impl Sim {
    pub(super) async fn enter(
        &self,
        call: Call,
        subject: impl FnOnce(&Daemon) -> String,
    ) -> Result<Ticket<'_>, EngineError> {
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
    pub(super) async fn call<T>(
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
    pub(super) async fn long_call<T>(
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
    pub fn is_cut_off(&self) -> bool {
        self.sim.now().restarts != self.restarts
    }

    pub fn leave<T>(&mut self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
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

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        self.call(Call::RegistryDigest, |_| reference.to_string(), |d| d.tell_registry_digest(reference)).await
    }

    async fn change(&self, change: &Change, progress: &dyn Fn(Progress<'_>)) -> Result<Created, EngineError> {
        self.make(change, progress).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        let effect = |d: &mut Daemon| {
            d.guard_container(Call::Exec, container);
            d.exec(container, command)
        };
        self.call(Call::Exec, |d| d.name_of_container(container), effect).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        self.call(Call::Commands, |d| d.name_of_container(container), |d| d.commands(container)).await
    }

    async fn events(&self, since: Option<i64>, on_notice: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        let mut ticket = self.enter(Call::Events, |_| String::new()).await?;
        // An event stream does not count as a call in flight.
        ticket.close(Ok(()))?;
        Err(self.listen(since, on_notice).await)
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.call(Call::LogTail, |d| d.name_of_container(container), |d| d.log_tail(container, lines)).await
    }
}

/// Yields to other tasks, even if no time passes.
pub(super) async fn pause(time: Duration) {
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
