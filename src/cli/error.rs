//! Why a command could not do its work, and what that means for the exit code.

use std::io;

use super::exit::Exit;
use super::load::LoadError;
use super::surroundings::lowercase;
use crate::engine::docker::{AttachError, ConnectError};
use crate::engine::{EngineError, Fault};
use crate::resource::Run;
use crate::spec::ExplainError;
use crate::store::lock::LockError;
use crate::ui::{Problem, problem};

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What is wrong with each spec that cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Load(Vec<LoadError>),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("docker did not answer as it should: {0}")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// There is nothing to run a command in.
    #[error("the main container of `{agent}` {state}")]
    NotRunning { agent: String, state: String },
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The user did not want to wait for the lock any longer.
    #[error("interrupted while another moat was waited for")]
    Interrupted,
    /// What is to be removed has to be agreed to.
    #[error("nothing was done, since nobody is there to be asked")]
    NobodyToAsk,
    /// The user said no.
    #[error("nothing was done, since you did not agree")]
    Declined,
    #[error("the sandbox has no resource `{resource}`")]
    NoResource { resource: String, known: String },
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error("`{file}` cannot be written: {}", lowercase(source))]
    Create { file: String, source: io::Error },
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
            Self::Lock(_) => Exit::Locked,
            Self::Interrupted => Exit::Interrupted,
            Self::NobodyToAsk | Self::Explain(_) | Self::NoResource { .. } => Exit::Usage,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Exit::NoEngine
            }
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::NoResource { known, .. } => Some(known),
            Self::Connect(error) => Some(error.hint.as_str()).filter(|hint| !hint.is_empty()),
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Some("is docker still running? `docker info` tells")
            }
            Self::NotRunning { .. } => Some("`moat apply` starts it, `moat status` shows how things are"),
            Self::Lock(_) => Some("wait for it with `--lock-timeout 60`, or look at what it does with `moat status`"),
            Self::Explain(error) => Some(&error.hint),
            Self::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("name another file, or edit the one that is there")
            }
            Self::NobodyToAsk => Some("`--yes` agrees to what is shown above"),
            _ => None,
        }
    }

    /// Calls `show` with what people and scripts get to see.
    pub fn shown<T>(&self, show: impl FnOnce(&[Problem<'_>]) -> T) -> T {
        let Self::Load(errors) = self else {
            return show(&[Problem { message: &self.to_string(), hint: self.hint(), findings: None }]);
        };
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let problems: Vec<Problem<'_>> = errors
            .iter()
            .zip(&messages)
            .map(|(error, message)| Problem { message, hint: error.hint(), findings: error.findings() })
            .collect();
        show(&problems)
    }

    /// In place of the document that was asked for; of one agent of several, if `run` is given.
    pub fn json(&self, run: Option<&Run>) -> String {
        self.shown(|problems| problem::json(run, problems, self.exit().code()))
    }
}
