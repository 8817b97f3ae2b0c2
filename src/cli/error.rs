//! Why a command could not do its work, and what that means for the exit code.

use std::io;

use super::exit::Exit;
use super::load::LoadError;
use super::surroundings::lowercase;
use crate::engine::docker::{AttachError, ConnectError};
use crate::engine::{EngineError, Fault};
use crate::resource::Run;
use crate::spec::ExplainError;
use crate::store::audit::AuditError;
use crate::store::copy::CopyError;
use crate::store::lock::LockError;
use crate::ui::{Problem, problem};
use crate::watch::files::WatchError;

/// Why a main container does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// A user has stopped the sandbox.
    Stopped,
    /// Its command has ended with 0.
    Completed,
    /// It should run.
    Broken,
}

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
    NotRunning { agent: String, state: String, down: Down },
    #[error("the container `{name}` does not run: it is {state}")]
    ContainerNotRunning { name: String, state: &'static str },
    /// A name that no run on this engine bears.
    #[error("there is no sandbox `{name}` on this engine")]
    UnknownAgent { name: String, meant: Option<String> },
    /// A name that says too little.
    #[error("`{name}` is the agent of several sandboxes: {}", .runs.iter().map(|run| format!("`{run}`")).collect::<Vec<_>>().join(", "))]
    SeveralRuns { name: String, runs: Vec<String> },
    #[error("`{agent}` has no container `{name}`")]
    UnknownContainer { name: String, agent: String, meant: Option<String>, names: Vec<String> },
    /// What a run should be is not known any more.
    #[error("the spec of `{agent}` cannot be used: `{spec}`")]
    NoSpec { agent: String, spec: String },
    /// What was asked for is not to be had, for a reason that the message gives.
    #[error("{message}")]
    Refused { message: String, hint: String },
    /// A command line that says what cannot be.
    #[error("{message}")]
    Usage { message: String, hint: String },
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The user did not want to wait for the lock any longer.
    #[error("interrupted while another moat was waited for")]
    Interrupted,
    /// There is no folder for moat's own files.
    #[error("there is no folder for moat's own files")]
    NoPlace,
    /// What is to be removed has to be agreed to.
    #[error("nothing was done, since nobody is there to be asked")]
    NobodyToAsk,
    /// The user said no.
    #[error("nothing was done, since you did not agree")]
    Declined,
    #[error("the sandbox has no resource `{resource}`")]
    NoResource { resource: String, known: String },
    #[error(transparent)]
    Watch(#[from] WatchError),
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
            Self::NobodyToAsk | Self::Usage { .. } | Self::Explain(_) | Self::NoResource { .. } => Exit::Usage,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Exit::NoEngine
            }
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let meant = |meant: &Option<String>| meant.as_ref().map(|it| format!("did you mean `{it}`?"));
        let text = match self {
            Self::UnknownAgent { meant: it, .. } => {
                return meant(it).or_else(|| Some("`moat list` shows all that there are".to_owned()));
            }
            Self::UnknownContainer { meant: it, names, .. } => {
                return meant(it).or_else(|| Some(format!("it has {}", names.join(", "))));
            }
            Self::Refused { hint, .. } | Self::Usage { hint, .. } => Some(hint.as_str()),
            Self::Audit(error) => Some(error.hint()),
            Self::SeveralRuns { .. } => Some("name one of them by its id"),
            Self::NoSpec { .. } => Some("`moat destroy` and `moat clean` need no spec"),
            Self::ContainerNotRunning { .. } => Some("`moat status` shows how things are, `moat logs` what it said"),
            Self::NotRunning { down: Down::Stopped, .. } => Some("`moat start` brings it back"),
            Self::NotRunning { down: Down::Completed, .. } => Some("`moat restart` runs its command again"),
            Self::NoResource { known, .. } => Some(known.as_str()),
            Self::Connect(error) => Some(error.hint.as_str()).filter(|hint| !hint.is_empty()),
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Some("is docker still running? `docker info` tells")
            }
            Self::NotRunning { .. } => Some("`moat apply` starts it, `moat status` shows how things are"),
            Self::Lock(_) => Some("wait for it with `--lock-timeout 60`, or look at what it does with `moat status`"),
            Self::Watch(error) => Some(error.hint),
            Self::NoPlace => Some("`MOAT_STATE_DIR` names one"),
            Self::Explain(error) => Some(error.hint.as_str()),
            Self::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("name another file, or edit the one that is there")
            }
            Self::NobodyToAsk => Some("`--yes` agrees to what is shown above"),
            _ => None,
        };
        text.map(str::to_owned)
    }

    /// Calls `show` with what people and scripts get to see.
    pub fn shown<T>(&self, show: impl FnOnce(&[Problem<'_>]) -> T) -> T {
        let Self::Load(errors) = self else {
            let hint = self.hint();
            return show(&[Problem { message: &self.to_string(), hint: hint.as_deref(), findings: None }]);
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
