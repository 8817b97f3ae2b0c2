//! The simulated state as canonical text: two states are equal if and only if their texts are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::daemon::{Container, Daemon, short};
use moat_model::resource::{RunId, label};

/// The objects of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Objects with the run's label.
    Of(RunId),
    /// All other objects.
    NotOf(RunId),
}

/// The number of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub containers: usize,
    pub networks: usize,
    pub volumes: usize,
}

impl Daemon {
    /// One line for each object, sorted by kind and name. Images are omitted: they have no owner.
    pub fn snapshot(&self, scope: &Scope) -> String {
        let mut lines = Vec::new();
        for network in self.networks.values().filter(|n| scope.shows(&n.labels)) {
            let subnet = network.subnet.map_or_else(|| "-".to_owned(), |range| range.to_string());
            let kind = if network.internal { " internal" } else { "" };
            let id = short(network.id.as_str());
            lines.push(format!("network {} {id} {subnet}{kind} {}", network.name, show_labels(&network.labels)));
        }
        for (name, volume) in self.volumes.iter().filter(|(_, v)| scope.shows(&v.labels)) {
            let data = if volume.data { "data" } else { "empty" };
            lines.push(format!("volume {name} {data} {}", show_labels(&volume.labels)));
        }
        for container in self.containers.values().filter(|c| self.is_shown(scope, c)) {
            lines.push(self.show_container(container));
        }
        lines.sort();
        lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    pub fn counts(&self, scope: &Scope) -> Counts {
        Counts {
            containers: self.containers.values().filter(|c| self.is_shown(scope, c)).count(),
            networks: self.networks.values().filter(|n| scope.shows(&n.labels)).count(),
            volumes: self.volumes.values().filter(|v| scope.shows(&v.labels)).count(),
        }
    }

    /// A container with labels from its image has no owner.
    fn is_shown(&self, scope: &Scope, container: &Container) -> bool {
        let run = self.owner(container).map(|owner| owner.run);
        match scope {
            Scope::All => true,
            Scope::Of(of) => run.as_ref() == Some(of),
            Scope::NotOf(of) => run.as_ref() != Some(of),
        }
    }

    fn show_container(&self, c: &Container) -> String {
        let mut line = format!("container {} {} {}", c.name, short(c.id.as_str()), c.state.as_str());
        let started = c.started.map_or_else(|| "never".to_owned(), |at| format!("{}ms", at.as_millis()));
        // Writing to a string cannot fail.
        let _ = write!(line, " exit={} started={started} restarts={} image={}", c.exit, c.restarts, short_image(c));
        let limits = &c.config.limits;
        let _ = write!(line, " policy={}", c.config.restart.as_str());
        if !limits.is_empty() {
            let _ = write!(line, " limits={:?}/{:?}/{:?}", limits.memory, limits.cpus, limits.pids);
        }
        for port in &c.ports {
            let _ = write!(line, " port={}:{}", port.host, port.container);
        }
        for endpoint in &c.endpoints {
            let network = self.networks.get(&endpoint.network).map_or("DEAD", |network| network.name.as_str());
            let _ = write!(line, " on={network}({})[{}]", short(endpoint.network.as_str()), endpoint.aliases.join(","));
        }
        for mount in &c.mounts {
            let _ = write!(line, " mount={}:{}", mount.volume, mount.target);
        }
        for path in c.files.keys() {
            let _ = write!(line, " file={path}");
        }
        line + " " + &show_labels(&c.labels)
    }
}

impl Scope {
    fn shows(&self, labels: &BTreeMap<String, String>) -> bool {
        let of = |run: &RunId| labels.get(label::RUN).is_some_and(|value| value == run.as_str());
        match self {
            Self::All => true,
            Self::Of(run) => of(run),
            Self::NotOf(run) => !of(run),
        }
    }
}

fn show_labels(labels: &BTreeMap<String, String>) -> String {
    let text: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", text.join(" "))
}

fn short_image(container: &Container) -> &str {
    short(container.image.as_str().trim_start_matches("sha256:"))
}
