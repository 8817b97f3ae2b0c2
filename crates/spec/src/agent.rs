//! A validated `agent.yaml`: every value in it is well formed.
//!
//! The keys of the language are in `language`. The compiler checks whether dependencies exist and whether the parts fit
//! together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::build::Build;
use super::check::check;
use super::diagnostic::{Diagnostic, Diagnostics, Severity, quoted};
use super::env_file_errors::EnvFileErrors;
use super::environment::{EmptyEnv, Environment, Inputs, Recorder};
use super::extend::Loader;
use super::grants::SpecGrant;
use super::hooks::Hooks;
use super::isolation::{AUTO, Auto, Isolation};
use super::language;
use super::lower::Lowering;
use super::path_facts::PathFacts;
use super::raw::{Container, File, NetworkPolicy, Resources};
use super::registries::Registries;
use super::scan::scan;
use super::secrets::SecretSource;
use super::service::Service;
use super::settings::{BuilderSettings, NamedVolume, NetworkSettings};
use super::source::{Located, Source, Span};
use super::tree::{Content, Node, Places, Scalar};
use super::{short_forms, tuning};
use moat_model::resource::{
    AgentName, HealthConfig, ImageRef, Limits, LogConfig, Mount, MountSource, Platform, PortConfig, RestartPolicy,
    Rights, SecretText, Size, Ulimit,
};

/// The spec of one agent's sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub source: Source,
    /// Where each value was written, for errors that are found later.
    pub places: Places,
    pub agent: AgentName,
    /// For information only.
    pub version: Option<String>,
    /// `None`: the image of a capability.
    pub image: Option<ImageRef>,
    /// Of the main container's image. `None`: the engine's own.
    pub platform: Option<Platform>,
    /// The build of the main container's image.
    pub build: Option<Build>,
    /// The base of an image that moat builds.
    pub base_image: Option<ImageRef>,
    /// Names of capabilities, without duplicates. The compiler checks whether they exist.
    pub dependencies: Vec<Located<String>>,
    /// `None`: the sandbox stays up, idle. A string in the file is a shell command line.
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub user: Option<String>,
    /// The value in the file, or else the workspace.
    pub workdir: Option<String>,
    pub interactive: bool,
    /// `None`: the engine's default, the container's id.
    pub hostname: Option<String>,
    /// Whether a small init runs as the first process.
    pub init: bool,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    pub rights: Rights,
    /// With `auto`, the most likely one until an engine has been asked.
    pub isolation: Isolation,
    /// Set if the spec leaves the isolation to the engine.
    pub auto: Option<Auto>,
    /// `None`: chosen by the compiler from the command.
    pub restart: Option<RestartPolicy>,
    pub env: BTreeMap<String, String>,
    /// Variables from files or from moat's environment, which may be secrets.
    pub concealed: BTreeMap<String, SecretText>,
    /// Variables that have not been fetched yet: see [`secrets`](super::secrets).
    pub secrets: BTreeMap<String, SecretSource>,
    /// The workspace comes first. Volumes of the run are not included.
    pub mounts: Vec<Mount>,
    pub volumes: Vec<NamedVolume>,
    pub ports: Vec<PortConfig>,
    pub limits: Limits,
    pub dns: Vec<IpAddr>,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub shm: Option<Size>,
    pub oom_score_adj: Option<i32>,
    pub logging: Option<LogConfig>,
    pub network: NetworkSettings,
    /// The policy of the network has them, too.
    pub grants: Vec<SpecGrant>,
    pub healthcheck: Option<HealthConfig>,
    pub hooks: Hooks,
    /// The uid of the workspace's owner, if the workspace is a folder on this host.
    pub owner: Option<u32>,
    /// By name.
    pub services: BTreeMap<String, Service>,
    pub labels: BTreeMap<String, String>,
    pub buildkit: BuilderSettings,
    pub registries: Registries,
    /// The other files that it was read from: extended files and files of variables.
    pub reads: BTreeSet<PathBuf>,
    /// What this host has at the mounted paths; empty until it has been inspected.
    pub path_facts: PathFacts,
}

/// The result of reading a file.
#[derive(Debug)]
pub struct ParseOutput {
    /// The agents of the file, in its order, or all of its errors.
    pub specs: Result<Vec<Spec>, Diagnostics>,
    /// Warnings; empty if `specs` is an error, which then includes them.
    pub warnings: Diagnostics,
    /// The other files that the specs depend on.
    pub inputs: Inputs,
}

/// Each agent keeps a copy of the text, and more agents in one file are not realistic.
const AGENTS_MAX: usize = 64;

/// Reads a spec of exactly one agent, with an empty environment.
///
/// # Errors
/// All errors of the spec.
pub fn parse(source: Source) -> Result<Spec, Diagnostics> {
    let mut specs = parse_all(source, &EmptyEnv).specs?;
    let more = specs.get(1).map(|spec| {
        Diagnostics::at(
            &spec.source,
            spec.place("agent"),
            "expected one agent, found a second one",
            "keep one document",
        )
    });
    match (more, specs.pop()) {
        (None, Some(spec)) => Ok(spec),
        (Some(more), _) => Err(more),
        (None, None) => unreachable!("a file without an agent is an error"),
    }
}

/// The name of a spec's file elsewhere, where its folder is the workspace unless it says otherwise.
const OTHER_NAME: &str = "moat.yaml";

/// Reads a spec file. Each document is one agent.
pub fn parse_all(source: Source, env: &dyn Environment) -> ParseOutput {
    let recorder = Recorder::new(env);
    let (mut specs, warnings) = read(source.without_byte_order_mark(), &recorder);
    let inputs = recorder.into_inputs();
    // No caller needs to know which document read which file.
    specs.iter_mut().flatten().for_each(|spec| spec.reads.clone_from(&inputs.read));
    ParseOutput { specs, warnings, inputs }
}

/// The dependencies of a spec that has other errors, as far as they can be read, so that their errors are reported
/// together with the others.
pub fn dependencies(source: &Source) -> Vec<Located<String>> {
    let maps = scan(&source.text).0.into_iter().filter_map(|root| match root.content {
        Content::Map(entries) => Some(entries),
        _ => None,
    });
    let lists = maps.flatten().filter(|entry| entry.key == "dependencies").map(|entry| entry.value.content);
    let items = lists.flat_map(|content| if let Content::List(items) = content { items } else { Vec::new() });
    let name = |item: Node| match item.content {
        Content::Scalar(Scalar::Text, value) => Some(Located { value, span: item.span }),
        _ => None,
    };
    items.filter_map(name).collect()
}

/// Parses the syntax, merges extended files, checks every value against the language, and lowers the result.
fn read(source: Source, env: &dyn Environment) -> (Result<Vec<Spec>, Diagnostics>, Diagnostics) {
    let (mut documents, mut faults) = scan(&source.text);
    if let Some(excess) = documents.get(AGENTS_MAX) {
        let fault = Diagnostic::error(excess.span.clone(), format!("more than {AGENTS_MAX} agents in one file"));
        faults.push(fault.hint("move the others to separate files: commands accept a folder"));
        documents.truncate(AGENTS_MAX);
    }
    let mut loader = Loader::new(source, env);
    let mut roots: Vec<Node> = documents.into_iter().map(|document| loader.complete(document)).collect();
    let Loader { mut source, faults: of_files, mut filler, .. } = loader;
    faults.extend(of_files);
    if let Some(bad) = filler.bad_file() {
        let (written, path) = (".env".to_owned(), source.path.with_file_name(".env"));
        faults.extend(EnvFileErrors { written, at: 0..0, path, bad }.diagnostics(&mut source));
    }
    faults.extend(filler.faults);
    // A value whose substitution failed is reported once.
    let is_reported = |fault: &Diagnostic, faults: &[Diagnostic]| faults.iter().any(|known| known.span == fault.span);
    for root in &roots {
        let found = check(&source, root, &language::AGENT);
        let new: Vec<Diagnostic> = found.into_iter().filter(|fault| !is_reported(fault, &faults)).collect();
        faults.extend(new);
    }
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return (Err(Diagnostics::new(&source, faults)), Diagnostics::new(&source, Vec::new()));
    }
    let warnings = Diagnostics::new(&source, std::mem::take(&mut faults));
    let mut specs = Vec::with_capacity(roots.len());
    let mut env_files: Vec<EnvFileErrors> = Vec::new();
    for root in &mut roots {
        language::AGENT.prune(root);
        language::AGENT.rename_aliases(root);
        if source.path.file_name().is_some_and(|name| name == OTHER_NAME) {
            root.add_default("workspace", ".");
        }
        match Spec::lower(&source, root, env) {
            Ok(spec) => specs.push(spec),
            Err((found, files)) => {
                faults.extend(found);
                env_files.extend(files);
            }
        }
    }
    faults.extend(duplicate_agents(&specs));
    // Agents of one file may share a file of variables.
    env_files.sort_by(|one, other| one.path.cmp(&other.path));
    env_files.dedup_by(|one, other| one.path == other.path);
    faults.extend(env_files.into_iter().flat_map(|file| file.diagnostics(&mut source)));
    let specs = if faults.is_empty() { Ok(specs) } else { Err(Diagnostics::new(&source, faults)) };
    (specs, warnings)
}

/// Reports duplicate names: two agents of one file with one name would share a sandbox.
fn duplicate_agents(specs: &[Spec]) -> Vec<Diagnostic> {
    let named_before = |i: usize| specs[..i].iter().any(|other| other.agent == specs[i].agent);
    let fault = |i: usize| {
        let message = format!("duplicate agent {} in this file", quoted(specs[i].agent.as_str()));
        Diagnostic::error(specs[i].place("agent"), message).hint("rename one of them")
    };
    (1..specs.len()).filter(|i| named_before(*i)).map(fault).collect()
}

impl Spec {
    /// Whether the spec grants the credential of a provider, or has it in a variable of the provider.
    pub fn has_credential(&self, provider: &str) -> bool {
        let Ok(provider) = moat_policy::grant::find(provider) else { return false };
        let has = |name: &String| {
            self.env.contains_key(name) || self.concealed.contains_key(name) || self.secrets.contains_key(name)
        };
        self.grants.iter().any(|it| it.grant.name.as_str() == provider.name) || provider.variables.iter().any(has)
    }

    /// Lowers a document that matches the language.
    fn lower(
        source: &Source,
        root: &Node,
        env: &dyn Environment,
    ) -> Result<Self, (Vec<Diagnostic>, Vec<EnvFileErrors>)> {
        // Every document that matches the language also fits the types; a unit test covers every key.
        let unreadable =
            |error: super::read::ReadError| (vec![Diagnostic::error(root.span.clone(), error.to_string())], Vec::new());
        let file = File::deserialize(root).map_err(unreadable)?;
        let places = Places::of(root);
        let whole = 0..source.text.len();
        let located = |(i, value)| {
            let span = places.value(&format!("dependencies.{i}")).unwrap_or_else(|| whole.clone());
            Located { value, span }
        };
        let dependencies = file.dependencies.into_iter().enumerate().map(located).collect();
        let mut lowering = Lowering::new(&places, source, env.variable("HOME").filter(|home| !home.is_empty()));
        let workspace = lowering.workspace(file.workspace);
        let bound = workspace.mounts.iter().find_map(|mount| match &mount.source {
            MountSource::Path(path) => Some(path),
            _ => None,
        });
        let owner = bound.and_then(|path| env.owner(Path::new(path)));
        let mut mounts = workspace.mounts;
        mounts.extend(lowering.mounts(file.mounts));
        let declared = lowering.volumes(file.volumes);
        mounts.extend(lowering.tmpfs_mounts(file.tmpfs));
        let rights = lowering.rights(&file.cap_add, &file.cap_drop, &file.devices, file.gpus);
        let rights = Rights { read_only: file.read_only, runtime: file.container.runtime.clone(), ..rights };
        let ports = lowering.ports("ports", file.ports);
        let services = lowering.services(file.services);
        let of_services = services.iter().filter(|(_, service)| !service.ports.is_empty());
        let mut published: Vec<String> = of_services.map(|(name, _)| format!("services.{name}.ports")).collect();
        published.extend((!ports.is_empty()).then(|| "ports".to_owned()));
        let container = file.container;
        let Container { memory, cpus, pids, oom_score_adj, .. } = container;
        let resources = Resources { memory, cpus, pids, oom_score_adj };
        let environment = lowering.environment(file.env, file.env_file, file.secrets, env);
        let is_open = matches!(file.network.policy, NetworkPolicy::Open);
        let mut network = lowering.network(file.network, &published, !file.grants.is_empty());
        // A policy with an error of its own is one.
        let has_policy = !is_open || network.egress.is_some();
        let grants = lowering.grants(file.grants, has_policy, &mut network.egress);
        let spec = Self {
            dependencies,
            agent: file.agent,
            version: file.version,
            image: file.image,
            platform: file.platform,
            build: file.build.and_then(|build| lowering.build(build, &environment.secrets, env)),
            base_image: file.base_image,
            hooks: file.hooks.into(),
            owner,
            command: file.command.map(|command| command.0),
            entrypoint: file.entrypoint.map(|entrypoint| entrypoint.0),
            user: file.user,
            workdir: file.workdir.or(workspace.target),
            interactive: file.interactive,
            hostname: file.hostname,
            init: file.init,
            stop_timeout: file.stop_timeout.and_then(|text| lowering.read("stop_timeout", tuning::stop_timeout(&text))),
            rights,
            isolation: Isolation::parse(&file.isolation).unwrap_or(Isolation::Rootless),
            auto: (file.isolation == AUTO).then(Auto::default),
            restart: file.restart.map(Into::into),
            env: environment.plain,
            concealed: environment.concealed,
            secrets: environment.secrets,
            mounts,
            volumes: workspace.volume.into_iter().chain(declared).collect(),
            network,
            grants,
            ports,
            limits: lowering.limits("container", &resources),
            oom_score_adj: lowering.oom_score_adj("container", resources.oom_score_adj.as_ref()),
            logging: container.logging,
            dns: lowering.list("container.dns", &container.dns, short_forms::address),
            ulimits: lowering.each("container.ulimits", container.ulimits, short_forms::ulimit),
            shm: container.shm.and_then(|text| lowering.read("container.shm", short_forms::memory(&text))),
            healthcheck: file.healthcheck.map(|health| lowering.health(health)),
            services,
            labels: file.labels,
            buildkit: lowering.buildkit(file.buildkit),
            registries: lowering.registries(file.registries, env),
            reads: BTreeSet::new(),
            path_facts: PathFacts::default(),
            source: source.clone(),
            places: Places::default(),
        };
        let (faults, env_files) = (lowering.faults, lowering.bad_files);
        if faults.is_empty() && env_files.is_empty() { Ok(Self { places, ..spec }) } else { Err((faults, env_files)) }
    }

    /// Where the value at a path such as `buildkit.image` or `dependencies.0` was written. Falls back to the nearest
    /// enclosing value, then to the agent's name.
    pub fn place(&self, path: &str) -> Span {
        self.places.value(path).or_else(|| self.places.value("agent")).unwrap_or_default()
    }

    /// The mount of the workspace, if it is a folder on this host.
    pub fn workspace(&self) -> Option<&Mount> {
        // A workspace on a volume is the first of the volumes and is not in the list of the file.
        let is_bound = self.places.has("workspace") && self.volumes.len() == self.places.items("volumes");
        self.mounts.first().filter(|_| is_bound)
    }

    /// Where each of the mounts was written, in their order.
    pub fn mount_places(&self) -> Vec<Span> {
        let mut keys = self.workspace().map(|_| "workspace".to_owned()).into_iter();
        let mut keys = keys.by_ref().chain((0..).map(|i| format!("mounts.{i}")));
        let mut at = String::new();
        let mut place = |mount: &Mount| {
            // An empty folder is an exclusion of the mount before it.
            if mount.source != MountSource::Empty {
                at = keys.next().unwrap_or_default();
            }
            let parts = [".path", ".source", ""].map(|part| format!("{at}{part}"));
            self.place(parts.iter().find(|at| self.places.has(at)).unwrap_or(&at))
        };
        self.mounts.iter().map(&mut place).collect()
    }

    /// Like [`Spec::place`], but for the key.
    pub fn place_of_key(&self, path: &str) -> Span {
        self.places.key(path).or_else(|| self.places.key("agent")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Key, Shape};
    use super::*;

    /// An environment where every variable, file and program exists.
    struct Anything;

    impl Environment for Anything {
        fn variable(&self, _: &str) -> Option<String> {
            Some("/home/me".to_owned())
        }

        fn read(&self, path: &std::path::Path) -> Result<String, super::super::environment::FileError> {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let text = match extension {
                Some("yaml") => "image: debian:13\n",
                Some("pem") => "-----BEGIN CERTIFICATE-----\nA=\n-----END CERTIFICATE-----\n",
                _ if path.ends_with("Dockerfile") => "FROM debian:13\n",
                _ => "A=b\n",
            };
            Ok(text.to_owned())
        }

        fn run(&self, _: &str, _: &[&str]) -> Result<String, super::super::environment::ProgramError> {
            Ok("x".to_owned())
        }
    }

    /// A spec in which the key at a path has the value.
    fn with(path: &[&Key], value: &str) -> String {
        let Some((key, parents)) = path.split_last() else { return value.to_owned() };
        let siblings: Vec<String> = match parents.last().map(|parent| keys_of(&parent.shape)) {
            Some(keys) => keys
                .iter()
                .filter(|other| other.required.is_some() && other.name != key.name)
                .map(|other| format!(", {}: {}", other.name, other.example))
                .collect(),
            None => Vec::new(),
        };
        let value = format!("{{{}: {value}{}}}", key.name, siblings.concat());
        let is_listed = parents.last().is_some_and(|parent| is_list(&parent.shape));
        let is_named = parents.last().is_some_and(|parent| matches!(parent.shape, Shape::Map { .. }));
        with(
            parents,
            &match (is_listed, is_named) {
                (true, _) => format!("[{value}]"),
                (_, true) => format!("{{db: {value}}}"),
                _ => value,
            },
        )
    }

    /// Whether the mappings with keys are list items.
    fn is_list(shape: &Shape) -> bool {
        match shape {
            Shape::List { .. } => true,
            Shape::Either(shapes) => shapes.iter().find(|shape| !keys_of(shape).is_empty()).is_some_and(is_list),
            _ => false,
        }
    }

    fn keys_of(shape: &Shape) -> &'static [Key] {
        match shape {
            Shape::Keys(keys) => keys,
            Shape::List { item, .. } => keys_of(item),
            Shape::Map { value, .. } => keys_of(value),
            Shape::Either(shapes) => shapes.iter().map(keys_of).find(|keys| !keys.is_empty()).unwrap_or_default(),
            _ => &[],
        }
    }

    fn every_key(shape: &Shape, path: &mut Vec<&'static Key>, see: &mut impl FnMut(&[&'static Key])) {
        for key in keys_of(shape) {
            path.push(key);
            see(path);
            every_key(&key.shape, path, see);
            path.pop();
        }
    }

    // A key of the language without a field in `File` would be rejected with a message of serde, after all checks
    // passed.
    #[test]
    fn the_example_of_every_key_fits_its_rule_and_the_types() {
        let mut seen = 0;
        every_key(&language::AGENT, &mut Vec::new(), &mut |path| {
            seen += 1;
            // The keys of a grant depend on its provider; the diagnostics have a case for each.
            if path[0].name == "grants" && path.len() > 1 {
                return;
            }
            // The example is too short for a certificate; the diagnostics have a case.
            if path[path.len() - 1].name == "roots" {
                return;
            }
            let example = path.last().expect("a key").example;
            let text = with(path, example);
            let text = if path[0].name == "agent" { text } else { text.replacen('{', "{agent: a, ", 1) };
            // Without a policy, rules and grants are an error.
            let is_grant = path[0].name == "grants";
            let text =
                if is_grant { text.replacen("{agent: a, ", "{agent: a, network: {policy: strict}, ", 1) } else { text };
            let is_of_policy = path.len() == 2 && ["rules", "host", "gateway_image"].contains(&path[1].name);
            let text = if is_of_policy { text.replacen("network: {", "network: {policy: learn, ", 1) } else { text };
            let source = Source::new("agent.yaml", "/agent.yaml", format!("{text}\n"));
            parse_all(source, &Anything).specs.unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"));
        });
        assert!(seen > 40, "{seen}");
    }
}
