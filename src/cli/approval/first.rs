//! Detects whether a sandbox could have written a new spec. A run is identified by agent name and path, so that a sandbox
//! could create a new run by writing a file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::cli::load::Note;
use moat_model::resource::Run;
use moat_model::resource::label::Ownership;

/// A sandbox that can or could write a file of the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub run: String,
    pub file: PathBuf,
    pub folder: PathBuf,
}

/// Finds the first of `files` below a directory that a sandbox can write. `writable`: run ids and directories.
pub fn author(files: &BTreeSet<PathBuf>, writable: &[(String, PathBuf)]) -> Option<Author> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folders: Vec<(&String, &PathBuf, PathBuf)> =
        writable.iter().map(|(run, folder)| (run, folder, real(folder))).collect();
    files.iter().find_map(|file| {
        let found = real(file);
        let is_below = |(_, folder, real): &&(&String, &PathBuf, PathBuf)| {
            [file, &found].iter().any(|it| it.starts_with(folder) || it.starts_with(real))
        };
        let (run, folder, _) = folders.iter().find(is_below)?;
        Some(Author { run: (*run).clone(), file: file.clone(), folder: (*folder).clone() })
    })
}

/// A note about a sandbox of the same agent whose spec no longer exists: probably the directory was moved.
pub fn moved<'a>(run: &Run, others: impl Iterator<Item = &'a Ownership>) -> Option<Note> {
    let is_of_agent = |it: &&Ownership| it.agent == run.agent.as_str() && it.run != run.id;
    let old = others.filter(is_of_agent).find(|it| !Path::new(&it.spec).exists())?;
    Some(Note {
        message: format!(
            "`{}` is a new sandbox; `{}` of the same agent has the spec `{}`, which no longer exists",
            run.id, old.run, old.spec
        ),
        hint: format!("to keep its data, move the spec back; otherwise remove it with `moat destroy {}`", old.run),
    })
}

/// The host paths that a container can write, with its run id.
pub fn writable(owner: &Ownership) -> Vec<(String, PathBuf)> {
    owner.applied.writable_paths().map(|path| (owner.run.to_string(), PathBuf::from(path))).collect()
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, file, folder } = self;
        write!(f, "the sandbox `{run}` can write `{}` through `{}`", file.display(), folder.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_that_a_sandbox_can_write_has_an_author() {
        let dir = tempfile::tempdir().unwrap();
        let (project, link) = (dir.path().join("project"), dir.path().join("link"));
        std::fs::create_dir(&project).unwrap();
        std::os::unix::fs::symlink(&project, &link).unwrap();
        let author = |file: PathBuf, folder: &Path| {
            author(&[file].into(), &[("b-1".to_owned(), folder.to_owned())]).map(|it| it.run)
        };
        let spec = project.join("agent.yaml");
        std::fs::write(&spec, "").unwrap();
        assert_eq!(author(spec.clone(), &project).as_deref(), Some("b-1"));
        assert_eq!(author(project.join("sub/agent.yaml"), &project).as_deref(), Some("b-1"));
        assert_eq!(author(link.join("agent.yaml"), &project).as_deref(), Some("b-1"), "through a link");
        assert_eq!(author(spec.clone(), &link).as_deref(), Some("b-1"), "mounted through a link");
        assert_eq!(author(spec, &dir.path().join("other")), None);
        assert_eq!(author(dir.path().join("projects/agent.yaml"), &project), None);
    }
}
