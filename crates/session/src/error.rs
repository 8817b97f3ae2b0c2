//! Why a session cannot be held or attached to.

use std::io;
use std::path::PathBuf;

/// Why a session cannot be held or attached to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("`{}`: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    #[error("`{}` does not belong to this user alone", .0.display())]
    Foreign(PathBuf),
    #[error("`{0}` is not the name of a session")]
    Name(String),
    #[error("there are already {0} sessions")]
    TooMany(usize),
    #[error("no terminal: {0}")]
    Terminal(io::Error),
    #[error("the command cannot be started: {0}")]
    Start(io::Error),
    #[error("session `{0}` is not running")]
    NotRunning(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SessionError {
    pub(crate) fn of(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::File { path, why }
    }
}
