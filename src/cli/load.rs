//! From paths to graphs: each spec file is read, parsed and compiled.

use std::collections::BTreeSet;
use std::env;
use std::fs::{File, read_dir};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::capabilities::capabilities;
use super::ground;
use super::record::{STATE_DIR, own_files};
use super::surroundings::{Here, SIZE_MAX, all_of, lowercase, text};
use crate::engine::context;
use crate::graph::{Graph, Vault, compile, compile_with, needs_vault, warnings, with_unknown_dependencies};
use crate::resource::SecretKey;
use crate::spec::surroundings::{Inputs, Recorder};
use crate::spec::{Capabilities, Diagnostics, Source, Spec, agent, is_agent, secrets};
use crate::store;
use crate::store::key::secret_key;

/// The file of a directory, and of the working directory where none is named.
pub const DEFAULT_SPEC: &str = "agent.yaml";

/// The same where there is none of that name.
pub(super) const OTHER_SPEC: &str = "moat.yaml";

/// How much of a spec is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of it: what it is compared with, and what is applied. Fetches the secrets.
    Whole,
    /// Without the secrets: what is built, the files that go into it included.
    Image,
    /// What it stands for: enough to find it, or to remove it.
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
}

/// Why there is no graph.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no spec file `{name}`")]
    Missing { name: String, is_default: bool },
    #[error("the spec file `{name}` cannot be read: {why}")]
    Unreadable { name: String, why: String },
    #[error("the spec `{}` cannot be used", .0.source.name)]
    Spec(Diagnostics),
    #[error("there is no key for digests of secrets: {why}")]
    Key { why: String },
    #[error("`{file}` has the agents {names}: one of them has to be named")]
    Agent { file: String, names: String },
}

impl LoadError {
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Missing { is_default: true, .. } => {
                Some("go to the directory that has it, name it, or write one with `moat init`")
            }
            Self::Missing { name, .. } if name == "-" => Some(
                "a sandbox belongs to a file, whose path it is found by again: write the spec to one; only \
                 `moat validate -` reads standard input",
            ),
            Self::Missing { .. } => Some("check the path"),
            Self::Agent { .. } => Some("name it in place of the file"),
            Self::Unreadable { .. } => Some("it has to be a text file that you may read"),
            Self::Key { .. } => Some("`MOAT_STATE_DIR` names a folder for it"),
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
    let graphs = compiled(Source::new(name, here.join(DEFAULT_SPEC), text), Depth::Bare, &mut notes);
    let agent = |graph| Agent { graph, given: PathBuf::from(DEFAULT_SPEC) };
    let agents = graphs.map(|graphs| graphs.into_iter().map(agent).collect());
    Ok(Loaded { agents, warnings: notes.warnings, skipped: notes.skipped, inputs: notes.inputs })
}

/// Compiles every spec that `paths` name: files, directories that have an `agent.yaml`, and all of the YAML files of
/// directories that have none. Two paths to one run are one agent.
pub fn load(paths: &[PathBuf], depth: Depth) -> Loaded {
    let (mut agents, mut errors, mut runs) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut notes = Notes::default();
    for path in paths {
        let files = specs(path, &mut notes).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for given in files {
            match graphs(&given, depth, &mut notes) {
                Ok(graphs) => {
                    let new = graphs.into_iter().filter(|graph| runs.insert(graph.run.id.clone()));
                    agents.extend(new.map(|graph| Agent { graph, given: given.clone() }));
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
fn graphs(path: &Path, depth: Depth, notes: &mut Notes) -> Result<Vec<Graph>, Vec<LoadError>> {
    let shown = file(path);
    let source = source(path).map_err(|error| {
        notes.inputs.missing.insert(std::path::absolute(&shown).unwrap_or(shown));
        vec![error]
    })?;
    notes.inputs.read.insert(source.path.clone());
    compiled(source, depth, notes)
}

/// Compiles the agents of a source.
fn compiled(source: Source, depth: Depth, notes: &mut Notes) -> Result<Vec<Graph>, Vec<LoadError>> {
    let capabilities = capabilities(&source.path, &mut notes.inputs)?;
    let reading = agent::parse_all(source, &Here);
    notes.inputs.append(reading.inputs);
    notes.warnings.push(reading.warnings);
    let wrong = |faults| vec![LoadError::Spec(with_unknown_dependencies(faults, &capabilities))];
    let mut specs = reading.specs.map_err(wrong)?;
    for spec in &mut specs {
        ground::look(spec, &capabilities);
    }
    let (mut graphs, mut errors) = (Vec::new(), Vec::new());
    for spec in &specs {
        notes.warnings.push(warnings(spec, &capabilities));
        match graph_of(spec, &capabilities, depth, &mut notes.inputs) {
            Ok(graph) => graphs.push(graph),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(graphs) } else { Err(errors) }
}

fn graph_of(spec: &Spec, capabilities: &Capabilities, depth: Depth, inputs: &mut Inputs) -> Result<Graph, LoadError> {
    // First without: who waits for a password manager should not have to wait for a slip of the pen as well.
    let bare = compile(spec, capabilities).map_err(LoadError::Spec)?;
    if depth == Depth::Bare {
        return Ok(bare);
    }
    let mut spec = spec.clone();
    look_at_context(&mut spec, inputs)?;
    let spec = &spec;
    if depth == Depth::Image || !needs_vault(spec, capabilities) {
        return compile(spec, capabilities).map_err(LoadError::Spec);
    }
    let recorder = Recorder::new(&Here);
    let fetched = secrets::fetch(spec, &recorder);
    inputs.append(recorder.into_inputs());
    let fetched = fetched.map_err(LoadError::Spec)?.into_iter().chain(spec.concealed.clone()).collect();
    let key = key().map_err(|why| LoadError::Key { why })?;
    compile_with(spec, capabilities, Some(&Vault { key, fetched })).map_err(LoadError::Spec)
}

/// Finds what a build is made of, for its digest.
fn look_at_context(spec: &mut Spec, inputs: &mut Inputs) -> Result<(), LoadError> {
    let Some(build) = &mut spec.build else { return Ok(()) };
    build.without = own_files();
    if let Some(own) = build.without.as_deref().filter(|own| own.starts_with(&build.context)) {
        // Without it nothing can be put on record, which is said then.
        let _ = store::prepare(own);
    }
    match context::read(&build.context, &build.dockerfile, build.without.as_deref()) {
        Ok(content) => {
            inputs.read.extend(content.folders);
            inputs.missing.extend(content.lists);
            build.digest = Some(content.digest);
            Ok(())
        }
        Err(error) => {
            let at = if spec.places.has("build.context") { "build.context" } else { "build" };
            Err(LoadError::Spec(Diagnostics::at(&spec.source, spec.place(at), error.to_string(), error.hint())))
        }
    }
}

fn key() -> Result<SecretKey, String> {
    let dir = own_files().ok_or_else(|| format!("it is not known where to keep it: set `HOME` or `{STATE_DIR}`"))?;
    secret_key(&dir).map_err(|error| format!("`{}`: {}", dir.display(), lowercase(&error)))
}

/// The agents of the spec at `path`, without their secrets.
///
/// # Errors
/// If it cannot be read, or says what cannot be.
pub fn bare(path: &Path) -> Result<Vec<Graph>, Vec<LoadError>> {
    graphs(path, Depth::Bare, &mut Notes::default())
}

/// The only agent of the spec at `path`, without its secrets.
///
/// # Errors
/// If it cannot be read, says what cannot be, or has several agents.
pub fn one(path: &Path) -> Result<Graph, Vec<LoadError>> {
    only(path, bare(path)?)
}

/// As [`one`], with what its image is made of.
///
/// # Errors
/// As [`one`], and if that cannot be read.
pub fn with_image(path: &Path) -> Result<Graph, Vec<LoadError>> {
    only(path, with_images(path)?)
}

/// As [`bare`], with what their images are made of.
///
/// # Errors
/// As [`bare`], and if that cannot be read.
pub fn with_images(path: &Path) -> Result<Vec<Graph>, Vec<LoadError>> {
    graphs(path, Depth::Image, &mut Notes::default())
}

fn only(path: &Path, mut graphs: Vec<Graph>) -> Result<Graph, Vec<LoadError>> {
    let names: Vec<String> = graphs.iter().map(|graph| format!("`{}`", graph.run.agent)).collect();
    match (graphs.pop(), graphs.is_empty()) {
        (Some(graph), true) => Ok(graph),
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
