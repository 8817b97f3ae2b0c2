//! The files and folders of a context, sorted by path, without ignored ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ignore::Ignore;
use super::{ContextError, ENTRIES_MAX, SIZE_MAX};

/// An entry of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to the context.
    pub path: PathBuf,
    /// The permissions of a file.
    pub mode: u32,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    /// A link; its target is used as written.
    Link(PathBuf),
    File {
        size: u64,
    },
}

/// The included entries of the folder, sorted, without the folder `without`.
pub(super) fn walk(folder: &Path, ignore: &Ignore, without: Option<&Path>) -> Result<Vec<Entry>, ContextError> {
    let mut walked = Walked { entries: Vec::new(), size: 0, without: without.and_then(|it| seen_from(folder, it)) };
    // The path itself may be a link to the folder.
    walked.folder(folder, Path::new(""), ignore)?;
    walked.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walked.entries)
}

struct Walked {
    entries: Vec<Entry>,
    size: u64,
    /// Relative to the context.
    without: Option<PathBuf>,
}

/// The path of a folder in a context, with links resolved; `None` if it is outside, or the context itself.
fn seen_from(context: &Path, folder: &Path) -> Option<PathBuf> {
    let path = folder.canonicalize().ok()?.strip_prefix(context.canonicalize().ok()?).ok()?.to_owned();
    (!path.as_os_str().is_empty()).then_some(path)
}

impl Walked {
    fn folder(&mut self, root: &Path, under: &Path, ignore: &Ignore) -> Result<(), ContextError> {
        let here = root.join(under);
        let failed = |why| ContextError::Unreadable { path: here.clone(), why };
        let mut folders = Vec::new();
        for entry in fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = under.join(entry.file_name());
            if self.without.as_ref() == Some(&path) {
                continue;
            }
            let ignored = ignore.ignores(&path);
            let unread = |why| ContextError::Unreadable { path: root.join(&path), why };
            let sort = entry.file_type().map_err(unread)?;
            if sort.is_dir() && (!ignored || ignore.may_have_exceptions(&path)) {
                folders.push(path.clone());
            }
            if ignored {
                continue;
            }
            let facts = entry.metadata().map_err(unread)?;
            let kind = if sort.is_dir() {
                Kind::Folder
            } else if sort.is_symlink() {
                Kind::Link(fs::read_link(root.join(&path)).map_err(unread)?)
            } else if sort.is_file() {
                Kind::File { size: facts.len() }
            } else {
                // Sockets and devices cannot be part of an image.
                continue;
            };
            self.add(Entry { path, mode: facts.permissions().mode() & 0o7777, kind })?;
        }
        folders.iter().try_for_each(|path| self.folder(root, path, ignore))
    }

    fn add(&mut self, entry: Entry) -> Result<(), ContextError> {
        if let Kind::File { size } = entry.kind {
            self.size = self.size.saturating_add(size);
        }
        self.entries.push(entry);
        match self.entries.len() {
            _ if self.size > SIZE_MAX => Err(ContextError::TooLarge),
            count if count > ENTRIES_MAX => Err(ContextError::TooMany),
            _ => Ok(()),
        }
    }
}
