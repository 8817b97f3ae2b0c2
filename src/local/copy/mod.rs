//! File copies between this machine and a container: packs and unpacks archives.
//!
//! The rules are those of `docker cp`. Files in a container, and in a directory that a container can write, are not
//! trusted: every path is resolved name by name from a directory handle, and no link is followed. `cli::cp` decides the
//! destination.

mod folder;
mod local;
mod pack;
mod unpack;

use std::fmt;
use std::io;
use std::path::PathBuf;

use moat_model::resource::Size;

pub use folder::Folder;
pub use local::{ends_with_slash, names_contents};
pub use pack::{Source, pack};
pub use unpack::{Target, unpack};

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("`{}` cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The receiver of the archive closed the connection.
    #[error("the archive cannot be sent: {0}")]
    Send(#[source] io::Error),
    /// The archive from the container is incomplete or invalid.
    #[error("the archive from the sandbox cannot be read: {0}")]
    Archive(#[source] io::Error),
    #[error("`{}` does not exist on this host", path.display())]
    Missing { path: PathBuf },
    #[error("`{}` is neither a file, a directory nor a link", path.display())]
    Special { path: PathBuf },
    /// A sandbox with write access to a directory could have put a link there.
    #[error("`{}` is a link to `{}`, and is not followed", path.display(), target.display())]
    Link { path: PathBuf, target: PathBuf },
    #[error("the archive from the sandbox has `{name}`, which is outside the target; the copy was stopped there")]
    Escape { name: String },
    #[error("`{}` is {found}, and is not replaced by {new}", path.display())]
    Kind { path: PathBuf, found: &'static str, new: &'static str },
    #[error("the copy is larger than {}, and was stopped at `{name}`", Size(*limit))]
    TooLarge { limit: u64, name: String },
    #[error("`{}` has more than {max} nested directories", path.display())]
    TooDeep { path: PathBuf, max: usize },
}

impl CopyError {
    /// Returns the remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "check the path; missing directories are not created",
            Self::Link { .. } => "name the target of the link, or end the path with a slash to copy into the directory",
            Self::Special { .. } => "only files, directories and links are copied; `-` is standard input or output",
            Self::Escape { .. } => "a correct engine never sends this: check the sandbox and the engine",
            Self::Kind { .. } => "remove it first, or name another path",
            Self::TooLarge { .. } => "`--max-size 50g` allows more, `--max-size 0` any size",
            Self::TooDeep { .. } => "pack it with `tar`, and copy the archive",
            Self::Read { .. } | Self::Write { .. } | Self::Send(_) | Self::Archive(_) => {
                "check the path, its permissions and the free space"
            }
        }
    }
}

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied {
    /// The number of files, without directories and links.
    pub files: u64,
    pub bytes: u64,
    pub skipped: Skipped,
}

/// Skipped entries: the number, and the names of the first ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    pub count: u64,
    pub first: Vec<(String, Reason)>,
}

/// Why an entry was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Fifo,
    Socket,
    Device,
    /// An unknown type of entry.
    Unknown,
    /// The name contains control characters.
    Name,
}

/// The maximum number of names. A directory with a million fifos must fill neither the memory nor the screen.
const NAMED_MAX: usize = 10;

impl Skipped {
    fn add(&mut self, name: String, reason: Reason) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push((name, reason));
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "of an unknown type",
            Self::Name => "control characters in its name",
        })
    }
}

/// Returns a displayable name: invalid UTF-8 is replaced, control characters are escaped.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Whether a name contains control characters.
fn has_controls(name: &[u8]) -> bool {
    name.iter().any(u8::is_ascii_control) || String::from_utf8_lossy(name).contains(char::is_control)
}

#[cfg(test)]
mod tests;
