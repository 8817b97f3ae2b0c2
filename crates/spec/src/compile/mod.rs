//! Compiles a spec and its dependencies to a graph of resources.
//!
//! Knows no capability by name. Adds only the network and, if nothing else sets a command, the command that keeps an
//! idle sandbox up.

mod agent_plane;
mod builder;
mod choose;
mod dockerfile;
mod fit;
mod gateway;
mod git;
mod image;
mod isolated;
mod program;
mod pulls;
mod settle;
mod sources;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::builder::Builder;
use self::choose::choose;
use self::dockerfile::{Dockerfile, dockerfile, is_built, own_dockerfile};
use self::program::{idle_probe, program, readiness, running_probe, service_probe};
use self::vault::Sealer;
use crate::capability::{
    FailurePart, FilePart, MainPart, MountPart, ProbePart, ReadyBefore, RightsPart, Sidecar, VolumePart,
};
use crate::{Capabilities, Capability, Diagnostic, Diagnostics, NamedVolume, Service, Spec};
use moat_model::graph::{Edge, Gate, Graph, Milestone, Node};
use moat_model::resource::{
    BuildNetwork, Config, ContainerConfig, FileConfig, HealthConfig, ImageCheck, ImageRef, KnownFailure, Mount,
    MountSource, NetworkAttachment, Probe, ResourceId, RestartPolicy, Retention, Rights, Role, Run, Secret,
    VolumeConfig,
};

pub use self::choose::{needs_vault, with_unknown_dependencies};
pub use self::fit::warnings;
pub use self::isolated::could_be_rootless;
pub use self::settle::{Host, Obstacle, Users, needs_host, settle};
pub use self::vault::Vault;

/// The only network of a run.
const NETWORK: &str = "agent";

/// Compiles a spec without its secrets: enough to find or remove its resources.
///
/// # Errors
/// Like [`compile_with`].
pub fn compile(spec: &Spec, capabilities: &Capabilities) -> Result<Graph, Diagnostics> {
    compile_with(spec, capabilities, None)
}

/// Compiles a spec. `vault`: the values of secrets.
///
/// # Errors
/// All errors that involve several parts, such as an unknown dependency.
pub fn compile_with(spec: &Spec, capabilities: &Capabilities, vault: Option<&Vault>) -> Result<Graph, Diagnostics> {
    let mut chosen = choose(spec, capabilities)?;
    let run = Run::derive(spec.agent.clone(), &spec.source.path);
    let sealer = Sealer { vault, run: &run };
    let made = match &spec.build {
        Some(build) => Some(own_dockerfile(spec, build, sealer.build(build))),
        None => is_built(spec, &chosen).then(|| dockerfile(spec, &chosen)),
    };
    if made.is_some() && spec.build.is_none() {
        dockerfile::choose_user(spec, &mut chosen);
    }
    let build_network = build_network(spec);
    let image = main_image(spec, made.as_ref(), &chosen);
    let mut parts = Parts { made, build_network, ..Parts::default() };
    parts.add(ResourceId::network(NETWORK), Role::Support, Config::Network(gateway::network(spec)));

    let builds = chosen.iter().find_map(|capability| capability.builds.as_ref());
    let mut conflicts = fit::conflicts(spec, &chosen);
    conflicts.extend(isolated::faults(spec, &chosen));
    if !conflicts.is_empty() {
        return Err(Diagnostics::new(&spec.source, conflicts));
    }
    let holder = program::holder(spec, &chosen);
    for capability in &chosen {
        let holds = holder == Some(capability.capability.as_str());
        for sidecar in &capability.sidecars {
            let secrets = sealer.brought(&ResourceId::container(&sidecar.name), capability, &sidecar.secrets);
            let gate = if holds && sidecar.ready_before == ReadyBefore::Command { Gate::Prove } else { Gate::Start };
            let builds = builds.filter(|builds| builds.sidecar == sidecar.name);
            let builder = builds.map(|builds| Builder::new(builds, spec, sealer));
            parts.sidecar(sidecar, secrets, builder.as_ref(), gate);
        }
    }
    for (name, service) in &spec.services {
        let secrets = sealer.sealed(&ResourceId::container(name), service.concealed.clone());
        parts.service(name, service, secrets);
    }
    let mains: Vec<&MainPart> = chosen.iter().map(|capability| &capability.main).collect();
    let of_daemon = builds.map_or_else(Vec::new, |builds| builder::of_daemon(builds, &spec.registries));
    parts.main(spec, image, &mains, sealer.main(spec, &chosen), of_daemon);
    let relays = spec.network.egress.as_ref().map(|policy| {
        let builder = builds.map(|builds| ResourceId::container(&builds.sidecar));
        gateway::add(&mut parts, spec, sealer, policy, builder.as_ref())
    });

    let mut unfit = isolated::unprotected(spec, &parts.nodes);
    unfit.extend(image::of_two_platforms(spec, &parts.nodes));
    if !unfit.is_empty() {
        return Err(Diagnostics::new(&spec.source, unfit));
    }
    let builds = builds.map(|part| builder::builds(part, spec));
    let mut graph = Graph::build(run, builds, parts.nodes, &parts.edges).map_err(|error| {
        // Only capabilities define conflicting resources, so the error has no location in the file.
        Diagnostics::new(&spec.source, vec![Diagnostic::error(0..0, error.to_string())])
    })?;
    graph.resolutions.clone_from(&spec.path_facts.resolutions);
    graph.files.clone_from(&spec.path_facts.files);
    graph.relays = relays.unwrap_or_default();
    Ok(graph)
}

/// The network of the build of main's image. With a closed network a build has none, because the sandbox may have
/// written its instructions or the files of its context. A build with only moat's own instructions keeps the network.
fn build_network(spec: &Spec) -> BuildNetwork {
    let is_ours = spec.build.is_none() && !spec.hooks.build();
    let fits = if spec.network.is_closed() && !is_ours { BuildNetwork::None } else { BuildNetwork::Default };
    spec.network.build.unwrap_or(fits)
}

/// The main container's image: the one that is built, the spec's or a dependency's.
fn main_image(spec: &Spec, made: Option<&Dockerfile>, chosen: &[Capability]) -> ImageRef {
    let brought = || chosen.iter().find_map(|capability| capability.image.clone());
    let found = made.map(|made| made.reference.clone()).or_else(|| spec.image.clone()).or_else(brought);
    found.unwrap_or_else(|| unreachable!("an image is built if there is no other"))
}

/// The nodes and edges so far.
#[derive(Default)]
struct Parts {
    nodes: Vec<Node>,
    edges: Vec<(ResourceId, ResourceId, Edge)>,
    images: BTreeSet<ImageRef>,
    /// The image that is built for main.
    made: Option<Dockerfile>,
    /// The network of its build steps.
    build_network: BuildNetwork,
    /// The containers that must be ready before a step of main.
    sidecars: Vec<(ResourceId, Gate)>,
    /// The containers of capabilities, besides main.
    brought: BTreeSet<ResourceId>,
}

impl Parts {
    fn add(&mut self, id: ResourceId, role: Role, config: Config) {
        self.nodes.push(Node { id, role, config, probe: None, failures: Vec::new() });
    }

    fn sidecar(
        &mut self,
        sidecar: &Sidecar,
        mut secrets: BTreeMap<String, Secret>,
        builder: Option<&Builder<'_>>,
        gate: Gate,
    ) {
        let settings = builder.map(|builder| builder.settings);
        let chosen_image = settings.and_then(|settings| settings.image.clone());
        let volumes: Vec<_> =
            sidecar.volumes.iter().map(|it| builder.map_or_else(|| it.clone(), |b| b.volume(it))).collect();
        let mut env = sidecar.env.clone();
        if let Some(builder) = builder {
            secrets.retain(|name, _| !builder.env.contains_key(name));
            secrets.extend(builder.secrets.clone());
            env.extend(builder.env.clone());
            env.retain(|name, _| !secrets.contains_key(name));
        }
        let file = |part: &FilePart| builder.map_or_else(|| file(part), |builder| builder.file(part));
        let id = ResourceId::container(&sidecar.name);
        let image = chosen_image.unwrap_or_else(|| sidecar.image.clone());
        let config = ContainerConfig {
            entrypoint: sidecar.entrypoint.clone(),
            command: sidecar.command.clone(),
            env,
            secrets,
            hostname: Some(sidecar.name.clone()),
            user: sidecar.user.clone(),
            privileged: sidecar.privileged,
            rights: rights(&[&sidecar.rights], Rights::default()),
            init: sidecar.init,
            mounts: self.volumes(&volumes),
            files: sidecar.files.iter().map(file).chain(builder.and_then(Builder::certificates)).collect(),
            limits: settings.map(|settings| settings.limits).unwrap_or_default(),
            oom_score_adj: settings.and_then(|settings| settings.oom_score_adj),
            logging: settings.and_then(|settings| settings.logging.clone()),
            restart: sidecar.restart.into(),
            stop_timeout: sidecar.stop_timeout,
            health: sidecar.ready.as_ref().map(health),
            ..ContainerConfig::new(image, attachment(vec![sidecar.name.clone()]))
        };
        let probe = sidecar.ready.as_ref().map_or_else(|| running_probe(sidecar.restart.into(), true), probe);
        self.container(id.clone(), Role::Sidecar, config, probe, known(&sidecar.failures));
        self.brought.insert(id.clone());
        self.sidecars.push((id, gate));
    }

    /// Adds a service of the spec.
    fn service(&mut self, name: &str, service: &Service, secrets: BTreeMap<String, Secret>) {
        let (id, restart) = (ResourceId::container(name), RestartPolicy::UnlessStopped);
        let config = ContainerConfig {
            command: service.command.clone().unwrap_or_default(),
            env: service.env.clone(),
            secrets,
            hostname: Some(name.to_owned()),
            init: true,
            mounts: self.named_volumes(&service.volumes),
            ports: service.ports.clone(),
            limits: service.limits,
            oom_score_adj: service.oom_score_adj,
            logging: service.logging.clone(),
            restart,
            health: service.wait.as_ref().map(|wait| HealthConfig::new(wait.command.clone())),
            platform: service.platform.clone(),
            ..ContainerConfig::new(service.image.clone(), attachment(vec![name.to_owned()]))
        };
        let probe =
            service.wait.as_ref().map_or_else(|| running_probe(restart, true), |wait| service_probe(wait, restart));
        self.container(id.clone(), Role::Sidecar, config, probe, Vec::new());
        for other in &service.depends_on {
            let edge = Edge { gates: Gate::Start, until: Milestone::Ready };
            self.edges.push((id.clone(), ResourceId::container(other), edge));
        }
        self.sidecars.push((id, Gate::Start));
    }

    fn main(
        &mut self,
        spec: &Spec,
        image: ImageRef,
        parts: &[&MainPart],
        secrets: BTreeMap<String, Secret>,
        of_daemon: Vec<FileConfig>,
    ) {
        let (entrypoint, command, idles) = program(spec, parts);
        let mut env = BTreeMap::new();
        for part in parts {
            env.extend(part.env.clone());
        }
        // The spec takes precedence.
        env.extend(spec.env.clone());
        env.retain(|name, _| !secrets.contains_key(name));
        let volumes: Vec<VolumePart> = parts.iter().flat_map(|part| part.volumes.clone()).collect();
        let mut mounts = self.volumes(&volumes);
        mounts.extend(parts.iter().flat_map(|part| &part.mounts).map(host_mount));
        mounts.extend(self.named_volumes(&spec.volumes));
        mounts.extend(spec.mounts.iter().cloned());
        mounts.extend(git::mounts(spec, &mounts));
        let extras = git::extras(spec, &mounts);
        // An idle sandbox stays up; a command may end.
        let restart = if idles { RestartPolicy::UnlessStopped } else { RestartPolicy::No };
        let restart = spec.restart.unwrap_or(restart);
        let ready = readiness(spec, parts, restart);
        let config = ContainerConfig {
            entrypoint,
            command,
            env,
            secrets,
            user: spec.user.clone().or_else(|| parts.iter().find_map(|part| part.user.clone())),
            workdir: spec.workdir.clone(),
            interactive: spec.interactive,
            labels: spec.labels.clone(),
            hostname: spec.hostname.clone(),
            privileged: parts.iter().any(|part| part.privileged),
            init: spec.init,
            hosts: spec.network.extra_hosts.clone(),
            // The gateway asks them in the place of main.
            dns: if spec.network.egress.is_some() { Vec::new() } else { spec.dns.clone() },
            ports: spec.ports.clone(),
            mounts,
            files: parts.iter().flat_map(|part| &part.files).map(file).chain(of_daemon).collect(),
            limits: spec.limits,
            ulimits: spec.ulimits.clone(),
            shm: spec.shm,
            oom_score_adj: spec.oom_score_adj,
            logging: spec.logging.clone(),
            restart,
            rights: rights(&parts.iter().map(|part| &part.rights).collect::<Vec<_>>(), spec.rights.clone()),
            stop_timeout: spec.stop_timeout.or(parts.iter().filter_map(|part| part.stop_timeout).max()),
            health: ready.as_ref().map(|ready| ready.health.clone()),
            image_check: if idles { ImageCheck::Off } else { ImageCheck::Kept },
            extras,
            platform: spec.platform.clone(),
            ..ContainerConfig::new(image, attachment(Vec::new()))
        };
        let is_plain_idle =
            idles && spec.hooks.pre_run.is_none() && parts.iter().all(|part| part.entrypoint.is_empty());
        let default_probe = if is_plain_idle { idle_probe() } else { running_probe(restart, !idles) };
        let probe = ready.map_or(default_probe, |ready| ready.probe);
        let mut failures: Vec<_> = parts.iter().flat_map(|part| known(&part.failures)).collect();
        if is_plain_idle {
            failures.push(program::no_sleep());
        }
        let id = ResourceId::main();
        self.container(id.clone(), Role::Main, config, probe, failures);
        for (sidecar, gates) in self.sidecars.clone() {
            self.edges.push((id.clone(), sidecar, Edge { gates, until: Milestone::Ready }));
        }
    }

    fn named_volumes(&mut self, volumes: &[NamedVolume]) -> Vec<Mount> {
        let mut mounts = Vec::with_capacity(volumes.len());
        for NamedVolume { name, target, read_only } in volumes {
            let id = ResourceId::volume(name);
            self.add(id.clone(), Role::Support, Config::Volume(VolumeConfig { retention: Retention::Keep }));
            mounts.push(Mount { read_only: *read_only, ..Mount::volume(id, target) });
        }
        mounts
    }

    fn container(
        &mut self,
        id: ResourceId,
        role: Role,
        config: ContainerConfig,
        probe: Probe,
        failures: Vec<KnownFailure>,
    ) {
        let image = ResourceId::image(&config.image);
        if self.images.insert(config.image.clone()) {
            let made = self.made.as_ref().filter(|made| made.reference == config.image);
            let image_config = image::config(&config, made, self.build_network);
            self.add(image.clone(), Role::Support, Config::Image(image_config));
        }
        let needs = [image, config.network.network.clone()].into_iter();
        for on in needs.chain(config.mounts.iter().filter_map(Mount::own_volume).cloned()) {
            self.edges.push((id.clone(), on, Edge { gates: Gate::Create, until: Milestone::Created }));
        }
        self.nodes.push(Node { id, role, config: Config::Container(Box::new(config)), probe: Some(probe), failures });
    }

    fn volumes(&mut self, volumes: &[VolumePart]) -> Vec<Mount> {
        let mut mounts = Vec::with_capacity(volumes.len());
        for volume in volumes {
            let id = ResourceId::volume(&volume.name);
            // A sidecar may share it with main.
            if !self.nodes.iter().any(|node| node.id == id) {
                self.add(id.clone(), Role::Support, Config::Volume(VolumeConfig { retention: retention(volume) }));
            }
            mounts.push(Mount { read_only: volume.read_only, ..Mount::volume(id, &volume.target) });
        }
        mounts
    }
}

fn attachment(aliases: Vec<String>) -> NetworkAttachment {
    NetworkAttachment { network: ResourceId::network(NETWORK), aliases }
}

/// The rights of a spec and of its dependencies.
fn rights(parts: &[&RightsPart], mut own: Rights) -> Rights {
    for part in parts {
        part.add_to(&mut own);
    }
    own
}

fn host_mount(part: &MountPart) -> Mount {
    let source = MountSource::Path(part.path.clone());
    Mount { source, target: part.target.clone(), read_only: part.read_only }
}

fn retention(volume: &VolumePart) -> Retention {
    if volume.scratch { Retention::Scratch } else { Retention::Keep }
}

fn file(part: &FilePart) -> FileConfig {
    let mode = if part.executable { 0o755 } else { 0o644 };
    FileConfig { path: part.path.clone(), mode, content: part.content.clone() }
}

fn known(parts: &[FailurePart]) -> Vec<KnownFailure> {
    parts.iter().map(KnownFailure::from).collect()
}

pub(super) fn health(part: &ProbePart) -> HealthConfig {
    HealthConfig::new(part.command.clone())
}

pub(super) fn probe(part: &ProbePart) -> Probe {
    Probe::Exec {
        command: part.command.clone(),
        interval: Duration::from_millis(part.interval_ms),
        timeout: Duration::from_secs(part.timeout),
        // The probe of a capability succeeds only when its daemon is up.
        settle: Duration::ZERO,
    }
}
