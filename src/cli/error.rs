//! Why a command could not do its work, and what that means for the exit code.

use std::io;

use crate::audit::AuditError;
use crate::cli::approval::Unapproved;
use crate::cli::environment::lowercase;
use crate::cli::exit::Exit;
use crate::cli::load::LoadError;
use crate::local::copy::CopyError;
use crate::local::lock::LockError;
use crate::ui::Problem;
use crate::ui::render::problem;
use crate::watch::files::WatchError;
use moat_docker::{AttachError, ConnectError};
use moat_model::engine::{EngineError, Fault};
use moat_model::resource::Run;
use moat_plan::event::Code;
use moat_spec::ExplainError;

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
    UnknownAgent {
        name: String,
        meant: Option<String>,
        /// It is that of a container of a sandbox.
        is_container: bool,
    },
    /// A name that is in no file of moat's own.
    #[error("nothing is known of `{name}`")]
    Unheard { name: String, meant: Option<String> },
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
    /// The user did not want to wait any longer, for the lock or for an approval.
    #[error("interrupted before anything was changed")]
    Interrupted,
    /// There is no folder for moat's own files.
    #[error("there is no folder for moat's own files")]
    NoPlace,
    /// What is to be removed has to be agreed to.
    #[error("nothing was done, since nobody is there to be asked")]
    NobodyToAsk,
    /// The specs of these agents have not been approved, and nothing was done to any agent.
    #[error("{}", .0.iter().map(Unapproved::message).collect::<Vec<_>>().join("\n"))]
    NotApproved(Vec<Unapproved>),
    /// The user said no.
    #[error("nothing was done, since you did not agree")]
    Declined,
    #[error("the sandbox has no resource `{resource}`")]
    NoResource { resource: String, meant: Option<String>, known: String },
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
            Self::NotApproved(_) => Exit::NotApproved,
            Self::NobodyToAsk | Self::Usage { .. } | Self::Explain(_) | Self::NoResource { .. } => Exit::Usage,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Exit::NoEngine
            }
            Self::Attach(AttachError::NotRun(why)) => Exit::Of(why.code),
            _ => Exit::Failed,
        }
    }

    /// The word for it that stays.
    fn code(&self) -> Code {
        match self {
            Self::Load(errors) if errors.iter().all(|error| matches!(error, LoadError::Key { .. })) => Code::LocalFile,
            Self::Load(_) | Self::NoSpec { .. } => Code::SpecInvalid,
            Self::Connect(_) | Self::Attach(AttachError::Lost(_)) => Code::EngineUnreachable,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) => Code::of(error),
            Self::NotRunning { .. } | Self::ContainerNotRunning { .. } => Code::NotRunning,
            Self::UnknownAgent { .. }
            | Self::Unheard { .. }
            | Self::SeveralRuns { .. }
            | Self::UnknownContainer { .. }
            | Self::NoResource { .. } => Code::UnknownName,
            Self::Refused { .. } | Self::Attach(AttachError::NotRun(_)) => Code::Refused,
            Self::Usage { .. } | Self::Explain(_) => Code::Usage,
            Self::Audit(_) => Code::AuditRefused,
            Self::Lock(LockError::Held { .. }) => Code::LockHeld,
            Self::Interrupted => Code::Interrupted,
            Self::NobodyToAsk | Self::Declined => Code::NotAgreed,
            Self::NotApproved(_) => Code::NotApproved,
            Self::Attach(AttachError::Terminal(_) | AttachError::Output(_))
            | Self::Lock(LockError::File { .. })
            | Self::NoPlace
            | Self::Copy(_)
            | Self::Watch(_)
            | Self::Create { .. }
            | Self::Output(_)
            | Self::Runtime(_) => Code::LocalFile,
        }
    }

    /// What to do next. Only of what the message says whole there is none.
    fn hint(&self) -> Option<String> {
        let meant = |meant: &Option<String>| meant.as_ref().map(|it| format!("did you mean `{it}`?"));
        let text = match self {
            // Each error has its own.
            Self::Load(_) => return None,
            Self::UnknownAgent { name, is_container: true, .. } => {
                return Some(format!("`{name}` is a container: `-c {name}` names it, where a command takes one"));
            }
            Self::UnknownAgent { meant: it, .. } => {
                return meant(it)
                    .or_else(|| Some("`moat list` shows all sandboxes; a spec is named by its path".to_owned()));
            }
            Self::Unheard { meant: it, .. } => {
                return meant(it).or_else(|| Some("`moat history --all` shows all that moat did".to_owned()));
            }
            Self::UnknownContainer { meant: it, names, .. } => {
                return meant(it).or_else(|| Some(format!("it has {}", names.join(", "))));
            }
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) => return Some(hint_of(error)),
            Self::Refused { hint, .. } | Self::Usage { hint, .. } => hint,
            Self::Audit(error) => error.hint(),
            Self::SeveralRuns { .. } => "name one of them by its id",
            Self::NoSpec { .. } => "`moat destroy` and `moat clean` need no spec",
            Self::ContainerNotRunning { .. } => "`moat status` shows how things are, `moat logs` what it said",
            Self::NotRunning { down: Down::Stopped, .. } => "`moat start` brings it back",
            Self::NotRunning { down: Down::Completed, .. } => "`moat restart` runs its command again",
            Self::NotRunning { .. } => "`moat apply` starts it, `moat status` shows how things are",
            Self::NoResource { meant: it, known, .. } => return meant(it).or_else(|| Some(known.clone())),
            Self::Connect(error) if error.hint.is_empty() => "`docker info` says whether docker can be used",
            Self::Connect(error) => &error.hint,
            Self::Attach(AttachError::Lost(_)) => "`moat status` shows whether the sandbox still runs",
            Self::Attach(AttachError::NotRun(why)) if why.code == 127 => "check its name; `moat shell` looks around",
            Self::Attach(AttachError::NotRun(_)) => "check it, and whom it is run as (`--user`)",
            Self::Attach(AttachError::Terminal(_)) => {
                "give it a pipe in place of a terminal, as in `moat exec … </dev/null`"
            }
            Self::Lock(LockError::Held { .. }) => {
                "wait for it with `--lock-timeout 60`, or look at what it does with `moat status`"
            }
            Self::Lock(LockError::File { .. }) => "make it writable, or name another folder with `MOAT_STATE_DIR`",
            Self::Interrupted => "run it again",
            Self::Watch(error) => error.hint,
            Self::NoPlace => "`MOAT_STATE_DIR` names one",
            Self::Explain(error) => &error.hint,
            Self::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                "name another file, or edit the one that is there"
            }
            Self::Copy(error) => error.hint(),
            Self::Create { .. } => "check the path, who may use it, and that there is room",
            Self::NobodyToAsk => "`--yes` agrees to what is shown above",
            Self::NotApproved(all) => {
                let digests = all.iter().map(|it| format!("--approve {}", it.digest)).collect::<Vec<_>>();
                return Some(format!(
                    "nothing was changed; `moat plan` shows it, and `{}` approves it",
                    digests.join(" ")
                ));
            }
            Self::Declined => "ask again if you change your mind",
            Self::Output(_) | Self::Attach(AttachError::Output(_)) => {
                "check where the output goes, and that there is room"
            }
            Self::Runtime(_) => "the machine may be out of files or memory: `ulimit -n` tells of the first",
        };
        Some(text.to_owned())
    }

    /// Calls `show` with what people and scripts get to see.
    pub fn shown<T>(&self, show: impl FnOnce(&[Problem<'_>]) -> T) -> T {
        let Self::Load(errors) = self else {
            let hint = self.hint();
            let (code, message) = (self.code(), self.to_string());
            return show(&[Problem { code, message: &message, hint: hint.as_deref(), findings: None }]);
        };
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let problems: Vec<Problem<'_>> = errors
            .iter()
            .zip(&messages)
            .map(|(error, message)| Problem {
                code: self.code(),
                message,
                hint: error.hint(),
                findings: error.findings(),
            })
            .collect();
        show(&problems)
    }

    /// In place of the document that was asked for; of one agent of several, if `run` is given.
    pub fn json(&self, run: Option<&Run>) -> String {
        self.shown(|problems| problem::json(run, problems, self.exit().code()))
    }
}

/// What to do about an engine's answer that nothing more is known about.
fn hint_of(error: &EngineError) -> String {
    let text = match (&error.hint, error.fault) {
        (Some(hint), _) => hint,
        (None, Fault::Unreachable) => "is docker still running? `docker info` tells",
        (None, Fault::Busy | Fault::TimedOut) => "try again in a while; `moat doctor` looks at the engine",
        (None, Fault::NotFound) => "check the path or name; `moat status` shows how things are",
        (None, Fault::Conflict | Fault::InUse) => {
            "something else changes it at the same time: `moat status` shows how things are"
        }
        (None, _) => "`moat doctor` looks at the engine",
    };
    text.to_owned()
}
