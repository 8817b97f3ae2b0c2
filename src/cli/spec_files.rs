//! The names of spec files, and which YAML files are specs.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::environment::SIZE_MAX;
use moat_spec::is_agent;

/// The default file name of a spec.
pub const DEFAULT_SPEC: &str = "agent.yaml";

/// The alternative file name of a spec.
pub(super) const OTHER_SPEC: &str = "moat.yaml";

/// The spec file for `path`, as it is displayed.
pub fn file(path: &Path) -> PathBuf {
    let default = if path.is_dir() { path.join(DEFAULT_SPEC) } else { path.to_owned() };
    let other = default.with_file_name(OTHER_SPEC);
    let is_default = path.is_dir() || path == Path::new(DEFAULT_SPEC);
    if is_default && !default.exists() && other.exists() { other } else { default }
}

/// Returns whether a file may be a spec. Hidden files belong to editors or other tools.
pub(super) fn is_spec(file: &Path) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && file.is_file()
}

/// Returns whether a YAML file is not known to belong to another tool.
pub(super) fn is_agents(file: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(SIZE_MAX).read_to_end(&mut bytes));
    read.is_err() || is_agent(&String::from_utf8_lossy(&bytes))
}
