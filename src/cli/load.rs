//! From a path to a graph: the spec file is read, parsed and compiled.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::graph::{Graph, compile};
use crate::spec::{Capabilities, Diagnostics, Source, agent};

/// The file of a directory, and of the working directory where none is named.
pub const DEFAULT_SPEC: &str = "agent.yaml";

/// A spec is written by hand; what is larger is something else, and need not be read to its end. The parser has
/// the same limit, in bytes.
const SIZE_MAX: u64 = 1 << 20;

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
}

/// Compiles the spec at `path`: a file, or a directory that has one.
///
/// # Errors
/// If it cannot be read, or says what cannot be.
pub fn graph(path: &Path) -> Result<Graph, LoadError> {
    let source = source(path)?;
    let spec = agent::parse(source).map_err(LoadError::Spec)?;
    compile(&spec, &Capabilities::builtin()).map_err(LoadError::Spec)
}

/// The file that `path` means, as it is shown.
pub fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(DEFAULT_SPEC) } else { path.to_owned() }
}

fn source(path: &Path) -> Result<Source, LoadError> {
    let path = file(path);
    let name = path.display().to_string();
    let refuse = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => LoadError::Missing { name: name.clone(), is_default: path == Path::new(DEFAULT_SPEC) },
        _ => LoadError::Unreadable { name: name.clone(), why: lowercase(&error) },
    };
    let canonical = path.canonicalize().map_err(refuse)?;
    let mut bytes = Vec::new();
    // One byte more, so that the parser sees that it is too much.
    File::open(&canonical).and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes)).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        LoadError::Unreadable { name: name.clone(), why: format!("it is not UTF-8 text (byte {at})") }
    })?;
    Ok(Source::new(name, canonical, text))
}

/// The system's words begin with a capital letter and end with a number.
fn lowercase(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
