//! moat's state directory.

use std::env;
use std::path::PathBuf;
use std::sync::Once;

use crate::local::private;
use crate::local::state_dir;

/// The variable that overrides the state directory.
pub const STATE_DIR: &str = "MOAT_STATE_DIR";

/// The state directory. `None`: neither `MOAT_STATE_DIR` nor `HOME` is set.
pub fn state_directory() -> Option<PathBuf> {
    static CLOSED: Once = Once::new();
    let dir = state_dir(env::var_os(STATE_DIR).map(Into::into))?;
    CLOSED.call_once(|| private::close(&dir));
    Some(dir)
}
