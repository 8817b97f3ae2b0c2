//! From paths to graphs: each spec file is read, parsed and compiled.

use std::collections::BTreeSet;
use std::env;
use std::fs::{File, read_dir};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::approval::Unapproved;
use crate::cli::capabilities::capabilities;
use crate::cli::environment::{ProcessEnv, SIZE_MAX, all_of, lowercase, text};
use crate::cli::ground;
use crate::cli::origin::Origin;
use crate::ui::render::plan::Withheld;
use moat_model::graph::Graph;
use moat_spec::compile::{warnings, with_unknown_dependencies};
use moat_spec::environment::Inputs;
use moat_spec::{Capabilities, Diagnostics, Source, Spec, agent, is_agent};

/// The file of a directory, and of the working directory where none is named.
pub const DEFAULT_SPEC: &str = "agent.yaml";

/// The same where there is none of that name.
pub(super) const OTHER_SPEC: &str = "moat.yaml";

/// How much of a spec is wanted. None fetches its secrets: that takes an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// All that it says, to be compared and applied once it is approved.
    Full,
    /// With what is built, the files that go into it included.
    Image,
    /// What it stands for: enough to find it, to remove it, or to ask for an approval.
    Bare,
}

/// What paths came to.
#[derive(Debug)]
pub struct Loaded {
    /// Nothing is to be done before all of them are right.
    pub agents: Result<Vec<Agent>, Vec<LoadError>>,
    /// What a person should know, and that keeps nothing from working.
    pub warnings: Vec<Diagnostics>,
    /// YAML files of directories that were named, and that are no agent's.
    pub skipped: Vec<PathBuf>,
    /// All files that were read or looked for, the specs themselves among them; for whoever waits for a change.
    pub inputs: Inputs,
}

/// One of the agents that a command is about.
#[derive(Debug, Clone)]
pub struct Agent {
    pub graph: Graph,
    /// The path by which the user can name it: a file, or a directory that has an `agent.yaml`.
    pub given: PathBuf,
    /// What the graph is compiled from; `None`: it is known by the labels of its resources only.
    pub origin: Option<Arc<Origin>>,
    /// Its spec has not been approved: the graph has no secrets, and only serves to be looked at.
    pub unapproved: Option<Box<Unapproved>>,
    /// Its text has not been approved yet, be it that its first apply will: nothing of it is resolved for a look.
    pub is_unseen: bool,
    /// The parts that have not been looked at, since nobody has approved them.
    pub withheld: Vec<Withheld>,
    /// What a person should know before it is applied for the first time.
    pub note: Option<Box<Note>>,
}

/// A remark about an agent, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub message: String,
    pub hint: String,
}

/// A graph, and what it was compiled from.
type Made = (Graph, Origin);

/// Why there is no graph.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("spec file not found: `{name}`")]
    Missing { name: String, is_default: bool },
    #[error("cannot read the spec file `{name}`: {why}")]
    Unreadable { name: String, why: String },
    #[error("the spec `{}` is invalid", .0.source.name)]
    Spec(Diagnostics),
    #[error("no key for digests of secrets: {why}")]
    Key { why: String },
    #[error("`{file}` has several agents: {names}")]
    Agent { file: String, names: String },
}

impl Agent {
    fn new((graph, origin): Made, given: PathBuf) -> Self {
        Self {
            graph,
            given,
            origin: Some(Arc::new(origin)),
            unapproved: None,
            is_unseen: false,
            withheld: Vec::new(),
            note: None,
        }
    }

    /// One that is known by the labels of its resources only.
    pub fn known(graph: Graph, given: PathBuf) -> Self {
        Self { graph, given, origin: None, unapproved: None, is_unseen: false, withheld: Vec::new(), note: None }
    }
}

impl LoadError {
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Missing { is_default: true, .. } => {
                Some("change to its directory, give its path, or create one with `moat init`")
            }
            Self::Missing { name, .. } if name == "-" => Some(
                "a sandbox is identified by the path of its spec: write the spec to a file; only `moat \
                 validate -` reads standard input",
            ),
            Self::Missing { .. } => Some("check the path"),
            Self::Agent { .. } => Some("use the name of one of them instead of the file"),
            Self::Unreadable { .. } => Some("it must be a readable text file"),
            Self::Key { .. } => Some("set `MOAT_STATE_DIR` to a directory for it"),
            // The findings have theirs.
            Self::Spec(_) => None,
        }
    }

    /// What is wrong in the file, if it could be read.
    pub fn findings(&self) -> Option<&Diagnostics> {
        match self {
            Self::Spec(diagnostics) => Some(diagnostics),
            _ => None,
        }
    }
}

/// Compiles what came in at standard input, as if it were a file here.
///
/// # Errors
/// If it cannot be read, or is too much.
pub fn standard_input() -> Result<Loaded, LoadError> {
    let name = "standard input";
    let refuse = |error: io::Error| unreadable(Path::new(name), &error);
    let text = all_of(io::stdin().lock()).map_err(refuse)?;
    let here = env::current_dir().map_err(refuse)?;
    let mut notes = Notes::default();
    let made = compiled(Source::new(name, here.join(DEFAULT_SPEC), text), Load::Bare, &mut notes);
    let agents = made.map(|all| all.into_iter().map(|made| Agent::new(made, PathBuf::from(DEFAULT_SPEC))).collect());
    Ok(Loaded { agents, warnings: notes.warnings, skipped: notes.skipped, inputs: notes.inputs })
}

/// Compiles every spec that `paths` name: files, directories that have an `agent.yaml`, and all of the YAML files of
/// directories that have none. Two paths to one run are one agent.
pub fn load(paths: &[PathBuf], depth: Load) -> Loaded {
    let (mut agents, mut errors, mut runs) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut notes = Notes::default();
    for path in paths {
        let files = specs(path, &mut notes).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for given in files {
            match made(&given, depth, &mut notes) {
                Ok(all) => {
                    let new = all.into_iter().filter(|(graph, _)| runs.insert(graph.run.id.clone()));
                    agents.extend(new.map(|made| Agent::new(made, given.clone())));
                }
                Err(mut found) => errors.append(&mut found),
            }
        }
    }
    let agents = if errors.is_empty() { Ok(agents) } else { Err(errors) };
    Loaded { agents, warnings: notes.warnings, skipped: notes.skipped, inputs: notes.inputs }
}

/// What is noted on the way, whatever comes of it.
#[derive(Debug, Default)]
struct Notes {
    warnings: Vec<Diagnostics>,
    skipped: Vec<PathBuf>,
    inputs: Inputs,
}

/// Compiles the agents of the spec at `path`: a file, or a directory that has one.
fn made(path: &Path, depth: Load, notes: &mut Notes) -> Result<Vec<Made>, Vec<LoadError>> {
    let shown = file(path);
    let source = source(path).map_err(|error| {
        notes.inputs.missing.insert(std::path::absolute(&shown).unwrap_or(shown));
        vec![error]
    })?;
    notes.inputs.read.insert(source.path.clone());
    compiled(source, depth, notes)
}

/// Compiles the agents of a source.
fn compiled(source: Source, depth: Load, notes: &mut Notes) -> Result<Vec<Made>, Vec<LoadError>> {
    let capabilities = capabilities(&source.path, &mut notes.inputs)?;
    let reading = agent::parse_all(source, &ProcessEnv);
    notes.inputs.append(reading.inputs);
    notes.warnings.push(reading.warnings);
    let wrong = |faults| vec![LoadError::Spec(with_unknown_dependencies(faults, &capabilities))];
    let mut specs = reading.specs.map_err(wrong)?;
    for spec in &mut specs {
        ground::look(spec, &capabilities);
        notes.inputs.mounted.extend(spec.ground.ways.keys().filter(|path| !path.is_dir()).cloned());
    }
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for spec in &specs {
        notes.warnings.push(warnings(spec, &capabilities));
        match agent_of(spec, &capabilities, depth, &mut notes.inputs) {
            Ok(made) => all.push(made),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

/// The agent of a spec; with what its image is built from, if that is wanted.
fn agent_of(spec: &Spec, capabilities: &Capabilities, depth: Load, inputs: &mut Inputs) -> Result<Made, LoadError> {
    let mut origin = Origin::new(spec, capabilities);
    // First without: a typo is told before a folder is read.
    let graph = origin.bare()?;
    if depth != Load::Image || !origin.needs_content() {
        return Ok((graph, origin));
    }
    origin.look_at_content()?;
    inputs.append(origin.content.clone());
    Ok((origin.bare()?, origin))
}

/// The agents of the spec at `path`, without their secrets.
///
/// # Errors
/// If it cannot be read, or says what cannot be.
pub fn bare(path: &Path) -> Result<Vec<Graph>, Vec<LoadError>> {
    graphs(path, Load::Bare)
}

/// The only agent of the spec at `path`, without its secrets.
///
/// # Errors
/// If it cannot be read, says what cannot be, or has several agents.
pub fn one(path: &Path) -> Result<Agent, Vec<LoadError>> {
    let made = made(path, Load::Bare, &mut Notes::default())?;
    Ok(Agent::new(only(path, made, |(graph, _)| graph)?, path.to_owned()))
}

/// As [`one`], with what its image is made of.
///
/// # Errors
/// As [`one`], and if that cannot be read.
pub fn with_image(path: &Path) -> Result<Graph, Vec<LoadError>> {
    only(path, with_images(path)?, |graph| graph)
}

/// As [`bare`], with what their images are made of.
///
/// # Errors
/// As [`bare`], and if that cannot be read.
pub fn with_images(path: &Path) -> Result<Vec<Graph>, Vec<LoadError>> {
    graphs(path, Load::Image)
}

fn graphs(path: &Path, depth: Load) -> Result<Vec<Graph>, Vec<LoadError>> {
    Ok(made(path, depth, &mut Notes::default())?.into_iter().map(|(graph, _)| graph).collect())
}

fn only<T>(path: &Path, mut all: Vec<T>, graph: impl Fn(&T) -> &Graph) -> Result<T, Vec<LoadError>> {
    let names: Vec<String> = all.iter().map(|it| format!("`{}`", graph(it).run.agent)).collect();
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(vec![LoadError::Agent { file: file(path).display().to_string(), names: names.join(", ") }]),
    }
}

/// The file that `path` means, as it is shown.
pub fn file(path: &Path) -> PathBuf {
    let default = if path.is_dir() { path.join(DEFAULT_SPEC) } else { path.to_owned() };
    let other = default.with_file_name(OTHER_SPEC);
    let is_default = path.is_dir() || path == Path::new(DEFAULT_SPEC);
    if is_default && !default.exists() && other.exists() { other } else { default }
}

/// What a path stands for, sorted. A directory without any spec stands for the one that it should have.
fn specs(path: &Path, notes: &mut Notes) -> Result<Vec<PathBuf>, LoadError> {
    if !path.is_dir() || file(path).exists() {
        return Ok(vec![path.to_owned()]);
    }
    let refuse = |error: io::Error| unreadable(path, &error);
    let entries = read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(refuse)?;
    let files = entries.into_iter().map(|entry| entry.path());
    let (mut specs, mut others): (Vec<PathBuf>, Vec<PathBuf>) =
        files.filter(|file| is_spec(file)).partition(|file| is_agents(file));
    specs.sort();
    others.sort();
    notes.skipped.append(&mut others);
    Ok(if specs.is_empty() { vec![path.to_owned()] } else { specs })
}

/// Hidden files are an editor's, or somebody else's.
pub(super) fn is_spec(file: &Path) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && file.is_file()
}

/// Whether it is not known to be of another tool.
fn is_agents(file: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(SIZE_MAX).read_to_end(&mut bytes));
    read.is_err() || is_agent(&String::from_utf8_lossy(&bytes))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    LoadError::Unreadable { name: path.display().to_string(), why: lowercase(error) }
}

fn source(path: &Path) -> Result<Source, LoadError> {
    let path = file(path);
    let name = path.display().to_string();
    let refuse = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => LoadError::Missing { name: name.clone(), is_default: path == Path::new(DEFAULT_SPEC) },
        _ => unreadable(&path, &error),
    };
    let canonical = path.canonicalize().map_err(refuse)?;
    // One byte more than it may have, so that the parser sees that it is too much.
    let text = text(&canonical).map_err(refuse)?;
    Ok(Source::new(name, canonical, text))
}
