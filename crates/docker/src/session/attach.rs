//! Runs a command in a container with the user's streams, as `moat exec` does.
//!
//! With a terminal there is one raw stream in both directions; without one, standard output and standard error stay
//! separate and every byte is preserved. The end of standard input is passed on while the output continues. Not part of
//! [`Engine`](moat_model::engine::Engine): reconciliation does not need it.

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

use super::attach_error::AttachError;
use super::connection::{DETACH_KEYS, Process, StreamOptions};
use super::detach::Watch;
use super::exec::{self, ExecId};
use super::keeper::Keeper;
use super::main_command;
use super::not_run::{self, NotRun};
use super::pump::{End, Input, SIGNAL_BASE, pump, write};
use super::request::{AttachRequest, Attached};
use super::stdin;
use super::terminal::{self, RawMode, Size};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::version::Feature;
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;

/// The codes of SIGHUP, SIGINT and SIGTERM, with which a terminal or a service manager stops this process.
const STOPPED: [i64; 3] = [SIGNAL_BASE + 1, SIGNAL_BASE + 2, SIGNAL_BASE + 15];

/// Just after a start the terminal may not exist yet. Retries the first resize for about a second.
const RESIZE_TRIES: u32 = 20;
const RESIZE_PAUSE: Duration = Duration::from_millis(50);

impl Docker {
    /// Runs a command in a container with this process's streams, and returns its exit code.
    ///
    /// # Errors
    /// If it cannot be started, or the connection is lost. A command that does not exist returns [`AttachError::NotRun`].
    pub async fn attach(&self, container: &ContainerId, request: &AttachRequest) -> Result<Attached, AttachError> {
        if !request.kill_on_exit {
            return self.attach_exec(container, request).await;
        }
        let (keeper, request) = Keeper::begin(self, container, request).await?;
        let attached = self.attach_exec(container, &request).await;
        // A stopped process takes the command with it.
        if !matches!(&attached, Ok(Attached::Ended(code)) if STOPPED.contains(code)) {
            keeper.release().await;
        }
        attached
    }

    /// Starts a command in a container, detached.
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
        let how = StreamOptions { tty: request.tty, stdin: request.stdin, detach_keys: request.detach_keys.as_ref() };
        let end = self.with_own_streams(&Process::Exec(&exec), &how).await?;
        if matches!(end, End::Left) {
            return Ok(Attached::Left);
        }
        Ok(Attached::Ended(self.exit_code(&exec, request, end, &mut tokio::io::stdout()).await?))
    }

    /// Runs a command in a container with the caller's streams; `input` ends with its channel.
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

    /// Connects this process's streams; the terminal is raw meanwhile.
    pub(crate) async fn with_own_streams(
        &self,
        process: &Process<'_>,
        how: &StreamOptions<'_>,
    ) -> Result<End, AttachError> {
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
            number = termination_signal(how.tty) => number.map(End::Signal).map_err(AttachError::Terminal),
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
            // The output was the command's.
            End::Refused(output) => {
                write(out, &output).await.map_err(AttachError::Output)?;
                Ok(exec::exit_code(self, exec).await?)
            }
            End::Output => Ok(exec::exit_code(self, exec).await?),
            other => Ok(other.code()),
        }
    }

    /// Keeps the size of the command's terminal equal to this process's.
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

    /// Resizes; returns whether it is done.
    async fn resize(&self, process: &Process<'_>) -> bool {
        let Some(Size { rows, columns }) = own_size() else { return true };
        let resized = match process {
            Process::Exec(exec) => exec::resize(self, exec, rows, columns).await,
            Process::Main(container) => main_command::resize(self, container, rows, columns).await,
        };
        resized.is_ok()
    }
}

/// The size of the terminal on standard output, or else on standard input.
pub(super) fn own_size() -> Option<Size> {
    terminal::size(stdio::stdout()).or_else(|| terminal::size(stdio::stdin()))
}

/// Waits for a termination signal, so that the terminal does not stay raw. Without a terminal the default action is
/// right.
pub(super) async fn termination_signal(tty: bool) -> io::Result<i32> {
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
