//! The local files of moat. They are a convenience: the labels on the engine are the state.
//!
//! The only module that writes files.

pub mod atomic;
pub mod private;

pub mod copy;
pub mod key;
pub mod lock;
pub mod plan_file;
pub mod spec;
pub mod user_namespaces;

pub mod approval;
pub mod watching;

use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// Returns the state directory: `MOAT_STATE_DIR` if it is set, else `moat` in the user's state directory of the XDG base
/// directory specification. `None` if the user has no home directory.
pub fn state_dir(overruled: Option<PathBuf>) -> Option<PathBuf> {
    let overruled = overruled.filter(|path| !path.as_os_str().is_empty());
    overruled.or_else(|| Some(etcetera::base_strategy::Xdg::new().ok()?.state_dir()?.join("moat")))
}

/// Creates the state directory. Called before its surroundings are observed, where a new directory would be a change.
///
/// # Errors
/// If it cannot be created.
pub fn prepare(dir: &Path) -> io::Result<()> {
    private::folder(dir)
}
