//! Errors of commands, with their exit codes and hints.

use std::io;

use crate::audit::AuditError;
use crate::cli::environment::lowercase;
use crate::cli::exit::Exit;
use crate::cli::load_error::LoadError;
use crate::cli::unapproved::Unapproved;
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

/// Why a main container is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNotRunning {
    /// The sandbox was stopped by a user.
    Stopped,
    /// The command exited with 0.
    Completed,
    /// The container should be running.
    Broken,
}

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// One error for each invalid spec.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Load(Vec<LoadError>),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("unexpected response from docker: {0}")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The main container is not running.
    #[error("the main container of `{agent}` {state}")]
    NotRunning { agent: String, state: String, down: WhyNotRunning },
    #[error("container `{name}` is not running ({state})")]
    ContainerNotRunning { name: String, state: &'static str },
    /// No run on this engine has this name.
    #[error("no sandbox `{name}` on this Docker host")]
    UnknownAgent {
        name: String,
        meant: Option<String>,
        /// A container of a sandbox has this name.
        is_container: bool,
    },
    /// No state file mentions this name.
    #[error("no record of `{name}`")]
    NoRecord { name: String, meant: Option<String> },
    /// An ambiguous name.
    #[error("`{name}` is the agent of several sandboxes: {}", .runs.iter().map(|run| format!("`{run}`")).collect::<Vec<_>>().join(", "))]
    SeveralRuns { name: String, runs: Vec<String> },
    #[error("`{agent}` has no container `{name}`")]
    UnknownContainer { name: String, agent: String, meant: Option<String>, names: Vec<String> },
    /// A sandbox that is on none of the docker contexts that answered, while others did not.
    #[error("cannot tell whether `{name}` exists")]
    Unanswered { name: String },
    /// The spec of an existing run is missing or invalid.
    #[error("the spec of `{agent}` is missing or invalid: `{spec}`")]
    NoSpec { agent: String, spec: String },
    /// The request cannot be fulfilled, for the reason in the message.
    #[error("{message}")]
    Refused { message: String, hint: String },
    /// An invalid command line.
    #[error("{message}")]
    Usage { message: String, hint: String },
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The user interrupted the wait for a lock or an approval.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// There is no directory for moat's state.
    #[error("no directory for moat's state")]
    NoStateDir,
    /// A confirmation is needed, but there is no terminal.
    #[error("confirmation is needed and there is no terminal; nothing was changed")]
    NoTerminal,
    /// The specs of these agents are not approved; nothing was changed for any agent.
    #[error("{}", .0.iter().map(Unapproved::message).collect::<Vec<_>>().join("\n"))]
    NotApproved(Vec<Unapproved>),
    /// The user declined.
    #[error("declined; nothing was changed")]
    Declined,
    #[error("the sandbox has no resource `{resource}`")]
    NoResource { resource: String, meant: Option<String>, known: String },
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error("cannot write `{file}`: {}", lowercase(source))]
    Create { file: String, source: io::Error },
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    #[error("cannot start the async runtime: {0}")]
    Runtime(#[source] io::Error),
}

impl CliError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Load(_) => Exit::Spec,
            Self::Connect(_) | Self::Unanswered { .. } => Exit::NoEngine,
            Self::Lock(_) => Exit::Locked,
            Self::Interrupted => Exit::Interrupted,
            Self::NotApproved(_) => Exit::NotApproved,
            Self::NoTerminal | Self::Usage { .. } | Self::Explain(_) | Self::NoResource { .. } => Exit::Usage,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) if error.fault == Fault::Unreachable => {
                Exit::NoEngine
            }
            Self::Attach(AttachError::NotRun(why)) => Exit::Of(why.code),
            _ => Exit::Failed,
        }
    }

    /// The stable error code.
    fn code(&self) -> Code {
        match self {
            Self::Load(errors) if errors.iter().all(|error| matches!(error, LoadError::Key { .. })) => Code::LocalFile,
            Self::Load(_) | Self::NoSpec { .. } => Code::SpecInvalid,
            Self::Connect(_) | Self::Unanswered { .. } | Self::Attach(AttachError::Lost(_)) => Code::EngineUnreachable,
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) => Code::of(error),
            Self::NotRunning { .. } | Self::ContainerNotRunning { .. } => Code::NotRunning,
            Self::UnknownAgent { .. }
            | Self::NoRecord { .. }
            | Self::SeveralRuns { .. }
            | Self::UnknownContainer { .. }
            | Self::NoResource { .. } => Code::UnknownName,
            Self::Refused { .. } | Self::Attach(AttachError::NotRun(_)) => Code::Refused,
            Self::Usage { .. } | Self::Explain(_) => Code::Usage,
            Self::Audit(_) => Code::AuditRefused,
            Self::Lock(LockError::Held { .. }) => Code::LockHeld,
            Self::Interrupted => Code::Interrupted,
            Self::NoTerminal | Self::Declined => Code::NotAgreed,
            Self::NotApproved(_) => Code::NotApproved,
            Self::Attach(AttachError::Terminal(_) | AttachError::Output(_))
            | Self::Lock(LockError::File { .. })
            | Self::NoStateDir
            | Self::Copy(_)
            | Self::Watch(_)
            | Self::Create { .. }
            | Self::Output(_)
            | Self::Runtime(_) => Code::LocalFile,
        }
    }

    /// What to do next. `None`: the message is sufficient.
    fn hint(&self) -> Option<String> {
        let meant = |meant: &Option<String>| meant.as_ref().map(|it| format!("did you mean `{it}`?"));
        let text = match self {
            // Each load error has its own hint.
            Self::Load(_) => return None,
            Self::UnknownAgent { name, is_container: true, .. } => {
                return Some(format!("`{name}` is a container: select it with `-c {name}`"));
            }
            Self::UnknownAgent { meant: it, .. } => {
                return meant(it)
                    .or_else(|| Some("`moat list` shows all sandboxes; a spec is given by its path".to_owned()));
            }
            Self::NoRecord { meant: it, .. } => {
                return meant(it).or_else(|| Some("`moat history --all` shows all sandboxes".to_owned()));
            }
            Self::UnknownContainer { meant: it, names, .. } => {
                return meant(it).or_else(|| Some(containers(names)));
            }
            Self::Engine(error) | Self::Attach(AttachError::Engine(error)) => return Some(hint_of(error)),
            Self::Refused { hint, .. } | Self::Usage { hint, .. } => hint,
            Self::Audit(error) => error.hint(),
            Self::Unanswered { .. } => "it is on none of the Docker contexts that answered",
            Self::SeveralRuns { .. } => "use one of these ids",
            Self::NoSpec { .. } => "`moat destroy` and `moat clean` need no spec",
            Self::ContainerNotRunning { .. } => "see `moat status` and `moat logs`",
            Self::NotRunning { down: WhyNotRunning::Stopped, .. } => "`moat start` starts it",
            Self::NotRunning { down: WhyNotRunning::Completed, .. } => "`moat restart` runs its command again",
            Self::NotRunning { .. } => "`moat apply` creates or starts it; `moat status` shows the state",
            Self::NoResource { meant: it, known, .. } => {
                return meant(it).or_else(|| Some(format!("its resources: {known}")));
            }
            Self::Connect(error) if error.hint.is_empty() => "`docker info` checks the connection",
            Self::Connect(error) => &error.hint,
            Self::Attach(AttachError::Lost(_)) => "`moat status` shows whether the sandbox is still running",
            Self::Attach(AttachError::NotRun(why)) if why.code == 127 => {
                "check the name of the command, for example in `moat shell`"
            }
            Self::Attach(AttachError::NotRun(_)) => {
                "check the command, its user (`--user`) and its directory (`--workdir`)"
            }
            Self::Attach(AttachError::Terminal(_)) => {
                "use a pipe instead of a terminal, as in `moat exec … </dev/null`"
            }
            Self::Lock(LockError::Held { .. }) => "wait with `--lock-timeout 60`, or see `moat status`",
            Self::Lock(LockError::File { .. }) => "make it writable, or set `MOAT_STATE_DIR` to another directory",
            Self::Interrupted => "run it again",
            Self::Watch(error) => error.hint,
            Self::NoStateDir => "set `MOAT_STATE_DIR`",
            Self::Explain(error) => &error.hint,
            Self::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                "choose another file, or edit the existing one"
            }
            Self::Copy(error) => error.hint(),
            Self::Create { .. } => "check the path, its permissions and the free space",
            Self::NoTerminal => "`--yes` confirms the above",
            Self::NotApproved(all) => {
                let digests = all.iter().map(|it| format!("--approve {}", it.digest)).collect::<Vec<_>>();
                return Some(format!(
                    "nothing was changed; review it with `moat plan`, then approve it with `{}`",
                    digests.join(" ")
                ));
            }
            Self::Declined => "run the command again to confirm",
            Self::Output(_) | Self::Attach(AttachError::Output(_)) => {
                "check the target of the output and its free space"
            }
            Self::Runtime(_) => "out of file descriptors or memory? check `ulimit -n`",
        };
        Some(text.to_owned())
    }

    /// Calls `show` with the problems to print.
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

    /// The error as a JSON document; for one of several agents if `run` is given.
    pub fn json(&self, run: Option<&Run>, context: Option<&str>) -> String {
        self.shown(|problems| problem::json(run, context, problems, self.exit().code()))
    }
}

/// The containers of a sandbox, for a name that none of them has.
fn containers(names: &[String]) -> String {
    match names {
        [] => "it has no containers; `moat apply` creates them".to_owned(),
        names => format!("its containers: {}", names.join(", ")),
    }
}

/// The hint for an engine error without a specific one.
fn hint_of(error: &EngineError) -> String {
    let text = match (&error.hint, error.fault) {
        (Some(hint), _) => hint,
        (None, Fault::Unreachable) => "check whether docker is running: `docker info`",
        (None, Fault::Busy | Fault::TimedOut) => "try again later; `moat doctor` checks the engine",
        (None, Fault::NotFound) => "check the path or name; `moat status` shows the state",
        (None, Fault::Conflict | Fault::InUse) => "another process is changing it: see `moat status`",
        (None, _) => "`moat doctor` checks the engine",
    };
    text.to_owned()
}
