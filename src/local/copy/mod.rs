//! Files between this machine and a container: packs what goes in, unpacks what comes out.
//!
//! The rules are those of `docker cp`. What is in a container, and in a folder that a container can write, is not to
//! be trusted: everything is reached from a directory's handle, name by name, and no link is followed. Does not
//! decide where a copy goes: that is `cli::cp`.

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
    /// The receiver of an archive takes no more of it.
    #[error("the archive cannot be sent: {0}")]
    Send(#[source] io::Error),
    /// The archive from the container breaks off, or is none.
    #[error("the archive from the sandbox cannot be read: {0}")]
    Archive(#[source] io::Error),
    #[error("there is no `{}` on this machine", path.display())]
    Missing { path: PathBuf },
    #[error("`{}` is neither a file, a directory nor a link", path.display())]
    Special { path: PathBuf },
    /// Whoever has access to a folder can put a link there, and the sandbox may have.
    #[error("`{}` is a link to `{}`, and is not followed", path.display(), target.display())]
    Link { path: PathBuf, target: PathBuf },
    #[error("the archive from the sandbox has `{name}`, which leads out of the target; the copy was stopped there")]
    Escape { name: String },
    #[error("`{}` is {found}, and is not replaced by {new}", path.display())]
    Kind { path: PathBuf, found: &'static str, new: &'static str },
    #[error("the copy is larger than {}, and was stopped at `{name}`", Size(*limit))]
    TooLarge { limit: u64, name: String },
    #[error("`{}` has more than {max} directories inside each other", path.display())]
    TooDeep { path: PathBuf, max: usize },
}

impl CopyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "check the path; a missing directory is not made",
            Self::Link { .. } => {
                "name the place it points to, or end the path with a slash to copy into the directory behind it"
            }
            Self::Special { .. } => "only files, directories and links are copied; `-` is standard input or output",
            Self::Escape { .. } => "no honest engine sends that: look at what runs in the sandbox, and at the engine",
            Self::Kind { .. } => "remove it first, or name another place",
            Self::TooLarge { .. } => "`--max-size 50g` allows more, `--max-size 0` any size",
            Self::TooDeep { .. } => "pack it with `tar`, and copy the archive",
            Self::Read { .. } | Self::Write { .. } | Self::Send(_) | Self::Archive(_) => {
                "check the path, who may use it, and that there is room"
            }
        }
    }
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files, without directories and links.
    pub files: u64,
    pub bytes: u64,
    pub skipped: Skipped,
}

/// What was left out: the first few by name, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    pub count: u64,
    pub first: Vec<(String, Reason)>,
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Fifo,
    Socket,
    Device,
    /// A kind of entry that moat does not know.
    Unknown,
    /// Its name has characters that a terminal obeys.
    Name,
}

/// How many are named. A folder with a million fifos must not fill the memory, nor the screen.
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
            Self::Unknown => "of an unknown kind",
            Self::Name => "control characters in its name",
        })
    }
}

/// A name as it can be shown: what is not text is replaced, control characters are written out.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Whether a name has characters that a terminal obeys.
fn has_controls(name: &[u8]) -> bool {
    name.iter().any(u8::is_ascii_control) || String::from_utf8_lossy(name).contains(char::is_control)
}

#[cfg(test)]
mod tests;
