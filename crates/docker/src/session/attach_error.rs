//! Why an attachment failed.

use std::io;

use super::not_run::NotRun;
use moat_model::engine::EngineError;

/// Why an attachment failed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    NotRun(NotRun),
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    #[error("the connection to the command was lost: {0}")]
    Lost(#[source] io::Error),
}
