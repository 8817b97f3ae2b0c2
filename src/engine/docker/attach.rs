//! A command in a container with the user's own streams, as in `moat exec`.
//!
//! With a terminal there is one raw stream both ways; without, standard output and standard error stay apart and
//! every byte is what it was. The end of standard input is passed on while the output goes on. Not part of
//! [`Engine`](crate::engine::Engine): nothing that reconciles needs it.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::time::Duration;

use bollard::models::ExecConfig;
use bytes::{Bytes, BytesMut};
use rustix::stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Docker;
use super::detach::{DetachKeys, Watch};
use super::exec::{self, CHUNK, ExecId};
use super::frames::{Channel, Frames};
use super::stdin;
use super::terminal::{self, RawMode, Size};
use super::version::Feature;
use crate::engine::{Call, EngineError};
use crate::resource::ContainerId;

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
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
    #[error("the connection to the command was lost: {0}")]
    Lost(#[source] io::Error),
}

/// How an attachment ended.
#[derive(Debug)]
enum End {
    /// The command closed its output.
    Output,
    /// Nobody reads the output any more.
    NoReader,
    /// The user has pressed the keys that leave the command running.
    Left,
    /// This process was told to end, by that signal.
    Signal(i32),
}

/// The convention of shells for a death by signal.
const SIGNAL_BASE: i64 = 128;

/// What a program dies of whose output nobody reads.
const SIGPIPE: i64 = 13;

/// The engine never detaches. Its own keys for it would hold back every Ctrl-P, which shells need; these are keys that
/// nobody presses.
const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^";

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
        let exec = self.create_attached(container, request).await?;
        let end = self.with_own_streams(&exec, request).await?;
        if matches!(end, End::Left) {
            Ok(Attached::Left)
        } else {
            Ok(Attached::Ended(self.exit_code(&exec, end).await?))
        }
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
        let end = pump(streams, request.tty, None, input, out, err).await?;
        self.exit_code(&exec, end).await
    }

    /// The part of an attachment during which the terminal is raw.
    async fn with_own_streams(&self, exec: &ExecId, request: &AttachRequest) -> Result<End, AttachError> {
        let _raw = if request.tty { RawMode::enter(stdio::stdin()).map_err(AttachError::Terminal)? } else { None };
        let input = request.stdin.then(stdin::chunks);
        let watch = request.detach_keys.as_ref().filter(|_| request.tty).map(Watch::new);
        let streams = exec::start(self, exec, request.tty).await.map_err(|failure| failure.into_error(Call::Exec))?;
        let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
        tokio::select! {
            end = pump(streams, request.tty, watch, input, &mut out, &mut err) => end,
            number = told_to_end(request.tty) => number.map(End::Signal).map_err(AttachError::Terminal),
            never = self.follow_size(exec, request.tty) => match never {},
        }
    }

    async fn create_attached(&self, container: &ContainerId, request: &AttachRequest) -> Result<ExecId, EngineError> {
        let size = if request.tty && self.version.has(Feature::ExecConsoleSize) { own_size() } else { None };
        let config = ExecConfig {
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
        };
        exec::create(self, container, &config).await
    }

    async fn exit_code(&self, exec: &ExecId, end: End) -> Result<i64, AttachError> {
        match end {
            End::Output => Ok(exec::exit_code(self, exec).await?),
            // It has none yet.
            End::Left => Ok(0),
            End::NoReader => Ok(SIGNAL_BASE + SIGPIPE),
            End::Signal(number) => Ok(SIGNAL_BASE + i64::from(number)),
        }
    }

    /// Keeps the command's terminal as large as this process's.
    async fn follow_size(&self, exec: &ExecId, tty: bool) -> std::convert::Infallible {
        let changes = if tty { signal(SignalKind::window_change()).ok() } else { None };
        if let Some(mut changes) = changes {
            for _ in 0..RESIZE_TRIES {
                if self.resize(exec).await {
                    break;
                }
                sleep(RESIZE_PAUSE).await;
            }
            while changes.recv().await.is_some() {
                self.resize(exec).await;
            }
        }
        pending().await
    }

    /// Whether there is nothing left to do.
    async fn resize(&self, exec: &ExecId) -> bool {
        match own_size() {
            Some(size) => exec::resize(self, exec, size.rows, size.columns).await.is_ok(),
            None => true,
        }
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

/// Moves bytes both ways until the command's output ends.
async fn pump(
    streams: impl AsyncRead + AsyncWrite,
    tty: bool,
    watch: Option<Watch>,
    input: Option<mpsc::Receiver<Bytes>>,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> Result<End, AttachError> {
    let (from_command, to_command) = split(streams);
    tokio::select! {
        end = receive(from_command, tty, out, err) => end,
        end = async {
            if send(to_command, watch, input).await { End::Left } else { pending().await }
        } => Ok(end),
    }
}

/// Passes standard input on, and then its end. A command that reads no more is none of our business. Gives whether the
/// user wants to leave the command.
async fn send(
    mut to_command: impl AsyncWrite + Unpin,
    mut watch: Option<Watch>,
    input: Option<mpsc::Receiver<Bytes>>,
) -> bool {
    let Some(mut input) = input else { return false };
    while let Some(chunk) = input.recv().await {
        let (chunk, leave) = watch.as_mut().map_or((chunk.clone(), false), |watch| watch.pass(&chunk));
        if to_command.write_all(&chunk).await.is_err() || to_command.flush().await.is_err() {
            return false;
        }
        if leave {
            return true;
        }
    }
    let _ = to_command.shutdown().await;
    false
}

async fn receive(
    mut from_command: impl AsyncRead + Unpin,
    tty: bool,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> Result<End, AttachError> {
    let (mut frames, mut buffer) = (Frames::default(), BytesMut::with_capacity(CHUNK));
    while from_command.read_buf(&mut buffer).await.map_err(AttachError::Lost)? > 0 {
        let mut chunk = buffer.split().freeze();
        let written = if tty { write(out, &chunk).await } else { write_apart(&mut frames, &mut chunk, out, err).await };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::NoReader),
            Err(error) => return Err(AttachError::Output(error)),
        }
        buffer.reserve(CHUNK);
    }
    Ok(End::Output)
}

async fn write_apart(
    frames: &mut Frames,
    chunk: &mut Bytes,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    while let Some((channel, piece)) = frames.next(chunk).map_err(io::Error::other)? {
        match channel {
            Channel::Stdout => write(out, &piece).await?,
            Channel::Stderr => write(err, &piece).await?,
        }
    }
    Ok(())
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
