//! Containers' output: the last lines for a failure, or all of it line by line, as it comes if that is wanted.

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

/// What of a container's output is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRequest {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Not what is older: seconds since 1970, with a fraction after a point.
    pub since: Option<String>,
    /// Not what is newer, in the same form.
    pub until: Option<String>,
    /// How many lines from the end; `None`: all.
    pub tail: Option<u32>,
}

/// The lines of a container, as they come.
pub struct LogLines {
    body: Incoming,
    lines: Lines,
}

/// In bytes. A line has no end that the engine would insist on; this is what a person can still look at.
const LOG_MAX: usize = 64 * 1024;

/// What the engine calls the form in which two streams come as one, since API 1.42.
const FRAMED: &str = "application/vnd.docker.multiplexed-stream";

impl Docker {
    /// Begins to read a container's output.
    ///
    /// # Errors
    /// If there is no such container; with [`Detail::NoLogs`] if the engine keeps nothing that could be read.
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
    /// The next line; `None`: there are no more, which of a container that is followed means that it has ended.
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

/// Asks for a log, and says whether it is a terminal's, which comes raw.
async fn begin(
    docker: &Docker,
    container: &ContainerId,
    path: &str,
) -> Result<(bool, Response<Incoming>), EngineError> {
    let begun = docker.call(Call::LogTail, async {
        let request = wire::plain(Method::GET, path)?;
        answer::accepted(docker.wire.send(request).await?).await
    });
    let response = match begun.await {
        Ok(response) => response,
        Err(Failure::Refused { message, .. }) if message.contains("does not support reading") => {
            return Err(unreadable(docker, container).await);
        }
        Err(failure) => return Err(failure.into_error(Call::LogTail)),
    };
    let said = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Older engines say the same of both forms.
    let tty = said != Some(FRAMED) && docker.console(container).await?.tty;
    Ok((tty, response))
}

async fn unreadable(docker: &Docker, container: &ContainerId) -> EngineError {
    let driver = docker.console(container).await.map(|console| console.log_driver).unwrap_or_default();
    let error = EngineError::new(Fault::Refused, format!("the engine keeps no logs (`{driver}`)"));
    let hint = "with `\"log-driver\": \"json-file\"` or `\"local\"` in the engine's daemon.json, containers that are \
                created from then on have logs";
    error.because(Detail::NoLogs).hint(hint)
}

/// The last lines.
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
