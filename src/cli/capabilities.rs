//! The capabilities available to a spec: the built-in ones, and those in the directory `specs` beside it.

use std::fs::read_dir;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::cli::environment::text;
use crate::cli::load_error::{LoadError, unreadable};
use crate::cli::spec_files::is_spec;
use moat_spec::environment::Inputs;
use moat_spec::{Capabilities, Source};

/// The directory of user-defined capabilities.
pub const FOLDER: &str = "specs";

/// The capabilities for the spec file at `spec`, a canonical path.
///
/// # Errors
/// All errors in user-defined capabilities.
pub fn capabilities(spec: &Path, inputs: &mut Inputs) -> Result<Capabilities, Vec<LoadError>> {
    let mut capabilities = Capabilities::builtin();
    let folder = spec.with_file_name(FOLDER);
    let files = files(&folder).map_err(|error| vec![unreadable(&folder, &error)])?;
    let mut errors = Vec::new();
    for file in files {
        let name = Path::new(FOLDER).join(file.file_name().unwrap_or_default()).display().to_string();
        match text(&file) {
            Ok(text) => {
                let source = Source::new(name, &file, text);
                if let Err(faults) = capabilities.add(&source) {
                    errors.push(LoadError::Spec(faults));
                }
            }
            Err(error) => errors.push(unreadable(&file, &error)),
        }
        inputs.read.insert(file);
    }
    if errors.is_empty() { Ok(capabilities) } else { Err(errors) }
}

/// The YAML files of a directory, sorted; empty if it does not exist.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?.collect::<io::Result<Vec<_>>>()?,
    };
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|file| is_spec(file)).collect();
    files.sort();
    Ok(files)
}
