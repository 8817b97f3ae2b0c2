//! Loads specs: reads, parses and compiles each file to graphs.

use std::collections::BTreeSet;
use std::env;
use std::fs::read_dir;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::capabilities::capabilities;
use crate::cli::environment::{ProcessEnv, all_of, text};
use crate::cli::host_paths;
use crate::cli::load_error::{LoadError, unreadable};
use crate::cli::resolved_spec::ResolvedSpec;
use crate::cli::spec_files::{DEFAULT_SPEC, file, is_agents, is_spec};
use crate::cli::unapproved::Unapproved;
use crate::ui::render::plan::Withheld;
use moat_model::graph::Graph;
use moat_spec::compile::{warnings, with_unknown_dependencies};
use moat_spec::environment::Inputs;
use moat_spec::{Capabilities, Diagnostics, Source, Spec, agent};

/// How much of a spec to load. Secrets are never fetched here, since that needs an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The whole spec, to compare and apply after approval.
    Full,
    /// The spec with its build context.
    Build,
    /// The identity: enough to find or remove the sandbox, or to ask for an approval.
    Identity,
}

/// The result of loading paths.
#[derive(Debug)]
pub struct Loaded {
    /// The agents, or the errors of all specs.
    pub agents: Result<Vec<Agent>, Vec<LoadError>>,
    /// Warnings about the specs.
    pub warnings: Vec<Diagnostics>,
    /// YAML files of a directory that are not specs.
    pub skipped: Vec<PathBuf>,
    /// All files that were read or searched, including the specs; a watch follows them.
    pub inputs: Inputs,
}

/// An agent of a spec.
#[derive(Debug, Clone)]
pub struct Agent {
    pub graph: Graph,
    /// The path given by the user: a file, or a directory with an `agent.yaml`.
    pub spec_path: PathBuf,
    /// The source of the graph. `None`: known only from the labels of its resources.
    pub resolved: Option<Arc<ResolvedSpec>>,
    /// Set if the spec is not approved: the graph has no secrets and is only for display.
    pub unapproved: Option<Box<Unapproved>>,
    /// The spec is not approved yet, or will be by its first apply: read-only commands resolve nothing of it.
    pub is_unseen: bool,
    /// The parts that were not read because they are not approved.
    pub withheld: Vec<Withheld>,
    /// A remark before the first apply.
    pub note: Option<Box<Note>>,
}

/// A remark about an agent, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub message: String,
    pub hint: String,
}

/// A graph and its source.
type Compiled = (Graph, ResolvedSpec);

impl Agent {
    fn new((graph, resolved): Compiled, spec_path: PathBuf) -> Self {
        Self {
            graph,
            spec_path,
            resolved: Some(Arc::new(resolved)),
            unapproved: None,
            is_unseen: false,
            withheld: Vec::new(),
            note: None,
        }
    }

    /// An agent that is known only from the labels of its resources.
    pub fn known(graph: Graph, spec_path: PathBuf) -> Self {
        Self { graph, spec_path, resolved: None, unapproved: None, is_unseen: false, withheld: Vec::new(), note: None }
    }
}

/// Compiles a spec from standard input, as if it were in the working directory.
///
/// # Errors
/// If it cannot be read or is too large.
pub fn standard_input() -> Result<Loaded, LoadError> {
    let name = "standard input";
    let refuse = |error: io::Error| unreadable(Path::new(name), &error);
    let text = all_of(io::stdin().lock()).map_err(refuse)?;
    let here = env::current_dir().map_err(refuse)?;
    let mut notes = Notes::default();
    let made = compiled(Source::new(name, here.join(DEFAULT_SPEC), text), Load::Identity, &mut notes);
    let agents = made.map(|all| all.into_iter().map(|made| Agent::new(made, PathBuf::from(DEFAULT_SPEC))).collect());
    Ok(Loaded { agents, warnings: notes.warnings, skipped: notes.skipped, inputs: notes.inputs })
}

/// Compiles the specs at `paths`: files, directories with an `agent.yaml`, or otherwise all YAML files of a directory. Two
/// paths to one run yield one agent.
pub fn load(paths: &[PathBuf], depth: Load) -> Loaded {
    let (mut agents, mut errors, mut runs) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut notes = Notes::default();
    for path in paths {
        let files = specs(path, &mut notes).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for given in files {
            match compile_file(&given, depth, &mut notes) {
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

/// Side results of loading, also if it fails.
#[derive(Debug, Default)]
struct Notes {
    warnings: Vec<Diagnostics>,
    skipped: Vec<PathBuf>,
    inputs: Inputs,
}

/// Compiles the agents of the spec at `path`, a file or a directory.
fn compile_file(path: &Path, depth: Load, notes: &mut Notes) -> Result<Vec<Compiled>, Vec<LoadError>> {
    let shown = file(path);
    let source = source(path).map_err(|error| {
        notes.inputs.missing.insert(std::path::absolute(&shown).unwrap_or(shown));
        vec![error]
    })?;
    notes.inputs.read.insert(source.path.clone());
    compiled(source, depth, notes)
}

/// Compiles the agents of a source.
fn compiled(source: Source, depth: Load, notes: &mut Notes) -> Result<Vec<Compiled>, Vec<LoadError>> {
    let capabilities = capabilities(&source.path, &mut notes.inputs)?;
    let reading = agent::parse_all(source, &ProcessEnv);
    notes.inputs.append(reading.inputs);
    notes.warnings.push(reading.warnings);
    let wrong = |faults| vec![LoadError::Spec(with_unknown_dependencies(faults, &capabilities))];
    let mut specs = reading.specs.map_err(wrong)?;
    for spec in &mut specs {
        host_paths::inspect(spec, &capabilities);
        notes.inputs.mounted.extend(spec.path_facts.resolutions.keys().filter(|path| !path.is_dir()).cloned());
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

/// Compiles the agent of a spec; with [`Load::Build`], including its build context.
fn agent_of(spec: &Spec, capabilities: &Capabilities, depth: Load, inputs: &mut Inputs) -> Result<Compiled, LoadError> {
    let mut resolved = ResolvedSpec::new(spec, capabilities);
    // First without, so that a typo is reported before a directory is read.
    let graph = resolved.compile()?;
    if depth != Load::Build || !resolved.needs_build_context() {
        return Ok((graph, resolved));
    }
    resolved.read_build_context()?;
    inputs.append(resolved.content.clone());
    Ok((resolved.compile()?, resolved))
}

/// Loads the graphs of the spec at `path`, without secrets.
///
/// # Errors
/// If the spec cannot be read or is invalid.
pub fn bare(path: &Path) -> Result<Vec<Graph>, Vec<LoadError>> {
    graphs(path, Load::Identity)
}

/// Loads the only agent of the spec at `path`, without secrets.
///
/// # Errors
/// If the spec cannot be read, is invalid, or has several agents.
pub fn one(path: &Path) -> Result<Agent, Vec<LoadError>> {
    let made = compile_file(path, Load::Identity, &mut Notes::default())?;
    Ok(Agent::new(only(path, made, |(graph, _)| graph)?, path.to_owned()))
}

/// Loads the graph of the only agent of the spec at `path`, without secrets.
///
/// # Errors
/// See [`one`]; with [`Load::Build`] also if the build context cannot be read.
pub fn only_graph(path: &Path, depth: Load) -> Result<Graph, Vec<LoadError>> {
    only(path, graphs(path, depth)?, |graph| graph)
}

/// Loads the graphs of the spec at `path`, without secrets.
///
/// # Errors
/// See [`bare`]; with [`Load::Build`] also if a build context cannot be read.
pub fn graphs(path: &Path, depth: Load) -> Result<Vec<Graph>, Vec<LoadError>> {
    Ok(compile_file(path, depth, &mut Notes::default())?.into_iter().map(|(graph, _)| graph).collect())
}

fn only<T>(path: &Path, mut all: Vec<T>, graph: impl Fn(&T) -> &Graph) -> Result<T, Vec<LoadError>> {
    let names: Vec<String> = all.iter().map(|it| format!("`{}`", graph(it).run.agent)).collect();
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(vec![LoadError::Agent { file: file(path).display().to_string(), names: names.join(", ") }]),
    }
}

/// The specs at a path, sorted. A directory without specs yields its default file, which is then reported as missing.
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

fn source(path: &Path) -> Result<Source, LoadError> {
    let path = file(path);
    let name = path.display().to_string();
    let refuse = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => LoadError::Missing { name: name.clone(), is_default: path == Path::new(DEFAULT_SPEC) },
        _ => unreadable(&path, &error),
    };
    let canonical = path.canonicalize().map_err(refuse)?;
    // Reads up to one byte over the limit, so that the parser reports a larger file.
    let text = text(&canonical).map_err(refuse)?;
    Ok(Source::new(name, canonical, text))
}
