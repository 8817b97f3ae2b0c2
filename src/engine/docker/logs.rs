//! Containers' output: the last lines for a failure, or all of it line by line, as it comes if that is wanted.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::fault::Failure;
use super::frames::{Channel, Frames};
use super::tail::Tail;
use super::{Docker, answer, safe, wire};
use crate::engine::{Call, EngineError};
use crate::resource::ContainerId;

/// What of a container's output is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRequest {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Not what is older: seconds since 1970, with a fraction after a point.
    pub since: Option<String>,
    /// How many lines from the end; `None`: all.
    pub tail: Option<u32>,
}

/// One line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine got it: RFC 3339 in UTC, always with nine digits of a second, so that texts compare as times do.
    pub time: String,
    pub stream: LogStream,
    /// Without its line feed; what is not UTF-8 is replaced.
    pub text: String,
}

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// The lines of a container, as they come.
pub struct LogLines {
    body: Incoming,
    frames: Frames,
    /// The frame that has not come to its end.
    frame: BytesMut,
    /// What was written without a line feed so far, on either stream.
    open: [Option<Open>; 2],
    ready: VecDeque<LogLine>,
}

/// A line in the making.
struct Open {
    time: String,
    bytes: Vec<u8>,
}

/// In bytes. A line has no end that the engine would insist on; this is what a person can still look at.
const LOG_MAX: usize = 64 * 1024;

/// In bytes. A longer line is given in pieces: a program that never ends its line must not fill the memory.
const LINE_MAX: usize = 1 << 20;

impl LogStream {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Docker {
    /// Begins to read a container's output.
    ///
    /// # Errors
    /// If there is no such container, or its log driver keeps nothing that could be read.
    pub async fn logs(&self, container: &ContainerId, request: &LogRequest) -> Result<LogLines, EngineError> {
        let mut path = format!("/containers/{}/logs?stdout=1&stderr=1&timestamps=1", safe(container.as_str())?);
        if request.follow {
            path.push_str("&follow=1");
        }
        if let Some(since) = &request.since {
            path.push_str(&format!("&since={since}"));
        }
        if let Some(tail) = request.tail {
            path.push_str(&format!("&tail={tail}"));
        }
        let begun = self.call(Call::LogTail, async {
            let request = wire::plain(Method::GET, &path)?;
            Ok::<_, Failure>(answer::accepted(self.wire.send(request).await?).await?.into_body())
        });
        let body = begun.await.map_err(|failure| failure.into_error(Call::LogTail))?;
        let (frames, frame) = (Frames::default(), BytesMut::new());
        Ok(LogLines { body, frames, frame, open: [None, None], ready: VecDeque::new() })
    }
}

impl LogLines {
    /// The next line; `None`: there are no more, which of a container that is followed means that it has ended.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn next(&mut self) -> Result<Option<LogLine>, EngineError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(frame) = self.body.frame().await else { return Ok(self.rest()) };
            let frame = frame.map_err(|error| Failure::Lost(error.to_string()).into_error(Call::LogTail))?;
            if let Ok(mut chunk) = frame.into_data() {
                self.take(&mut chunk).map_err(|failure| failure.into_error(Call::LogTail))?;
            }
        }
    }

    fn take(&mut self, chunk: &mut Bytes) -> Result<(), Failure> {
        while let Some((channel, piece)) =
            self.frames.next(chunk).map_err(|error| Failure::Unreadable(error.to_string()))?
        {
            self.frame.extend_from_slice(&piece);
            if self.frames.is_between() || self.frame.len() > LINE_MAX {
                let frame = self.frame.split().freeze();
                self.add(channel, &frame);
            }
        }
        Ok(())
    }

    /// A frame is a line, or a part of a long one; each begins with its time.
    fn add(&mut self, channel: Channel, frame: &[u8]) {
        let (stream, open) = match channel {
            Channel::Stdout => (LogStream::Stdout, &mut self.open[0]),
            Channel::Stderr => (LogStream::Stderr, &mut self.open[1]),
        };
        let space = frame.iter().position(|byte| *byte == b' ').unwrap_or(0);
        let (time, text) = (&frame[..space], frame.get(space + 1..).unwrap_or_default());
        let line =
            open.get_or_insert_with(|| Open { time: String::from_utf8_lossy(time).into_owned(), bytes: Vec::new() });
        line.bytes.extend_from_slice(text);
        if line.bytes.ends_with(b"\n") || line.bytes.len() > LINE_MAX {
            self.ready.extend(open.take().map(|line| line.done(stream)));
        }
    }

    /// What was written last, if it did not end with a line feed.
    fn rest(&mut self) -> Option<LogLine> {
        let out = self.open[0].take().map(|line| line.done(LogStream::Stdout));
        out.or_else(|| self.open[1].take().map(|line| line.done(LogStream::Stderr)))
    }
}

impl Open {
    fn done(self, stream: LogStream) -> LogLine {
        let text = String::from_utf8_lossy(&self.bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        LogLine { time: self.time, stream, text: text.strip_suffix('\r').unwrap_or(text).to_owned() }
    }
}

/// The last lines. moat's containers have no terminal, so that their logs are framed.
pub(super) async fn tail(docker: &Docker, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
    let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail={lines}", safe(container.as_str())?);
    let text =
        docker.call(Call::LogTail, text(docker, &path)).await.map_err(|failure| failure.into_error(Call::LogTail))?;
    let all: Vec<_> = text.lines().map(str::to_owned).collect();
    let surplus = all.len().saturating_sub(lines as usize);
    Ok(all.into_iter().skip(surplus).collect())
}

async fn text(docker: &Docker, path: &str) -> Result<String, Failure> {
    let request = wire::plain(Method::GET, path)?;
    let mut body = answer::accepted(docker.wire.send(request).await?).await?.into_body();
    let (mut frames, mut tail) = (Frames::default(), Tail::new(LOG_MAX));
    while let Some(frame) = body.frame().await {
        let Ok(mut chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        while let Some((_, piece)) = frames.next(&mut chunk).map_err(|error| Failure::Unreadable(error.to_string()))? {
            tail.push(&piece);
        }
    }
    Ok(tail.into_text())
}
