//! From paths to graphs: each spec file is read, parsed and compiled.

use std::collections::BTreeSet;
use std::fs::{File, read_dir};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf, absolute};

use sha2::{Digest, Sha256};

use super::error::CliError;
use super::surroundings::Here;
use crate::graph::{Graph, compile, with_unknown_dependencies};
use crate::spec::{Capabilities, Diagnostics, Source, agent};
use crate::ui::{Colour, problem};
use crate::watch::{Loaded, Read as Reading, Watched};

/// The file of a directory, and of the working directory where none is named.
pub const DEFAULT_SPEC: &str = "agent.yaml";

/// The same where there is none of that name.
const OTHER_SPEC: &str = "moat.yaml";

/// A spec is written by hand; what is larger is something else, and need not be read to its end. The parser has
/// the same limit, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// One of the agents that a command is about.
#[derive(Debug)]
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
}

impl LoadError {
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Missing { is_default: true, .. } => {
                Some("go to the directory that has it, name it, or write one that begins with `agent: builder`")
            }
            Self::Missing { .. } => Some("check the path"),
            _ => None,
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

/// Compiles every spec that `paths` name: files, directories that have an `agent.yaml`, and all of the YAML files of
/// directories that have none. Two paths to one run are one agent.
///
/// # Errors
/// All that is wrong with any of them: nothing is to be done before all of them are right.
pub fn agents(paths: &[PathBuf]) -> Result<Vec<Agent>, Vec<LoadError>> {
    let (mut agents, mut errors, mut runs) = (Vec::new(), Vec::new(), BTreeSet::new());
    for path in paths {
        let files = specs(path).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for given in files {
            match graph(&given) {
                Ok(graph) if runs.insert(graph.run.id.clone()) => agents.push(Agent { graph, given }),
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
    }
    if errors.is_empty() { Ok(agents) } else { Err(errors) }
}

/// Compiles the spec at `path`: a file, or a directory that has one.
///
/// # Errors
/// If it cannot be read, or says what cannot be.
pub fn graph(path: &Path) -> Result<Graph, LoadError> {
    let source = source(path)?;
    let capabilities = Capabilities::builtin();
    let wrong = |faults| LoadError::Spec(with_unknown_dependencies(faults, &capabilities));
    let spec = agent::parse_in(source, &Here).map_err(wrong)?;
    compile(&spec, &capabilities).map_err(LoadError::Spec)
}

/// What a watch needs to know of an agent's spec.
pub fn watched(agent: Agent) -> Watched {
    let spec = file(&agent.given);
    let inputs = inputs(&spec);
    // Read once more: what it said a moment ago is compiled, what it says now is what is compared with.
    Watched { fingerprint: fingerprint(&inputs), inputs, spec, graph: agent.graph }
}

/// Reads a spec anew; what is wrong with it is told in `colour`.
pub fn again(spec: &Path, colour: Colour) -> Loaded {
    let inputs = inputs(spec);
    let fingerprint = fingerprint(&inputs);
    let spec = match graph(spec) {
        Ok(graph) => Reading::Good(Box::new(graph)),
        Err(LoadError::Missing { .. }) => Reading::Gone,
        Err(error) => Reading::Bad(CliError::from(error).shown(|problems| problem::text(problems, colour))),
    };
    Loaded { inputs, fingerprint, spec }
}

/// The files that a spec is made of, the spec itself first.
fn inputs(spec: &Path) -> Vec<PathBuf> {
    // Without a working directory the path is all there is.
    vec![absolute(spec).unwrap_or_else(|_| spec.to_owned())]
}

/// One text for one content of all files together.
fn fingerprint(files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        // One that cannot be read is like none, until it can.
        let content = read(file).unwrap_or_default();
        hash.update(format!("{} {} ", file.display(), content.len()));
        hash.update(content);
    }
    hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The file that `path` means, as it is shown.
pub fn file(path: &Path) -> PathBuf {
    let default = if path.is_dir() { path.join(DEFAULT_SPEC) } else { path.to_owned() };
    let other = default.with_file_name(OTHER_SPEC);
    let is_default = path.is_dir() || path == Path::new(DEFAULT_SPEC);
    if is_default && !default.exists() && other.exists() { other } else { default }
}

/// What a path stands for, sorted. A directory without any spec stands for the one that it should have.
fn specs(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if !path.is_dir() || file(path).exists() {
        return Ok(vec![path.to_owned()]);
    }
    let refuse = |error: io::Error| unreadable(path, &error);
    let entries = read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(refuse)?;
    let files = entries.into_iter().map(|entry| entry.path());
    let mut specs: Vec<PathBuf> = files.filter(|file| is_spec(file)).collect();
    specs.sort();
    Ok(if specs.is_empty() { vec![path.to_owned()] } else { specs })
}

/// Hidden files are an editor's, or somebody else's.
fn is_spec(file: &Path) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && file.is_file()
}

fn unreadable(path: &Path, error: &io::Error) -> LoadError {
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
    let bytes = read(&canonical).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        LoadError::Unreadable { name: name.clone(), why: format!("it is not UTF-8 text (byte {at})") }
    })?;
    Ok(Source::new(name, canonical, text))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more, so that the parser sees that it is too much.
    File::open(file)?.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The system's words begin with a capital letter and end with a number.
fn lowercase(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
