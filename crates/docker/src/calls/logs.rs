//! Container logs: the last lines, or all lines, optionally followed.

use bytes::Bytes;
use http::{Method, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::lines::{Lines, LogLine};
use crate::transport::fault::Failure;
use crate::transport::frames::Frames;
use crate::transport::tail::Tail;
use crate::transport::{answer, wire};
use crate::{Docker, safe};
use moat_model::engine::{Call, Detail, EngineError, Fault};
use moat_model::resource::ContainerId;

/// The lines to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRequest {
    /// Continues until the container exits.
    pub follow: bool,
    /// Lines since this time, in seconds since 1970 with a fraction.
    pub since: Option<String>,
    /// Lines until this time, in the same format.
    pub until: Option<String>,
    /// The number of lines from the end; `None` for all.
    pub tail: Option<u32>,
}

/// A stream of log lines.
pub struct LogLines {
    body: Incoming,
    lines: Lines,
}

/// Maximum size of a log tail in bytes: the engine does not limit the length of a line.
const LOG_MAX: usize = 64 * 1024;

/// The content type of multiplexed streams, since API 1.42.
const FRAMED: &str = "application/vnd.docker.multiplexed-stream";

impl Docker {
    /// Starts to read a container's log.
    ///
    /// # Errors
    /// If the container does not exist; with [`Detail::NoLogs`] if its log driver keeps no readable logs.
    pub async fn logs(&self, container: &ContainerId, request: &LogRequest) -> Result<LogLines, EngineError> {
        let mut path = format!("/containers/{}/logs?stdout=1&stderr=1&timestamps=1", safe(container.as_str())?);
        if request.follow {
            path.push_str("&follow=1");
        }
        for (key, value) in [("since", &request.since), ("until", &request.until)] {
            if let Some(value) = value {
                path.push_str(&format!("&{key}={value}"));
            }
        }
        if let Some(tail) = request.tail {
            path.push_str(&format!("&tail={tail}"));
        }
        let (tty, response) = begin(self, container, &path).await?;
        Ok(LogLines { body: response.into_body(), lines: Lines::new(tty) })
    }
}

impl LogLines {
    /// The next line; `None` at the end. When following, that means that the container has exited.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn next(&mut self) -> Result<Option<LogLine>, EngineError> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(Some(line));
            }
            let Some(frame) = self.body.frame().await else { return Ok(self.lines.rest()) };
            let frame = frame.map_err(|error| Failure::Lost(error.to_string()).into_error(Call::LogTail))?;
            if let Ok(mut chunk) = frame.into_data() {
                self.lines.take(&mut chunk).map_err(|failure| failure.into_error(Call::LogTail))?;
            }
        }
    }
}

/// Opens a log, and returns whether it is a terminal's, which is raw.
async fn begin(
    docker: &Docker,
    container: &ContainerId,
    path: &str,
) -> Result<(bool, Response<Incoming>), EngineError> {
    let opened = docker.call(Call::LogTail, async {
        let request = wire::plain(Method::GET, path)?;
        answer::accepted(docker.wire.send(request).await?).await
    });
    let response = match opened.await {
        Ok(response) => response,
        Err(Failure::Refused { message, .. }) if message.contains("does not support reading") => {
            return Err(unreadable(docker, container).await);
        }
        Err(failure) => return Err(failure.into_error(Call::LogTail)),
    };
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Older engines have the same content type for both formats.
    let tty = content_type != Some(FRAMED) && docker.console(container).await?.tty;
    Ok((tty, response))
}

async fn unreadable(docker: &Docker, container: &ContainerId) -> EngineError {
    let driver = docker.console(container).await.map(|console| console.log_driver).unwrap_or_default();
    let error = EngineError::new(Fault::Refused, format!("the engine keeps no logs (log driver `{driver}`)"));
    let hint = "set `\"log-driver\": \"json-file\"` or `\"local\"` in the engine's daemon.json; it applies to containers \
                created later";
    error.because(Detail::NoLogs).hint(hint)
}

/// Returns the last lines.
pub(crate) async fn tail(docker: &Docker, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
    let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail={lines}", safe(container.as_str())?);
    let (tty, response) = begin(docker, container, &path).await?;
    let read = docker.call(Call::LogTail, text(tty, response));
    let text = read.await.map_err(|failure| failure.into_error(Call::LogTail))?;
    let all: Vec<_> = text.lines().map(str::to_owned).collect();
    let surplus = all.len().saturating_sub(lines as usize);
    Ok(all.into_iter().skip(surplus).collect())
}

async fn text(tty: bool, response: Response<Incoming>) -> Result<String, Failure> {
    let mut body = response.into_body();
    let (mut frames, mut tail) = (Frames::default(), Tail::new(LOG_MAX));
    while let Some(frame) = body.frame().await {
        let Ok(mut chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        if tty {
            tail.push(&chunk);
            continue;
        }
        while let Some(piece) = payload(&mut frames, &mut chunk)? {
            tail.push(&piece);
        }
    }
    Ok(tail.into_text())
}

fn payload(frames: &mut Frames, chunk: &mut Bytes) -> Result<Option<Bytes>, Failure> {
    let next = frames.next(chunk).map_err(|error| Failure::Unreadable(error.to_string()))?;
    Ok(next.map(|(_, piece)| piece))
}
