//! A command in a container with the user's own streams, as in `moat exec`.
//!
//! With a terminal there is one raw stream both ways; without, standard output and standard error stay apart and
//! every byte is what it was. The end of standard input is passed on while the output goes on. Not part of
//! [`Engine`](moat_model::engine::Engine): nothing that reconciles needs it.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::time::Duration;

use bollard::models::ExecConfig;
use bytes::Bytes;
use rustix::stdio;
use tokio::io::AsyncWrite;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::detach::{DetachKeys, Watch};
use super::exec::{self, ExecId};
use super::keeper::Keeper;
use super::main_command;
use super::not_run::{self, NotRun};
use super::pump::{End, Input, pump, write};
use super::stdin;
use super::terminal::{self, RawMode, Size};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::version::Feature;
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;

/// What to run, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachRequest {
    pub command: Vec<String>,
    /// On top of the container's own.
    pub env: BTreeMap<String, String>,
    /// A name or a number, with a group after a colon; `None`: the container's own.
    pub user: Option<String>,
    /// `None`: the container's own.
    pub workdir: Option<String>,
    /// Gives the command a terminal; this process's own, if it has one, becomes raw meanwhile.
    pub tty: bool,
    /// Passes standard input on.
    pub stdin: bool,
    /// Keys that leave the command running; `None`: there are none.
    pub detach_keys: Option<DetachKeys>,
    /// Ends the command when this process ends, however that happens.
    pub kill_on_exit: bool,
}

/// What streams are those of.
pub(crate) enum Process<'a> {
    Exec(&'a ExecId),
    Main(&'a ContainerId),
}

/// How this process's streams are used.
pub(crate) struct How<'a> {
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) detach_keys: Option<&'a DetachKeys>,
}

/// How a command was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// With its exit code.
    Ended(i64),
    /// It goes on: the user has detached from it.
    Left,
}

/// Why a command could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    NotRun(NotRun),
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
    #[error("the connection to the command was lost: {0}")]
    Lost(#[source] io::Error),
}

/// The convention of shells for a death by signal.
const SIGNAL_BASE: i64 = 128;

/// What a program dies of whose output nobody reads.
const SIGPIPE: i64 = 13;

/// The codes of SIGHUP, SIGINT and SIGTERM, by which a terminal or a service manager ends this process.
const TOLD: [i64; 3] = [SIGNAL_BASE + 1, SIGNAL_BASE + 2, SIGNAL_BASE + 15];

/// The engine never detaches. Its own keys for it would hold back every Ctrl-P, which shells need; these are keys that
/// nobody presses.
pub(crate) const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^";

/// Just after a start there may be no terminal yet that could be resized: about a second in all.
const RESIZE_TRIES: u32 = 20;
const RESIZE_PAUSE: Duration = Duration::from_millis(50);

impl Docker {
    /// Runs a command in a container with this process's streams, and gives its exit code.
    ///
    /// # Errors
    /// If it cannot be started, or the connection is lost. A command that does not exist is no error: it ends
    /// with 126 or 127.
    pub async fn attach(&self, container: &ContainerId, request: &AttachRequest) -> Result<Attached, AttachError> {
        if !request.kill_on_exit {
            return self.attach_exec(container, request).await;
        }
        let (keeper, request) = Keeper::begin(self, container, request).await?;
        let attached = self.attach_exec(container, &request).await;
        // One that was told to end takes the command with it.
        if !matches!(&attached, Ok(Attached::Ended(code)) if TOLD.contains(code)) {
            keeper.release().await;
        }
        attached
    }

    /// Starts a command in a container, and stays with it no longer.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn detach(&self, container: &ContainerId, request: &AttachRequest) -> Result<(), AttachError> {
        let config = ExecConfig {
            attach_stdin: Some(false),
            attach_stdout: Some(false),
            attach_stderr: Some(false),
            ..self.config(&AttachRequest { tty: false, stdin: false, ..request.clone() })
        };
        let exec = exec::create(self, container, &config).await?;
        match exec::start_detached(self, &exec).await {
            Ok(()) => Ok(()),
            Err(Failure::Refused { message, .. }) if not_run::may_be(message.as_bytes()) => {
                Err(AttachError::NotRun(NotRun::of(request, &message)))
            }
            Err(failure) => Err(failure.into_error(Call::Exec).into()),
        }
    }

    async fn attach_exec(&self, container: &ContainerId, request: &AttachRequest) -> Result<Attached, AttachError> {
        let exec = self.create_attached(container, request).await?;
        let how = How { tty: request.tty, stdin: request.stdin, detach_keys: request.detach_keys.as_ref() };
        let end = self.with_own_streams(&Process::Exec(&exec), &how).await?;
        if matches!(end, End::Left) {
            return Ok(Attached::Left);
        }
        Ok(Attached::Ended(self.exit_code(&exec, request, end, &mut tokio::io::stdout()).await?))
    }

    /// Runs a command in a container with streams of the caller's: the chunks of `input` until the channel ends.
    ///
    /// # Errors
    /// As [`Docker::attach`].
    pub async fn attach_streams(
        &self,
        container: &ContainerId,
        request: &AttachRequest,
        input: Option<mpsc::Receiver<Bytes>>,
        out: &mut (impl AsyncWrite + Unpin),
        err: &mut (impl AsyncWrite + Unpin),
    ) -> Result<i64, AttachError> {
        let exec = self.create_attached(container, request).await?;
        let streams = exec::start(self, &exec, request.tty).await.map_err(|failure| failure.into_error(Call::Exec))?;
        let input = input.map(|chunks| Input { chunks, watch: None, passes_end: true });
        let end = pump(streams, request.tty, input, out, err).await?;
        self.exit_code(&exec, request, end, out).await
    }

    /// The part of an attachment during which the terminal is raw.
    pub(crate) async fn with_own_streams(&self, process: &Process<'_>, how: &How<'_>) -> Result<End, AttachError> {
        let _raw =
            if how.tty && how.stdin { RawMode::enter(stdio::stdin()).map_err(AttachError::Terminal)? } else { None };
        let watch = how.detach_keys.filter(|_| how.tty).map(Watch::new);
        let passes_end = matches!(process, Process::Exec(_));
        let input = how.stdin.then(|| Input { chunks: stdin::chunks(), watch, passes_end });
        let started = match process {
            Process::Exec(exec) => exec::start(self, exec, how.tty).await,
            Process::Main(container) => main_command::start(self, container, how.stdin, DETACH_KEYS).await,
        };
        let streams = started.map_err(|failure| failure.into_error(Call::Exec))?;
        let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
        tokio::select! {
            end = pump(streams, how.tty, input, &mut out, &mut err) => end,
            number = told_to_end(how.tty) => number.map(End::Signal).map_err(AttachError::Terminal),
            never = self.follow_size(process, how.tty) => match never {},
        }
    }

    async fn create_attached(&self, container: &ContainerId, request: &AttachRequest) -> Result<ExecId, EngineError> {
        exec::create(self, container, &self.config(request)).await
    }

    fn config(&self, request: &AttachRequest) -> ExecConfig {
        let size = if request.tty && self.version.has(Feature::ExecConsoleSize) { own_size() } else { None };
        ExecConfig {
            attach_stdin: Some(request.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            console_size: size.map(|size| vec![usize::from(size.rows), usize::from(size.columns)]),
            detach_keys: request.tty.then(|| DETACH_KEYS.to_owned()),
            tty: Some(request.tty),
            env: Some(request.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
            cmd: Some(request.command.clone()),
            privileged: None,
            user: request.user.clone(),
            working_dir: request.workdir.clone(),
        }
    }

    async fn exit_code(
        &self,
        exec: &ExecId,
        request: &AttachRequest,
        end: End,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<i64, AttachError> {
        match end {
            End::Refused(words) if exec::never_ran(self, exec).await? => {
                Err(AttachError::NotRun(NotRun::of(request, &String::from_utf8_lossy(&words))))
            }
            // It was the command's own.
            End::Refused(output) => {
                write(out, &output).await.map_err(AttachError::Output)?;
                Ok(exec::exit_code(self, exec).await?)
            }
            End::Output => Ok(exec::exit_code(self, exec).await?),
            other => Ok(code_of(&other)),
        }
    }

    /// Keeps the command's terminal as large as this process's.
    async fn follow_size(&self, process: &Process<'_>, tty: bool) -> std::convert::Infallible {
        let changes = if tty { signal(SignalKind::window_change()).ok() } else { None };
        if let Some(mut changes) = changes {
            for _ in 0..RESIZE_TRIES {
                if self.resize(process).await {
                    break;
                }
                sleep(RESIZE_PAUSE).await;
            }
            while changes.recv().await.is_some() {
                self.resize(process).await;
            }
        }
        pending().await
    }

    /// Whether there is nothing left to do.
    async fn resize(&self, process: &Process<'_>) -> bool {
        let Some(Size { rows, columns }) = own_size() else { return true };
        let resized = match process {
            Process::Exec(exec) => exec::resize(self, exec, rows, columns).await,
            Process::Main(container) => main_command::resize(self, container, rows, columns).await,
        };
        resized.is_ok()
    }
}

/// What an end says that the command did not.
pub(crate) fn code_of(end: &End) -> i64 {
    match end {
        // It has none yet.
        End::Output | End::Refused(_) | End::Left => 0,
        End::NoReader => SIGNAL_BASE + SIGPIPE,
        End::Signal(number) => SIGNAL_BASE + i64::from(*number),
    }
}

/// The size of the terminal that the output goes to, or else of the one that the input comes from.
fn own_size() -> Option<Size> {
    terminal::size(stdio::stdout()).or_else(|| terminal::size(stdio::stdin()))
}

/// Waits for a signal to end, if the terminal would otherwise stay raw; without one the signal's own effect is right.
async fn told_to_end(tty: bool) -> io::Result<i32> {
    if !tty {
        return pending().await;
    }
    let [mut interrupt, mut terminate, mut hangup] =
        [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?];
    let kind = tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hangup.recv() => SignalKind::hangup(),
    };
    Ok(kind.as_raw_value())
}

fn listen(kind: SignalKind) -> io::Result<Signal> {
    signal(kind)
}
