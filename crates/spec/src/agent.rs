//! `agent.yaml` as meant: values that cannot be wrong any more.
//!
//! The language itself, key by key, is in `language`. Whether dependencies exist, and whether
//! the parts fit together, is for the compiler to say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::build::Build;
use super::check::check;
use super::diagnostic::{Diagnostic, Diagnostics, Severity, quoted};
use super::environment::{EmptyEnv, Environment, Inputs, Recorder};
use super::extend::Loader;
use super::ground::Ground;
use super::hooks::Hooks;
use super::language;
use super::lower::Meaning;
use super::misread::Misread;
use super::raw::{Container, File, Resources};
use super::scan::scan;
use super::secrets::SecretSource;
use super::service::Service;
use super::source::{Located, Source, Span};
use super::tree::{Content, Node, Places, Scalar};
use super::{short_forms, tuning};
use moat_model::resource::{
    AgentName, BuildNetwork, HealthConfig, ImageRef, Limits, LogConfig, Mount, MountSource, PortConfig, RestartPolicy,
    Rights, SecretText, Size, Ulimit,
};

/// One agent's sandbox, as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub source: Source,
    /// Where everything was written; for findings that only show later.
    pub places: Places,
    pub agent: AgentName,
    /// For people.
    pub version: Option<String>,
    /// `None`: the one that a capability brings.
    pub image: Option<ImageRef>,
    /// What the main container's image is built from.
    pub build: Option<Build>,
    /// What an image is made on, in place of one that is taken as it is.
    pub base_image: Option<ImageRef>,
    /// Names of capabilities, each once; whether they exist is for the compiler to say.
    pub dependencies: Vec<Located<String>>,
    /// `None`: the sandbox stays up, idle. A string in the file means a shell's command line.
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub user: Option<String>,
    /// The file's own word, or else the workspace.
    pub workdir: Option<String>,
    pub interactive: bool,
    /// `None`: the engine's own, which is the container's id.
    pub hostname: Option<String>,
    /// Whether a small init is the first process.
    pub init: bool,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    pub rights: Rights,
    /// `None`: as fits the command.
    pub restart: Option<RestartPolicy>,
    pub env: BTreeMap<String, String>,
    /// Variables that came from files or from moat's own environment, and may be secrets.
    pub concealed: BTreeMap<String, SecretText>,
    /// Variables that are still to be fetched: see [`secrets`](super::secrets).
    pub secrets: BTreeMap<String, SecretSource>,
    /// Those of the workspace first. None is a volume of the run.
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
    pub healthcheck: Option<HealthConfig>,
    pub hooks: Hooks,
    /// The number of the user that the workspace belongs to, where it is a folder of this machine.
    pub owner: Option<u32>,
    /// By name.
    pub services: BTreeMap<String, Service>,
    pub labels: BTreeMap<String, String>,
    pub buildkit: BuilderSettings,
    /// The files besides its own that it was read from: what it builds on, variables, configurations.
    pub reads: BTreeSet<PathBuf>,
    /// What this machine has at the paths that it mounts, once somebody has looked.
    pub ground: Ground,
}

/// A volume of the sandbox's own, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVolume {
    pub name: String,
    pub target: String,
    pub read_only: bool,
}

/// What a spec may say about its network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSettings {
    pub subnet: Option<Ipv4Net>,
    pub internal: bool,
    /// `None`: as fits the build.
    pub build: Option<BuildNetwork>,
    /// Of the main container.
    pub extra_hosts: BTreeMap<String, String>,
}

/// What a spec may say about the sidecar that builds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuilderSettings {
    pub image: Option<ImageRef>,
    pub cache: CacheRetention,
    /// `None`: the capability's own.
    pub cache_limit: Option<Size>,
    /// In place of the capability's own configuration.
    pub config: Option<String>,
    pub limits: Limits,
    pub oom_score_adj: Option<i32>,
    pub logging: Option<LogConfig>,
}

/// Whether the build cache outlives a destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheRetention {
    #[default]
    Keep,
    Discard,
}

/// What came of reading a file.
#[derive(Debug)]
pub struct Reading {
    /// The agents of the file, in its order; or everything that is wrong with it, at once.
    pub specs: Result<Vec<Spec>, Diagnostics>,
    /// What a person should know and that keeps nothing from working; empty if there are errors, which have them.
    pub warnings: Diagnostics,
    /// What it depends on, besides the file itself.
    pub inputs: Inputs,
}

/// Each agent keeps the text that it was read from, and nobody looks after more in one file.
const AGENTS_MAX: usize = 64;

/// Reads a spec of one agent that asks for nothing around it.
///
/// # Errors
/// Everything that is wrong with it, at once.
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
        (None, None) => unreachable!("a file without any agent is a fault"),
    }
}

/// Reads a spec file: each of its documents is an agent.
pub fn parse_all(source: Source, around: &dyn Environment) -> Reading {
    let recorder = Recorder::new(around);
    let (mut specs, warnings) = read(source.without_byte_order_mark(), &recorder);
    let inputs = recorder.into_inputs();
    // Which document of a file asked for which of them does not matter to anybody.
    specs.iter_mut().flatten().for_each(|spec| spec.reads.clone_from(&inputs.read));
    Reading { specs, warnings, inputs }
}

/// The dependencies of a spec with other faults, as far as they can be read: what is wrong with them is to be told
/// together with the rest.
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

/// The syntax, what the file builds on, then every value against the language, then the types, then what they mean.
fn read(source: Source, around: &dyn Environment) -> (Result<Vec<Spec>, Diagnostics>, Diagnostics) {
    let (mut documents, mut faults) = scan(&source.text);
    if let Some(one_too_many) = documents.get(AGENTS_MAX) {
        let fault = Diagnostic::error(one_too_many.span.clone(), format!("more than {AGENTS_MAX} agents in one file"));
        faults.push(fault.hint("move the others to separate files: commands accept a folder"));
        documents.truncate(AGENTS_MAX);
    }
    let mut loader = Loader::new(source, around);
    let mut roots: Vec<Node> = documents.into_iter().map(|document| loader.complete(document)).collect();
    let Loader { mut source, faults: of_files, mut filler, .. } = loader;
    faults.extend(of_files);
    if let Some(bad) = filler.bad_file() {
        let (written, path) = (".env".to_owned(), source.path.with_file_name(".env"));
        faults.extend(Misread { written, at: 0..0, path, bad }.told(&mut source));
    }
    faults.extend(filler.faults);
    // A value that could not be filled in is not what is wrong.
    let told = |fault: &Diagnostic, faults: &[Diagnostic]| faults.iter().any(|known| known.span == fault.span);
    for root in &roots {
        let found = check(&source, root, &language::AGENT);
        let news: Vec<Diagnostic> = found.into_iter().filter(|fault| !told(fault, &faults)).collect();
        faults.extend(news);
    }
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return (Err(Diagnostics::new(&source, faults)), Diagnostics::new(&source, Vec::new()));
    }
    let warnings = Diagnostics::new(&source, std::mem::take(&mut faults));
    let mut specs = Vec::with_capacity(roots.len());
    let mut misread: Vec<Misread> = Vec::new();
    for root in &mut roots {
        language::AGENT.prune(root);
        language::AGENT.rename_aliases(root);
        match Spec::of(&source, root, around) {
            Ok(spec) => specs.push(spec),
            Err((found, files)) => {
                faults.extend(found);
                misread.extend(files);
            }
        }
    }
    faults.extend(namesakes(&specs));
    // Agents of one file may share a file of variables.
    misread.sort_by(|one, other| one.path.cmp(&other.path));
    misread.dedup_by(|one, other| one.path == other.path);
    faults.extend(misread.into_iter().flat_map(|file| file.told(&mut source)));
    let specs = if faults.is_empty() { Ok(specs) } else { Err(Diagnostics::new(&source, faults)) };
    (specs, warnings)
}

/// Two agents of one file with one name would be one sandbox.
fn namesakes(specs: &[Spec]) -> Vec<Diagnostic> {
    let named_before = |i: usize| specs[..i].iter().any(|other| other.agent == specs[i].agent);
    let fault = |i: usize| {
        let message = format!("duplicate agent {} in this file", quoted(specs[i].agent.as_str()));
        Diagnostic::error(specs[i].place("agent"), message).hint("rename one of them")
    };
    (1..specs.len()).filter(|i| named_before(*i)).map(fault).collect()
}

impl Spec {
    /// A document that is as the language wants it.
    fn of(source: &Source, root: &Node, around: &dyn Environment) -> Result<Self, (Vec<Diagnostic>, Vec<Misread>)> {
        // What the language allows, the types can hold: a test asks for every key, and properties for any text.
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
        let folder =
            |span: &Span| source.path_at(span.start).parent().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let mut meaning = Meaning::new(&places, &folder, around.variable("HOME").filter(|home| !home.is_empty()));
        let workspace = meaning.workspace(file.workspace);
        let bound = workspace.mounts.iter().find_map(|mount| match &mount.source {
            MountSource::Path(path) => Some(path),
            _ => None,
        });
        let owner = bound.and_then(|path| around.owner(Path::new(path)));
        let mut mounts = workspace.mounts;
        mounts.extend(meaning.mounts(file.mounts));
        let declared = meaning.volumes(file.volumes);
        mounts.extend(meaning.in_memory(file.tmpfs));
        let rights = meaning.rights(&file.cap_add, &file.cap_drop, &file.devices, file.gpus);
        let rights = Rights { read_only: file.read_only, ..rights };
        let ports = meaning.ports("ports", file.ports);
        let services = meaning.services(file.services);
        let of_services = services.iter().filter(|(_, service)| !service.ports.is_empty());
        let mut published: Vec<String> = of_services.map(|(name, _)| format!("services.{name}.ports")).collect();
        published.extend((!ports.is_empty()).then(|| "ports".to_owned()));
        let container = file.container;
        let Container { memory, cpus, pids, oom_score_adj, .. } = container;
        let resources = Resources { memory, cpus, pids, oom_score_adj };
        let environment = meaning.environment(file.env, file.env_file, file.secrets, around);
        let spec = Self {
            dependencies,
            agent: file.agent,
            version: file.version,
            image: file.image,
            build: file.build.and_then(|build| meaning.build(build, around)),
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
            stop_timeout: file.stop_timeout.and_then(|text| meaning.read("stop_timeout", tuning::stop_timeout(&text))),
            rights,
            restart: file.restart.map(Into::into),
            env: environment.plain,
            concealed: environment.concealed,
            secrets: environment.secrets,
            mounts,
            volumes: workspace.volume.into_iter().chain(declared).collect(),
            network: meaning.network(file.network, &published),
            ports,
            limits: meaning.limits("container", &resources),
            oom_score_adj: meaning.oom_score_adj("container", resources.oom_score_adj.as_ref()),
            logging: container.logging,
            dns: meaning.list("container.dns", &container.dns, short_forms::address),
            ulimits: meaning.each("container.ulimits", container.ulimits, short_forms::ulimit),
            shm: container.shm.and_then(|text| meaning.read("container.shm", short_forms::memory(&text))),
            healthcheck: file.healthcheck.map(|health| meaning.health(health)),
            services,
            labels: file.labels,
            buildkit: meaning.buildkit(file.buildkit),
            reads: BTreeSet::new(),
            ground: Ground::default(),
            source: source.clone(),
            places: Places::default(),
        };
        let (faults, misread) = (meaning.faults, meaning.bad_files);
        if faults.is_empty() && misread.is_empty() { Ok(Self { places, ..spec }) } else { Err((faults, misread)) }
    }

    /// Where the value at a path such as `buildkit.image` or `dependencies.0` was written; if it was not, the
    /// nearest thing around it that was, and at last the agent's name, which stands for the whole.
    pub fn place(&self, path: &str) -> Span {
        self.places.value(path).or_else(|| self.places.value("agent")).unwrap_or_default()
    }

    /// The workspace, where it is a folder of this machine.
    pub fn workspace(&self) -> Option<&Mount> {
        // One that is a volume is the first of these.
        let is_bound = self.places.has("workspace") && self.volumes.len() == self.places.items("volumes");
        self.mounts.first().filter(|_| is_bound)
    }

    /// Where each of the mounts was written.
    pub fn mount_places(&self) -> Vec<Span> {
        let mut keys = self.workspace().map(|_| "workspace".to_owned()).into_iter();
        let mut keys = keys.by_ref().chain((0..).map(|i| format!("mounts.{i}")));
        let mut at = String::new();
        let mut place = |mount: &Mount| {
            // What is empty belongs to the one before it.
            if mount.source != MountSource::Empty {
                at = keys.next().unwrap_or_default();
            }
            let parts = [".path", ".source", ""].map(|part| format!("{at}{part}"));
            self.place(parts.iter().find(|at| self.places.has(at)).unwrap_or(&at))
        };
        self.mounts.iter().map(&mut place).collect()
    }

    /// As [`Spec::place`], but of the key.
    pub fn place_of_key(&self, path: &str) -> Span {
        self.places.key(path).or_else(|| self.places.key("agent")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Key, Shape};
    use super::*;

    /// Environment in which there is whatever is asked for.
    struct Anything;

    impl Environment for Anything {
        fn variable(&self, _: &str) -> Option<String> {
            Some("/home/me".to_owned())
        }

        fn read(&self, path: &std::path::Path) -> Result<String, super::super::environment::Unread> {
            let is_spec = path.extension().is_some_and(|extension| extension == "yaml");
            let is_recipe = path.ends_with("Dockerfile");
            Ok(if is_spec {
                "image: debian:13\n"
            } else if is_recipe {
                "FROM debian:13\n"
            } else {
                "A=b\n"
            }
            .to_owned())
        }

        fn run(&self, _: &str, _: &[&str]) -> Result<String, super::super::environment::NotRun> {
            Ok("x".to_owned())
        }
    }

    /// A spec in which the key at a path has a value.
    fn with(path: &[&Key], value: &str) -> String {
        let Some((key, around)) = path.split_last() else { return value.to_owned() };
        let siblings: Vec<String> = match around.last().map(|parent| keys_of(&parent.shape)) {
            Some(keys) => keys
                .iter()
                .filter(|other| other.required.is_some() && other.name != key.name)
                .map(|other| format!(", {}: {}", other.name, other.example))
                .collect(),
            None => Vec::new(),
        };
        let value = format!("{{{}: {value}{}}}", key.name, siblings.concat());
        let is_listed = around.last().is_some_and(|parent| is_list(&parent.shape));
        let is_named = around.last().is_some_and(|parent| matches!(parent.shape, Shape::Map { .. }));
        with(
            around,
            &match (is_listed, is_named) {
                (true, _) => format!("[{value}]"),
                (_, true) => format!("{{db: {value}}}"),
                _ => value,
            },
        )
    }

    /// Whether mappings with keys are items there.
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

    // A key in the language without a field here would be refused in serde's words, after all checks had passed.
    #[test]
    fn the_example_of_every_key_fits_its_rule_and_the_types() {
        let mut seen = 0;
        every_key(&language::AGENT, &mut Vec::new(), &mut |path| {
            seen += 1;
            let example = path.last().expect("a key").example;
            let text = with(path, example);
            let text = if path[0].name == "agent" { text } else { text.replacen('{', "{agent: a, ", 1) };
            let source = Source::new("agent.yaml", "/agent.yaml", format!("{text}\n"));
            parse_all(source, &Anything).specs.unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"));
        });
        assert!(seen > 40, "{seen}");
    }
}
