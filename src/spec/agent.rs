//! `agent.yaml` as meant: values that cannot be wrong any more.
//!
//! The language itself, key by key, is in [`language`](super::language). Whether dependencies exist, and whether
//! the parts fit together, is for the compiler to say.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::check::check;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::file::{File, Resources};
use super::language;
use super::meaning::Meaning;
use super::scan::scan;
use super::source::{Located, Source, Span};
use super::tree::{Content, Node, Places, Scalar};
use super::written;
use crate::resource::{AgentName, HealthConfig, ImageRef, Limits, Mount, PortConfig, RestartPolicy, Size, Ulimit};

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
    /// Names of capabilities, each once; whether they exist is for the compiler to say.
    pub dependencies: Vec<Located<String>>,
    /// `None`: the sandbox stays up, idle. A string in the file means a shell's command line.
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub user: Option<String>,
    /// The file's own word, or else the workspace.
    pub workdir: Option<String>,
    pub interactive: bool,
    /// `None`: as fits the command.
    pub restart: Option<RestartPolicy>,
    pub env: BTreeMap<String, String>,
    /// Those of the workspace first. None is a volume of the run.
    pub mounts: Vec<Mount>,
    pub volumes: Vec<NamedVolume>,
    pub ports: Vec<PortConfig>,
    pub limits: Limits,
    pub dns: Vec<IpAddr>,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub shm: Option<Size>,
    pub network: NetworkSettings,
    pub healthcheck: Option<HealthConfig>,
    pub labels: BTreeMap<String, String>,
    pub buildkit: BuilderSettings,
}

/// A volume of the sandbox's own, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVolume {
    pub name: String,
    pub target: String,
}

/// What a spec may say about its network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSettings {
    pub subnet: Option<Ipv4Net>,
    pub internal: bool,
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
}

/// Whether the build cache outlives a destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheRetention {
    #[default]
    Keep,
    Discard,
}

/// What a spec may ask of the world around its file.
pub trait Surroundings {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Surroundings in which there is nothing.
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// Reads a spec that asks for nothing around it.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(source: Source) -> Result<Spec, Diagnostics> {
    parse_in(source, &Nowhere)
}

/// Reads a spec.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse_in(source: Source, around: &dyn Surroundings) -> Result<Spec, Diagnostics> {
    let source = source.without_byte_order_mark();
    match read(&source.text) {
        Ok((file, places)) => Spec::new(source, places, file, around),
        Err(faults) => Err(Diagnostics::new(&source, faults)),
    }
}

/// The dependencies of a spec with other faults, as far as they can be read: what is wrong with them is to be told
/// together with the rest.
pub fn dependencies(source: &Source) -> Vec<Located<String>> {
    let Some(Node { content: Content::Map(entries), .. }) = scan(&source.text).0 else { return Vec::new() };
    let lists = entries.into_iter().filter(|entry| entry.key == "dependencies").map(|entry| entry.value.content);
    let items = lists.flat_map(|content| if let Content::List(items) = content { items } else { Vec::new() });
    let name = |item: Node| match item.content {
        Content::Scalar(Scalar::Text, value) => Some(Located { value, span: item.span }),
        _ => None,
    };
    items.filter_map(name).collect()
}

/// The syntax, then every value against the language, then the types.
fn read(text: &str) -> Result<(File, Places), Vec<Diagnostic>> {
    let (root, mut faults) = scan(text);
    let Some(mut root) = root else { return Err(faults) };
    faults.extend(check(text, &root, &language::AGENT));
    if !faults.is_empty() {
        return Err(faults);
    }
    language::AGENT.rename_aliases(&mut root);
    // What the language allows, the types can hold: a test asks for every key, and properties for any text.
    let unreadable = |error: super::read::ReadError| vec![Diagnostic::error(root.span.clone(), error.to_string())];
    File::deserialize(&root).map(|file| (file, Places::of(&root))).map_err(unreadable)
}

impl Spec {
    fn new(source: Source, places: Places, file: File, around: &dyn Surroundings) -> Result<Self, Diagnostics> {
        let whole = 0..source.text.len();
        let located = |(i, value)| {
            let span = places.value(&format!("dependencies.{i}")).unwrap_or_else(|| whole.clone());
            Located { value, span }
        };
        let dependencies = file.dependencies.into_iter().enumerate().map(located).collect();
        let folder = |_: &Span| source.path.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let mut meaning = Meaning::new(&places, &folder, around.variable("HOME").filter(|home| !home.is_empty()));
        let workspace = meaning.workspace(file.workspace);
        let mut mounts = workspace.mounts;
        mounts.extend(meaning.mounts(file.mounts));
        let declared = meaning.volumes(file.volumes);
        let ports = meaning.ports(file.ports);
        let container = file.container;
        let limits = Resources { memory: container.memory, cpus: container.cpus, pids: container.pids };
        let mut spec = Self {
            dependencies,
            agent: file.agent,
            version: file.version,
            image: file.image,
            command: file.command.map(|command| command.0),
            entrypoint: file.entrypoint.map(|command| command.0),
            user: file.user,
            workdir: file.workdir.or(workspace.target),
            interactive: file.interactive,
            restart: file.restart.map(Into::into),
            env: file.env,
            mounts,
            volumes: workspace.volume.into_iter().chain(declared).collect(),
            network: meaning.network(file.network, !ports.is_empty()),
            ports,
            limits: meaning.limits("container", limits),
            dns: meaning.list("container.dns", &container.dns, written::address),
            ulimits: meaning.each("container.ulimits", container.ulimits, written::ulimit),
            shm: container.shm.and_then(|text| meaning.read("container.shm", written::memory(&text))),
            healthcheck: file.healthcheck.map(|health| meaning.health(health)),
            labels: file.labels,
            buildkit: meaning.buildkit(file.buildkit),
            source: Source::new("", "", ""),
            places: Places::default(),
        };
        let faults = meaning.faults;
        if !faults.is_empty() {
            return Err(Diagnostics::new(&source, faults));
        }
        (spec.source, spec.places) = (source, places);
        Ok(spec)
    }

    /// Where the value at a path such as `buildkit.image` or `dependencies.0` was written; if it was not, the
    /// nearest thing around it that was, and at last the agent's name, which stands for the whole.
    pub fn place(&self, path: &str) -> Span {
        self.places.value(path).or_else(|| self.places.value("agent")).unwrap_or_default()
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
        let is_listed = around.last().is_some_and(|parent| matches!(parent.shape, Shape::List { .. }));
        with(around, &if is_listed { format!("[{value}]") } else { value })
    }

    fn keys_of(shape: &Shape) -> &'static [Key] {
        match shape {
            Shape::Keys(keys) => keys,
            Shape::List { item, .. } => keys_of(item),
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
            parse(source).unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"));
        });
        assert!(seen > 40, "{seen}");
    }
}
