//! Whether a spec still stands for a run that is found on an engine.
//!
//! Only this machine's files can be looked at. A run that was applied from another machine, to an engine that both
//! use, looks as if its file were gone: whoever cleans sees the path first.

use std::io::ErrorKind;
use std::path::Path;

use crate::cli::load;
use moat_model::resource::Run;

/// Why no spec stands for a run; `None`: one does, or it cannot be told.
pub fn orphaned(run: &Run) -> Option<&'static str> {
    let path = Path::new(&run.spec);
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Some("file is gone"),
        // A folder that may not be looked into may have it.
        Err(_) => None,
        Ok(_) => match load::bare(path) {
            Ok(graphs) if graphs.iter().all(|graph| graph.run.agent != run.agent) => Some("names another agent"),
            _ => None,
        },
    }
}
