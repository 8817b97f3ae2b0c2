//! Effects of container calls on the daemon, with the refusals of a real one.

use std::time::Duration;

use super::Api;
use super::behaviour::KILLED;
use super::daemon::{Attachment, Container, Daemon, Due, EPOCH, Next, matches};
use super::journal::{Reached, Rule, Step, Violation};
use moat_model::engine::call::Call;
use moat_model::engine::{
    ContainerCreate, ContainerUpdate, EngineError, ExecOutput, Fault, Filter, Inspection, Rights,
};
use moat_model::resource::label::{self, Ownership};
use moat_model::resource::{ContainerId, FileConfig, Kind, ResourceId, gateway, reach};
use moat_model::state::ContainerState::{Created, Dead, Paused, Removing, Restarting, Running};
use moat_model::state::{ContainerFacts, ContainerState, Endpoint, Health};

/// The engine's default stop timeout.
const DEFAULT_GRACE: u32 = 10;
/// The kernel's maximum length of a host name.
const HOSTNAME_MAX: usize = 64;
/// The command of a user at a terminal.
const SESSION: [&str; 2] = ["bash", "-l"];

impl Daemon {
    pub fn list_containers(&self, filter: &Filter) -> Vec<ContainerFacts> {
        let mut facts: Vec<_> = self
            .containers
            .values()
            .filter(|c| !c.hidden && matches(filter, &c.labels))
            .map(|c| (c, c.facts(self.now)))
            .map(|(c, facts)| (ContainerFacts { owner: self.owner(c), ..facts.clone() }, facts.owner.is_some()))
            .filter(|(facts, was_owned)| *filter == Filter::All || !was_owned || facts.owner.is_some())
            .map(|(facts, _)| match self.api {
                Api::Docker => facts,
                Api::Podman => ContainerFacts { health: Health::None, ..facts },
            })
            .collect();
        facts.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        facts
    }

    pub fn inspect(&mut self, id: &ContainerId) -> Result<Inspection, EngineError> {
        let now = self.now;
        let container = self.container(id)?;
        Ok(Inspection {
            state: container.state,
            health: container.health(now),
            check: container.check(),
            exit_code: if container.lives() { 0 } else { container.exit },
            oom_killed: false,
            error: container.error.clone(),
            restarts: container.restarts,
            started: container.started.filter(|_| container.state == Running).map(nanoseconds),
            disconnected: container.endpoints.is_empty(),
            limits: container.config.limits,
            restart: Some(container.config.restart),
            rights: Rights { privileged: container.config.privileged, ..Rights::default() },
        })
    }

    /// Reserves the name; the container becomes visible at the returned time.
    pub fn create_container(
        &mut self,
        create: &ContainerCreate,
        takes: Duration,
    ) -> Result<(ContainerId, Duration), EngineError> {
        let ContainerCreate { name, labels, config, network, mounts, ports, address, resolver: _ } = create;
        check_name("container", name)?;
        self.check_name_is_free(name)?;
        if config.hostname.as_ref().is_some_and(|hostname| hostname.len() > HOSTNAME_MAX) {
            return Err(EngineError::new(Fault::Refused, "invalid hostname"));
        }
        let no_image = || EngineError::new(Fault::NotFound, format!("no such image: {}", config.image));
        let image = self.images.get(&config.image).cloned().ok_or_else(no_image)?;
        if self.image_labels.get(&image).is_some_and(|labels| label::are_claimed(labels.keys())) {
            return Err(EngineError::claiming_image(&config.image));
        }
        let platform = self.platform(&image);
        if config.platform.as_ref().is_some_and(|desired| !desired.accepts(&platform)) {
            let message = format!("{} was found but does not match the specified platform", config.image);
            return Err(EngineError::new(Fault::NotFound, message));
        }
        self.check_address(network, *address)?;
        let network_name = self.network(network)?.name.clone();
        self.guard_network(Call::CreateContainer, network);
        for mount in mounts {
            // Docker silently creates a missing volume.
            self.guard_volume(Call::CreateContainer, &mount.volume);
            self.touch_volume(&mount.volume, &mount.labels);
        }
        self.check_rules(Step::Create, Ownership::read(labels).as_ref());
        let appears = self.now + takes;
        let (labels, program) =
            (self.inherited(&image, labels), self.programs.get(&image).cloned().unwrap_or_default());
        let endpoint = Attachment {
            network: network.clone(),
            name: network_name,
            used: false,
            aliases: config.network.aliases.clone(),
        };
        let container = Container {
            labels,
            program,
            hidden: true,
            mounts: mounts.clone(),
            ports: ports.clone(),
            due: Some(Due { at: appears, what: Next::Appear }),
            ..Container::new(self.next_id(), name, image, config.clone(), endpoint, self.now)
        };
        let id = container.id.clone();
        self.containers.insert(id.clone(), container);
        Ok((id, appears))
    }

    pub fn upload(&mut self, id: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        let container = self.container(id)?;
        container.refuse_if_going()?;
        container.files.extend(files.iter().map(|file| (file.path.clone(), file.clone())));
        Ok(())
    }

    pub fn start(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let container = self.container(id)?;
        container.refuse_if_going()?;
        match container.state {
            Running | Restarting => Ok(()),
            Paused => Err(conflict("cannot start a paused container, try unpause instead")),
            _ => {
                container.restarts = 0;
                let owner = Ownership::read(&container.labels);
                self.check_rules(Step::Start, owner.as_ref());
                self.start_now(id)
            }
        }
    }

    /// Requests a stop, and a start if `again`; returns the time when it is done.
    pub fn begin_stop(&mut self, id: &ContainerId, again: bool) -> Result<Duration, EngineError> {
        let now = self.now;
        let container = self.container(id)?;
        if again {
            container.refuse_if_going()?;
        }
        if container.state == Restarting || !container.lives() {
            if !matches!(container.state, Created | Removing | Dead) {
                container.end(container.exit);
                container.stopped_by_hand = true;
            }
            return if again { self.start(id).map(|()| now) } else { Ok(now) };
        }
        if again {
            let owner = Ownership::read(&container.labels);
            self.check_rules(Step::Start, owner.as_ref());
        }
        let container = self.container(id)?;
        let grace = Duration::from_secs(container.config.stop_timeout.unwrap_or(DEFAULT_GRACE).into());
        let needed = Duration::from_millis(container.program.stop_ms);
        let code = if needed > grace { KILLED } else { container.program.stop_code };
        let at = now + needed.min(grace);
        container.stopped_by_hand = true;
        container.due = Some(Due { at, what: Next::Stop { code, again } });
        Ok(at)
    }

    /// The answer to a stop or a restart after its end.
    pub fn end_stop(&mut self, id: &ContainerId, again: bool) -> Result<(), EngineError> {
        let container = self.container(id)?;
        if again && container.state != Running && !container.error.is_empty() {
            return Err(EngineError::new(Fault::Engine, container.error.clone()));
        }
        Ok(())
    }

    pub fn unpause(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let now = self.now;
        let container = self.container(id)?;
        match container.state {
            Paused => {
                container.thaw(now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub fn update(&mut self, id: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        let container = self.container(id)?;
        container.refuse_if_going()?;
        let (limits, new) = (&mut container.config.limits, &update.limits);
        limits.memory = new.memory.or(limits.memory);
        limits.cpus = new.cpus.or(limits.cpus);
        limits.pids = new.pids.or(limits.pids);
        container.config.restart = update.restart.unwrap_or(container.config.restart);
        Ok(())
    }

    pub fn rename(&mut self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        check_name("container", name)?;
        let container = self.container(id)?;
        container.refuse_if_going()?;
        if container.name == name {
            return Ok(());
        }
        self.check_name_is_free(name)?;
        name.clone_into(&mut self.container(id)?.name);
        Ok(())
    }

    /// Kills it and starts its removal; returns the time when it and its name are removed.
    pub fn remove_container(&mut self, id: &ContainerId, takes: Duration) -> Duration {
        let now = self.now;
        let Ok(container) = self.container(id) else { return now };
        if container.state == Removing {
            // "Removal is already in progress": a success that does not wait.
            return now;
        }
        container.end(KILLED);
        container.state = Removing;
        container.due = Some(Due { at: now + takes, what: Next::Vanish });
        now + takes
    }

    pub fn exec(&mut self, id: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        let now = self.now;
        let found = matches!(command, [nslookup, name] if nslookup == "nslookup" && self.resolves(id, name));
        let container = self.container(id)?;
        match container.state {
            Running if found => Ok(ExecOutput { exit_code: 0, output: String::new() }),
            Running if *command == gateway::status() && !container.sick => Ok(container.policy_status()),
            Running if reach::arguments(command).is_some() => Ok(self.reach(id)),
            Running => Ok(container.answer(command, now)),
            Paused => Err(conflict(format!("container {id} is paused, unpause the container before exec"))),
            Restarting => Err(conflict(format!("container {id} is restarting, wait until the container is running"))),
            _ => Err(conflict(format!("container {id} is not running"))),
        }
    }

    /// Whether a container resolves the alias of another one on a shared network.
    fn resolves(&self, id: &ContainerId, name: &str) -> bool {
        let Some(asking) = self.containers.get(id) else { return false };
        let mut there = self.containers.values().filter(|c| c.lives()).flat_map(|c| &c.endpoints);
        there.any(|endpoint| asking.is_on(&endpoint.network) && endpoint.aliases.iter().any(|alias| alias == name))
    }

    pub fn commands(&mut self, id: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        let container = self.container(id)?;
        Ok((0..container.sessions).map(|_| SESSION.map(str::to_owned).to_vec()).collect())
    }

    pub fn log_tail(&mut self, id: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        let log = &self.container(id)?.log;
        let skip = log.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
        Ok(log[skip..].to_vec())
    }

    /// Refuses a name that any container has, in any state.
    pub fn check_name_is_free(&self, name: &str) -> Result<(), EngineError> {
        match self.containers.values().find(|c| c.name == name) {
            Some(other) => {
                Err(conflict(format!("the container name \"/{name}\" is already in use by container {}", other.id)))
            }
            None => Ok(()),
        }
    }

    fn check_rules(&mut self, step: Step, owner: Option<&Ownership>) {
        let Some(owner) = owner else { return };
        let broken: Vec<_> = self
            .journal
            .rules
            .iter()
            .filter(|rule| {
                rule.step == step && rule.dependent == owner.resource && !self.holds(rule, owner.run.as_str())
            })
            .cloned()
            .collect();
        for Rule { dependent, step, on, until } in broken {
            self.journal.violate(Violation::Order {
                dependent: format!("{dependent} of {}", owner.run),
                step,
                on,
                until,
            });
        }
    }

    fn holds(&self, rule: &Rule, run: &str) -> bool {
        let resource = rule.on.to_string();
        let is_it = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get(label::RUN).is_some_and(|r| r == run) && labels.get(label::RESOURCE) == Some(&resource)
        };
        let created = self.networks.values().any(|n| is_it(&n.labels))
            || self.volumes.values().any(|v| is_it(&v.labels))
            || self.images.keys().any(|reference| reference.as_str() == rule.on.name)
            || (rule.on == ResourceId::policy() && self.has_policy(run))
            || (rule.on.kind == Kind::Grant && self.has_grant(run, &rule.on.name));
        let mut containers = self.containers.values().filter(|c| !c.hidden && c.state != Removing && is_it(&c.labels));
        match rule.until {
            Reached::Created => created || containers.next().is_some(),
            Reached::Started => containers.any(Container::lives),
            Reached::Ready => containers.any(|c| c.is_ready(self.now)),
        }
    }
}

impl Container {
    fn facts(&self, now: Duration) -> ContainerFacts {
        let mut volumes: Vec<_> = self.mounts.iter().map(|mount| mount.volume.clone()).collect();
        volumes.sort();
        let unresolved = self.endpoints.iter().filter(|it| !it.used).count();
        let id = |it: &Attachment| match (it.used, unresolved) {
            (true, _) => Some(it.network.clone()),
            (false, 1) => Some(self.home.clone()),
            (false, _) => None,
        };
        let endpoint = |it: &Attachment| Endpoint { network: it.name.clone(), id: id(it) };
        let mut networks: Vec<_> = self.endpoints.iter().map(endpoint).collect();
        networks.sort();
        ContainerFacts {
            id: self.id.clone(),
            name: self.name.clone(),
            owner: Ownership::read(&self.labels),
            image: self.image.clone(),
            state: self.state,
            up_seconds: self
                .started
                .filter(|_| self.lives())
                .map(|at| now.saturating_sub(at).as_secs())
                .filter(|it| *it < 60),
            health: self.health(now),
            exit_code: matches!(self.state, ContainerState::Exited | Dead).then_some(self.exit),
            home: Some(self.home.clone()),
            networks,
            volumes,
            published: if self.lives() { self.host_ports().collect() } else { Vec::new() },
            created: EPOCH + i64::try_from(self.created.as_secs()).unwrap_or(i64::MAX - EPOCH),
        }
    }

    fn refuse_if_going(&self) -> Result<(), EngineError> {
        if matches!(self.state, Removing | Dead) {
            return Err(conflict("container is marked for removal and cannot be changed"));
        }
        Ok(())
    }

    /// A paused program cannot exit; one that was about to exits when it is unpaused.
    pub fn freeze(&mut self) {
        self.state = Paused;
        self.frozen = self.due.take().map(|due| due.what);
    }

    pub fn thaw(&mut self, now: Duration) {
        self.state = Running;
        self.due = self.frozen.take().map(|what| Due { at: now, what });
    }
}

/// The engine's rule for the names of containers and volumes: two characters at least, the first a letter or a digit.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), EngineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(EngineError::new(Fault::Refused, format!("invalid {what} name ({name})")));
    }
    Ok(())
}

/// A time of the simulation in nanoseconds since 1970.
fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).saturating_add(EPOCH * 1_000_000_000)
}

pub(super) fn conflict(message: impl Into<String>) -> EngineError {
    EngineError::new(Fault::Conflict, message)
}
