//! Copies bytes in both directions between this process and a command.

use std::future::pending;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc;

use super::detach::Watch;
use super::exec::CHUNK;
use super::not_run;
use crate::AttachError;
use crate::transport::frames::{Channel, Frames};

/// How an attachment ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The command closed its output.
    Output,
    /// As [`End::Output`], and this was the whole output, which may be the engine's reason for not running the command.
    Refused(Vec<u8>),
    /// The reader of the output is gone.
    NoReader,
    /// The user pressed the detach keys.
    Left,
    /// This process received this signal.
    Signal(i32),
}

/// The convention of shells for a process killed by a signal.
pub(crate) const SIGNAL_BASE: i64 = 128;

/// The signal of a program whose output pipe is closed.
const SIGPIPE: i64 = 13;

impl End {
    /// The exit code for an end other than the command's exit.
    pub(crate) fn code(&self) -> i64 {
        match self {
            // Unknown yet.
            Self::Output | Self::Refused(_) | Self::Left => 0,
            Self::NoReader => SIGNAL_BASE + SIGPIPE,
            Self::Signal(number) => SIGNAL_BASE + i64::from(*number),
        }
    }
}

/// The input of a command.
pub(crate) struct Input {
    pub(crate) chunks: mpsc::Receiver<Bytes>,
    /// Detects the detach keys.
    pub(crate) watch: Option<Watch>,
    /// Whether its end is passed on. For a main command the engine would end the attachment.
    pub(crate) passes_end: bool,
}

/// Copies bytes in both directions until the command's output ends.
pub(crate) async fn pump(
    streams: impl AsyncRead + AsyncWrite,
    tty: bool,
    input: Option<Input>,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> Result<End, AttachError> {
    let (from_command, to_command) = split(streams);
    tokio::select! {
        end = receive(from_command, tty, out, err) => end,
        end = async {
            if send(to_command, input).await { End::Left } else { pending().await }
        } => Ok(end),
    }
}

/// Passes standard input and its end. A command that stops reading is no error. Returns whether the user detaches.
async fn send(mut to_command: impl AsyncWrite + Unpin, input: Option<Input>) -> bool {
    let Some(Input { mut chunks, mut watch, passes_end }) = input else { return false };
    while let Some(chunk) = chunks.recv().await {
        let (chunk, leave) = watch.as_mut().map_or((chunk.clone(), false), |watch| watch.pass(&chunk));
        if to_command.write_all(&chunk).await.is_err() || to_command.flush().await.is_err() {
            return false;
        }
        if leave {
            return true;
        }
    }
    if passes_end {
        let _ = to_command.shutdown().await;
    }
    false
}

async fn receive(
    mut from_command: impl AsyncRead + Unpin,
    tty: bool,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> Result<End, AttachError> {
    let (mut frames, mut buffer, mut held) = (Frames::default(), BytesMut::with_capacity(CHUNK), Held::default());
    while from_command.read_buf(&mut buffer).await.map_err(AttachError::Lost)? > 0 {
        let mut chunk = buffer.split().freeze();
        let written = if tty {
            held.write(out, &chunk).await
        } else {
            write_apart(&mut frames, &mut chunk, &mut held, out, err).await
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::NoReader),
            Err(error) => return Err(AttachError::Output(error)),
        }
        buffer.reserve(CHUNK);
    }
    Ok(held.0.map_or(End::Output, |held| if held.is_empty() { End::Output } else { End::Refused(held) }))
}

async fn write_apart(
    frames: &mut Frames,
    chunk: &mut Bytes,
    held: &mut Held,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    while let Some((channel, piece)) = frames.next(chunk).map_err(io::Error::other)? {
        match channel {
            Channel::Stdout => held.write(out, &piece).await?,
            Channel::Stderr => write(err, &piece).await?,
        }
    }
    Ok(())
}

/// The start of an output that may be the engine's reason, held back until that is known; `None`: it is the command's.
struct Held(Option<Vec<u8>>);

impl Default for Held {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Held {
    async fn write(&mut self, to: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
        let Some(held) = &mut self.0 else { return write(to, piece).await };
        held.extend_from_slice(piece);
        if not_run::may_be(held) && held.len() <= not_run::TEXT_MAX {
            return Ok(());
        }
        let held = std::mem::take(held);
        self.0 = None;
        write(to, &held).await
    }
}

pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
