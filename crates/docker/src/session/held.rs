//! Attaches this process's terminal to a session that is held in a container.
//!
//! The exec of the bridge has no terminal: so its streams are bytes, and it ends with this process. Frames have the size.

use bytes::Bytes;
use rustix::stdio;
use tokio::io::{AsyncRead, duplex};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::attach::{own_size, termination_signal};
use super::capture::Keep;
use super::detach::{DetachKeys, Watch};
use super::pump::{End, write};
use super::stdin;
use super::terminal::RawMode;
use crate::{AttachError, AttachRequest, Docker};
use moat_model::resource::ContainerId;
use moat_session::{Frame, Size};

/// How an attachment to a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The command exited with this code.
    Ended(i64),
    /// The user detached, or this process was told to stop with this code; the session continues.
    Left(Option<i64>),
    /// The bridge ended without a word of the holder. What it said.
    Lost(String),
}

/// Frames on their way to the bridge.
const QUEUE: usize = 8;

/// Of output between two readers, in bytes.
const BUFFER: usize = 64 * 1024;

/// The size of this process's terminal; unknown without one.
pub fn terminal_size() -> Size {
    own_size().map_or(Size::default(), |size| Size { rows: size.rows, columns: size.columns })
}

impl Docker {
    /// Attaches to a session by the command of a bridge.
    ///
    /// # Errors
    /// If the bridge cannot be started, or the connection is lost.
    pub async fn attach_held(
        &self,
        container: &ContainerId,
        bridge: &AttachRequest,
        keys: &DetachKeys,
        with_input: bool,
    ) -> Result<Held, AttachError> {
        let raw = if with_input { RawMode::enter(stdio::stdin()).map_err(AttachError::Terminal)? } else { None };
        let is_terminal = raw.is_some();
        let (sender, frames) = mpsc::channel(QUEUE);
        let (to_reader, from_bridge) = duplex(BUFFER);
        let bridged = async {
            let (mut out, mut said) = (to_reader, Keep::default());
            // The reader sees the end when `out` is dropped.
            (self.attach_streams(container, bridge, Some(frames), &mut out, &mut said).await, said)
        };
        let output = async {
            let ((bridged, said), shown) = tokio::join!(bridged, show(from_bridge));
            match (shown?, bridged) {
                (Some(code), _) => Ok(Held::Ended(code.into())),
                (None, Ok(_)) => Ok(Held::Lost(said.into_text().trim().to_owned())),
                (None, Err(error)) => Err(error),
            }
        };
        let input = with_input.then(stdin::chunks);
        tokio::select! {
            held = output => held,
            () = send(sender, input, is_terminal.then(|| Watch::new(keys))) => Ok(Held::Left(None)),
            number = termination_signal(is_terminal) => {
                let number = number.map_err(AttachError::Terminal)?;
                Ok(Held::Left(Some(End::Signal(number).code())))
            }
        }
    }
}

/// Writes the output; returns the exit code, or nothing if the stream ends without one.
async fn show(mut from: impl AsyncRead + Unpin) -> Result<Option<i32>, AttachError> {
    let mut out = tokio::io::stdout();
    while let Some(frame) = Frame::read(&mut from).await.map_err(AttachError::Lost)? {
        match frame {
            Frame::Data(piece) => write(&mut out, &piece).await.map_err(AttachError::Output)?,
            Frame::Ended(code) => return Ok(Some(code)),
            Frame::Size(_) => {}
        }
    }
    Ok(None)
}

/// Sends input and sizes. Returns when the user detaches; the end of the input ends nothing.
async fn send(to: mpsc::Sender<Bytes>, input: Option<mpsc::Receiver<Bytes>>, mut watch: Option<Watch>) {
    let mut sizes = signal(SignalKind::window_change()).ok();
    let mut input = input;
    let mut frames = vec![Frame::Size(terminal_size()).encode()];
    let mut leaves = false;
    loop {
        for frame in frames.drain(..) {
            if to.send(frame).await.is_err() {
                // The output has ended too, and says how.
                return std::future::pending().await;
            }
        }
        if leaves {
            return;
        }
        let typed =
            async { if let Some(input) = &mut input { input.recv().await } else { std::future::pending().await } };
        let resized =
            async { if let Some(sizes) = &mut sizes { sizes.recv().await } else { std::future::pending().await } };
        tokio::select! {
            chunk = typed => match chunk {
                Some(chunk) => {
                    let passed = watch.as_mut().map(|watch| watch.pass(&chunk));
                    let (chunk, found) = passed.unwrap_or((chunk, false));
                    (frames, leaves) = (Frame::data(&chunk), found);
                }
                None => input = None,
            },
            _ = resized => frames.push(Frame::Size(terminal_size()).encode()),
        }
    }
}
