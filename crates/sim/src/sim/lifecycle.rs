//! Events without a call: exits, completed stops, restarts, removals.
//!
//! Nothing runs in the background. Before each call the daemon processes events up to the current time, one by
//! one, in the order of their due times.

use std::time::Duration;

use super::behaviour::{KILLED, LOCKED, NO_FILE};
use super::daemon::{Container, Daemon, Due, Next};
use super::journal::Violation;
use moat_model::engine::{EngineError, Fault};
use moat_model::resource::{ContainerId, RestartPolicy};
use moat_model::state::ContainerState::{Created, Dead, Exited, Paused, Removing, Restarting, Running};

/// Docker's first pause before it restarts a container; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Docker's maximum pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A container that ran this long starts again with the first pause.
const STABLE_RUN: Duration = Duration::from_secs(10);
/// The exit code of a container that could not be started.
const CANNOT_START: i64 = 128;
/// The time after which a program exits if a requirement is missing.
const START_FAILURE_DELAY: Duration = Duration::from_millis(10);

impl Daemon {
    /// Processes all events that are due until `now`.
    pub fn advance(&mut self, now: Duration) {
        while let Some((due, id)) = self.next_due().filter(|(due, _)| due.at <= now) {
            self.now = self.now.max(due.at);
            self.happen(&id, due.what);
        }
        self.now = self.now.max(now);
    }

    /// The time of the next event.
    pub fn next_due_at(&self) -> Option<Duration> {
        self.next_due().map(|(due, _)| due.at)
    }

    fn next_due(&self) -> Option<(Due, ContainerId)> {
        let earliest =
            self.containers.values().filter_map(|c| Some((c.due?, c))).min_by_key(|(due, c)| (due.at, c.serial));
        earliest.map(|(due, c)| (due, c.id.clone()))
    }

    fn happen(&mut self, id: &ContainerId, what: Next) {
        if what == Next::Vanish {
            self.containers.remove(id);
            return;
        }
        let now = self.now;
        let Some(container) = self.containers.get_mut(id) else { return };
        container.due = None;
        match what {
            Next::Appear => container.hidden = false,
            Next::Exit { code } => container.end_by_itself(code, now),
            Next::Stop { code, again } => {
                container.end(code);
                if again {
                    container.restarts = 0;
                    // A failed start is stored in the container for the waiting caller.
                    let _ = self.start_now(id);
                }
            }
            Next::Restart { by_policy } => {
                // A start by a starting engine is no crash.
                container.restarts = if by_policy { container.restarts + 1 } else { 0 };
                if self.start_now(id).is_err()
                    && let Some(container) = self.containers.get_mut(id)
                {
                    container.state = Exited;
                }
            }
            Next::Vanish => {}
        }
    }

    /// Starts a container that is not running, or returns why it cannot be started.
    pub fn start_now(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        if let Some(refusal) = self.why_not_start(id)? {
            let container = self.container(id)?;
            container.error.clone_from(&refusal.message);
            container.exit = if container.exit == 0 { CANNOT_START } else { container.exit };
            return Err(refusal);
        }
        let now = self.now;
        let first = self.holder_of_lock(id);
        let container = self.container(id)?;
        container.begin(now);
        let due = |after: Duration, code: i64| Some(Due { at: now + after, what: Next::Exit { code } });
        let lacks_file = container.program.needs_files.iter().any(|path| !container.files.contains_key(path));
        if lacks_file {
            container.due = due(START_FAILURE_DELAY, NO_FILE);
        } else if first.is_some() {
            container.due = due(START_FAILURE_DELAY, LOCKED);
        } else if let Some(exit) = container.program.exits {
            container.due = due(Duration::from_millis(exit.after_ms), exit.code);
        }
        let second = container.name.clone();
        let mounts = container.mounts.clone();
        for mount in &mounts {
            if let Some(volume) = self.volumes.get_mut(&mount.volume) {
                volume.data = true;
            }
        }
        if let Some((volume, first)) = first {
            self.journal.violate(Violation::SharedState { volume, first, second });
        }
        Ok(())
    }

    fn why_not_start(&mut self, id: &ContainerId) -> Result<Option<EngineError>, EngineError> {
        let container = self.container(id)?;
        if container.program.cannot_start {
            let words = "failed to create task for container: unable to start container process";
            return Ok(Some(EngineError::new(Fault::Refused, words)));
        }
        let mut needed = vec![container.home.clone()];
        needed.extend(container.endpoints.iter().map(|endpoint| endpoint.network.clone()));
        let ports: Vec<u16> = container.host_ports().collect();
        let mut held = self.containers.values().filter(|c| c.id != *id && c.lives()).flat_map(Container::host_ports);
        if let Some(port) = held.find(|port| ports.contains(port)) {
            let words = format!("Bind for 127.0.0.1:{port} failed: port is already allocated");
            return Ok(Some(EngineError::new(Fault::Port, words)));
        }
        let dead = needed.into_iter().find(|network| !self.networks.contains_key(network));
        // Docker answers 404, which does not mean that the container is missing.
        Ok(dead.map(|network| EngineError::new(Fault::Engine, format!("network {network} not found"))))
    }

    /// The volume that this container is about to use and another one has locked, with the name of that one.
    fn holder_of_lock(&self, id: &ContainerId) -> Option<(String, String)> {
        let volume = self.containers.get(id)?.locked_volume()?;
        let holder =
            self.containers.values().find(|c| c.id != *id && c.lives() && c.locked_volume() == Some(volume))?;
        Some((volume.to_owned(), holder.name.clone()))
    }

    /// Stops the engine with all its containers, and starts it with those that it should restart.
    pub fn restart(&mut self, down: Duration) {
        self.restarts += 1;
        self.down_until = self.now + down;
        let back = self.down_until;
        self.containers.retain(|_, c| !c.hidden);
        for container in self.containers.values_mut() {
            let lived = matches!(container.state, Running | Paused | Restarting);
            container.due = None;
            if container.state == Removing {
                container.state = Dead;
            } else if lived {
                container.end(KILLED);
                // An exit because of the engine's stop cannot be distinguished from the program's own, so it is not recorded.
                let again = match container.config.restart {
                    RestartPolicy::No => false,
                    RestartPolicy::OnFailure | RestartPolicy::UnlessStopped => !container.stopped_by_hand,
                    RestartPolicy::Always => true,
                };
                if again {
                    container.due = Some(Due { at: back, what: Next::Restart { by_policy: false } });
                }
            }
        }
    }
}

impl Container {
    fn begin(&mut self, now: Duration) {
        self.state = Running;
        self.started = Some(now);
        for endpoint in &mut self.endpoints {
            endpoint.used = true;
        }
        self.exit = 0;
        self.error.clear();
        self.sick = false;
        self.stopped_by_hand = false;
        self.log.extend(self.program.log.iter().cloned());
    }

    /// Ends the processes, without regard to the restart policy.
    pub fn end(&mut self, code: i64) {
        if matches!(self.state, Running | Paused | Restarting) {
            self.exit = code;
        }
        if !matches!(self.state, Created | Dead | Removing) {
            self.state = Exited;
        }
        self.due = None;
        self.frozen = None;
        self.sessions = 0;
        self.unlocked.clear();
    }

    /// Ends the processes, and applies the restart policy.
    pub fn end_by_itself(&mut self, code: i64, now: Duration) {
        let ran = self.started.map_or(Duration::ZERO, |started| now.saturating_sub(started));
        self.end(code);
        let again = match self.config.restart {
            RestartPolicy::No => false,
            RestartPolicy::OnFailure => code != 0,
            RestartPolicy::UnlessStopped | RestartPolicy::Always => true,
        };
        if again && !self.stopped_by_hand {
            let failures = if ran >= STABLE_RUN { 0 } else { u32::try_from(self.restarts).unwrap_or(u32::MAX).min(16) };
            let pause = (FIRST_PAUSE * 2_u32.pow(failures)).min(LONGEST_PAUSE);
            self.state = Restarting;
            self.due = Some(Due { at: now + pause, what: Next::Restart { by_policy: true } });
        }
    }
}
