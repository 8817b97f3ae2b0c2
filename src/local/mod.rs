//! What moat keeps in files of its own. Losing them loses convenience, never control: Docker is the state.
//!
//! The only module that writes files.

pub mod atomic;
pub mod private;

pub mod copy;
pub mod key;
pub mod lock;
pub mod plan_file;
pub mod spec;

pub mod approval;
pub mod watching;

use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// The folder for moat's own files: `MOAT_STATE_DIR` if it is set, else `moat` in the user's state folder as the
/// XDG base directory specification has it. `None`: the user has no home.
pub fn state_dir(overruled: Option<PathBuf>) -> Option<PathBuf> {
    let overruled = overruled.filter(|path| !path.as_os_str().is_empty());
    overruled.or_else(|| Some(etcetera::base_strategy::Xdg::new().ok()?.state_dir()?.join("moat")))
}

/// Makes the folder before anybody looks at what is around it, for whom its coming would be a change.
///
/// # Errors
/// If it cannot be made.
pub fn prepare(dir: &Path) -> io::Result<()> {
    private::folder(dir)
}
