//! Why a command could not do its work, and what that means for the exit code.

use std::io;

use super::exit::Exit;
use super::load::LoadError;
use crate::engine::docker::{AttachError, ConnectError};
use crate::engine::{EngineError, Fault};
use crate::ui::Problem;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("docker did not answer as it should: {0}")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// There is nothing to run a command in.
    #[error("the main container of `{agent}` {state}")]
    NotRunning { agent: String, state: String },
    /// The user said no.
    #[error("nothing was done, since you did not agree")]
    Declined,
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
    #[error("this process cannot wait for anything: {0}")]
    Runtime(#[source] io::Error),
}

impl CliError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Load(_) => Exit::Spec,
            Self::Connect(_) => Exit::NoEngine,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Exit::NoEngine
            }
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Connect(error) => Some(error.hint.as_str()).filter(|hint| !hint.is_empty()),
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Some("is docker still running? `docker info` tells")
            }
            Self::NotRunning { .. } => Some("`moat apply` starts it, `moat status` shows how things are"),
            _ => None,
        }
    }

    /// Calls `show` with what people and scripts get to see.
    pub fn shown<T>(&self, show: impl FnOnce(&Problem<'_>) -> T) -> T {
        let findings = match self {
            Self::Load(LoadError::Spec(diagnostics)) => Some(diagnostics),
            _ => None,
        };
        show(&Problem { message: &self.to_string(), hint: self.hint(), findings })
    }
}
