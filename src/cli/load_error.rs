//! Why a spec has no graph.

use std::io;
use std::path::Path;

use crate::cli::environment::lowercase;
use moat_spec::Diagnostics;

/// Why a spec has no graph.
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
            // Each finding has its own hint.
            Self::Spec(_) => None,
        }
    }

    /// The errors in the file, if it could be read.
    pub fn findings(&self) -> Option<&Diagnostics> {
        match self {
            Self::Spec(diagnostics) => Some(diagnostics),
            _ => None,
        }
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    LoadError::Unreadable { name: path.display().to_string(), why: lowercase(error) }
}
