//! A case as data: the previous and the current desired state, and all faults. Stored as YAML after a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use moat_model::graph::{Edge, Gate, Graph, Milestone, Node};
use moat_model::resource::{
    AgentName, BuildNetwork, Config, ContainerConfig, FileConfig, GrantConfig, HealthConfig, ImageConfig, ImageRef,
    Mount, NetworkAttachment, NetworkConfig, Platform, PolicyConfig, Probe, ResourceId, RestartPolicy, Retention, Role,
    Run, Secret, SecretKey, SecretText, VolumeConfig, gateway, secret::SECRET_KEY_LEN,
};
use moat_sim::faulty::Schedule;
use moat_sim::interference::Interference;
use moat_sim::sim::{Behaviour, DuplicateNetworks};
use serde::{Deserialize, Serialize};

/// A case, from the first apply to the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Earlier desired states, with the faults of their apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Earlier>,
    /// Interference since then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interference: Vec<Interference>,
    pub wanted: Wanted,
    /// The faults during the apply.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub faults: Schedule,
    /// The user interrupts after this many started operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt: Option<usize>,
    /// An engine before Docker 25, on which networks may share a name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub old_engine: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    pub wanted: Wanted,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub faults: Schedule,
}

/// A desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    #[serde(default, skip_serializing_if = "is_default")]
    pub internal: bool,
    /// The way out is a gateway, with this version of its rules.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gateway: Option<u8>,
    /// The images are those of another platform than the engine's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub foreign: bool,
    /// By name; `main` requires the others to be ready.
    pub containers: BTreeMap<String, Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub struct Part {
    pub program: Program,
    /// Containers of different versions differ.
    #[serde(default, skip_serializing_if = "is_default")]
    pub version: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    pub volume: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub health: bool,
    /// Whether the engine does not restart it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mortal: bool,
    /// Main starts beside it, and is ready only after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub beside: bool,
}

/// The behaviour of a container's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// Ready at once.
    Quick,
    /// Ready after a while, and slow to stop.
    Slow,
    /// Needs a file that is uploaded, and privilege.
    Privileged,
    /// Locks its volume.
    Database,
    /// Has no probe.
    Silent,
    /// Exits soon after the start.
    Dies,
    /// The same, without a probe.
    Crashes,
    /// Runs, and never becomes ready.
    Hangs,
    /// The same, shown only by its image's check.
    Unhealthy,
    /// Cannot be started.
    Broken,
    /// A command that exits with 0.
    Ends,
}

pub const PROGRAMS: [Program; 11] = [
    Program::Quick,
    Program::Slow,
    Program::Privileged,
    Program::Database,
    Program::Silent,
    Program::Dies,
    Program::Crashes,
    Program::Hangs,
    Program::Unhealthy,
    Program::Broken,
    Program::Ends,
];

/// The bound on calls in flight that the executor promises.
pub const MAX_IN_FLIGHT: usize = 16;

const FILE: &str = "/etc/privileged.conf";
const DATA: &str = "/data";

impl Program {
    pub fn image(self) -> ImageRef {
        ImageRef::parse(&format!("{self:?}:1").to_lowercase()).expect("a reference")
    }

    pub fn behaviour(self) -> Behaviour {
        match self {
            Self::Quick | Self::Silent => Behaviour::default(),
            Self::Slow => Behaviour { boot_ms: 700, stop_ms: 1500, ..Behaviour::default() },
            Self::Privileged => Behaviour {
                boot_ms: 120,
                needs_privilege: true,
                needs_files: vec![FILE.to_owned()],
                ..Behaviour::default()
            },
            Self::Database => Behaviour {
                boot_ms: 150,
                stop_ms: 100,
                stop_code: 1,
                locks: Some(DATA.to_owned()),
                needs_network: true,
                ..Behaviour::default()
            },
            Self::Dies => Behaviour { never_ready: true, ..Behaviour::exits_after(Duration::from_millis(80), 7) },
            Self::Crashes => Behaviour::exits_after(Duration::from_millis(80), 7),
            Self::Hangs => Behaviour { never_ready: true, ..Behaviour::default() },
            Self::Unhealthy => Behaviour { never_ready: true, has_check: true, ..Behaviour::default() },
            Self::Broken => Behaviour { cannot_start: true, ..Behaviour::default() },
            Self::Ends => Behaviour { boot_ms: 20, ..Behaviour::exits_after(Duration::from_millis(110), 0) },
        }
    }
}

impl Case {
    pub fn duplicates(&self) -> DuplicateNetworks {
        if self.old_engine { DuplicateNetworks::Allowed } else { DuplicateNetworks::Refused }
    }
}

/// The run of all cases.
pub fn run() -> Run {
    run_of("builder")
}

/// The run of an agent of that name.
pub fn run_of(agent: &str) -> Run {
    Run::derive(AgentName::parse(agent).expect("a name"), Path::new("/home/me/agent.yaml"))
}

impl Wanted {
    /// The graph as the compiler would build it.
    pub fn graph(&self) -> Graph {
        self.graph_of(run())
    }

    /// The same for another run.
    pub fn graph_of(&self, run: Run) -> Graph {
        let mut nodes = vec![support(ResourceId::network("agent"), network(self))];
        let mut edges = Vec::new();
        let create = Edge { gates: Gate::Create, until: Milestone::Created };
        for reference in self.images() {
            nodes.push(support(
                ResourceId::image(&reference),
                Config::Image(ImageConfig {
                    reference,
                    dockerfile: None,
                    context: None,
                    network: BuildNetwork::Default,
                    program: false,
                    platform: self.platform(),
                }),
            ));
        }
        for (name, part) in &self.containers {
            let id = ResourceId::container(name);
            if part.volume {
                nodes.push(support(volume_id(name), volume_config(name)));
                edges.push((id.clone(), volume_id(name), create));
            }
            edges.push((id.clone(), ResourceId::network("agent"), create));
            edges.push((id.clone(), ResourceId::image(&part.program.image()), create));
            if name == "main" {
                for (sidecar, part) in self.containers.iter().filter(|(name, _)| *name != "main") {
                    let gates = if part.beside { Gate::Prove } else { Gate::Start };
                    edges.push((id.clone(), ResourceId::container(sidecar), Edge { gates, until: Milestone::Ready }));
                }
            }
            nodes.push(part.node(name, self.platform()));
        }
        if let Some(version) = self.gateway {
            nodes.extend(gateway_nodes(version));
            let (gateway, policy) = (ResourceId::gateway(), ResourceId::policy());
            let needs = [ResourceId::network("agent"), ResourceId::egress(), ResourceId::image(&gateway::image())];
            edges.extend(needs.map(|on| (gateway.clone(), on, create)));
            edges.push((policy.clone(), gateway, Edge { gates: Gate::Create, until: Milestone::Started }));
            edges.push((ResourceId::main(), policy.clone(), Edge { gates: Gate::Start, until: Milestone::Created }));
            if let Some(grant) = grant_node(version, &run) {
                edges.push((grant.id.clone(), policy, create));
                edges.push((
                    ResourceId::main(),
                    grant.id.clone(),
                    Edge { gates: Gate::Start, until: Milestone::Created },
                ));
                nodes.push(grant);
            }
        }
        Graph::build(run, None, nodes, &edges).expect("a graph")
    }

    fn platform(&self) -> Option<Platform> {
        self.foreign.then(|| "linux/arm64".parse().expect("a platform"))
    }

    /// Each image once.
    pub fn images(&self) -> BTreeSet<ImageRef> {
        self.containers.values().map(|part| part.program.image()).collect()
    }
}

impl Part {
    fn node(&self, name: &str, platform: Option<Platform>) -> Node {
        let privileged = self.program == Program::Privileged;
        let file = FileConfig { path: FILE.to_owned(), mode: 0o644, content: format!("version {}", self.version) };
        let command = vec!["probe".to_owned()];
        let config = ContainerConfig {
            env: [("VERSION".to_owned(), self.version.to_string())].into(),
            hostname: Some(name.to_owned()),
            privileged,
            init: true,
            mounts: if self.volume { vec![Mount::volume(volume_id(name), DATA)] } else { vec![] },
            files: if privileged { vec![file] } else { Vec::new() },
            restart: if self.mortal { RestartPolicy::No } else { RestartPolicy::UnlessStopped },
            stop_timeout: Some(3),
            platform,
            health: self.health.then(|| HealthConfig::new(command.clone())),
            ..ContainerConfig::new(
                self.program.image(),
                NetworkAttachment { network: ResourceId::network("agent"), aliases: vec![name.to_owned()] },
            )
        };
        let interval = Duration::from_millis(50);
        let probe = match self.program {
            Program::Silent => Probe::Running { settle: Duration::from_millis(30), check: None },
            Program::Crashes => Probe::Running { settle: Duration::from_secs(1), check: None },
            Program::Unhealthy => {
                Probe::Running { settle: Duration::from_secs(1), check: Some(Duration::from_secs(10)) }
            }
            // As long as a service of moat's own gets.
            Program::Database => {
                Probe::Exec { command, interval, timeout: Duration::from_secs(60), settle: Duration::ZERO }
            }
            _ => Probe::Exec { command, interval, timeout: Duration::from_secs(10), settle: Duration::ZERO },
        };
        let role = if name == "main" { Role::Main } else { Role::Sidecar };
        let id = ResourceId::container(name);
        Node { id, role, config: Config::Container(Box::new(config)), probe: Some(probe), failures: Vec::new() }
    }
}

/// The resources of a gateway, as the compiler adds them.
fn gateway_nodes(version: u8) -> [Node; 4] {
    let image = gateway::image();
    let network = NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() };
    let config = ContainerConfig {
        uplink: Some(ResourceId::egress()),
        restart: RestartPolicy::UnlessStopped,
        health: Some(HealthConfig::new(gateway::status())),
        ..ContainerConfig::new(image.clone(), network)
    };
    let probe = Probe::Exec {
        command: gateway::status(),
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(10),
        settle: Duration::ZERO,
    };
    let id = ResourceId::gateway();
    // Version 3 differs from 2 only in the value of the grant.
    let rule = if version == 3 { 2 } else { version };
    let grants = grant(version).map_or_else(String::new, |definition| format!(r#","grants":[{definition}]"#));
    let text =
        format!(r#"{{"version":1,"mode":"strict","rules":[{{"rule":"v{rule}.example"}}],"host_ports":[]{grants}}}"#);
    let policy = Config::Policy(PolicyConfig { gateway: id.clone(), text });
    let reference = image.clone();
    let image_config = ImageConfig {
        reference,
        dockerfile: None,
        context: None,
        network: BuildNetwork::Default,
        program: true,
        platform: None,
    };
    let config = Config::Container(Box::new(config));
    [
        support(ResourceId::egress(), Config::Network(NetworkConfig::default())),
        support(ResourceId::image(&image), Config::Image(image_config)),
        Node { id, role: Role::Sidecar, config, probe: Some(probe), failures: Vec::new() },
        support(ResourceId::policy(), policy),
    ]
}

/// The definition of the grant, which only some versions have.
fn grant(version: u8) -> Option<String> {
    let placeholder = if version == 4 { "other" } else { "one" };
    (version >= 2).then(|| format!(r#"{{"name":"g","placeholder":"{placeholder}"}}"#))
}

fn grant_node(version: u8, run: &Run) -> Option<Node> {
    let definition = grant(version)?;
    let key = SecretKey::new([7; SECRET_KEY_LEN]);
    let value = Secret::new(SecretText::new(format!("value {version}")), run.id.as_str(), &key);
    let (gateway, source) = (ResourceId::gateway(), "env://G".to_owned());
    Some(support(ResourceId::grant("g"), Config::Grant(GrantConfig { gateway, definition, source, value })))
}

fn volume_id(container: &str) -> ResourceId {
    ResourceId::volume(format!("{container}-data"))
}

/// The main container's volume is removed with the run, the others' stay.
fn volume_config(container: &str) -> Config {
    let retention = if container == "main" { Retention::Scratch } else { Retention::Keep };
    Config::Volume(VolumeConfig { retention })
}

fn network(wanted: &Wanted) -> Config {
    let gateway = wanted.gateway.is_some();
    Config::Network(NetworkConfig { internal: wanted.internal || gateway, gateway, ..NetworkConfig::default() })
}

fn support(id: ResourceId, config: Config) -> Node {
    Node { id, role: Role::Support, config, probe: None, failures: Vec::new() }
}

fn is_empty(schedule: &Schedule) -> bool {
    schedule.0.is_empty()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
