//! The last lines of a container's output.

use http::Method;
use http_body_util::BodyExt;

use super::fault::Failure;
use super::frames::Frames;
use super::tail::Tail;
use super::{Docker, answer, safe, wire};
use crate::engine::{Call, EngineError};
use crate::resource::ContainerId;

/// In bytes. A line has no end that the engine would insist on; this is what a person can still look at.
const LOG_MAX: usize = 64 * 1024;

/// moat's containers have no terminal, so that their logs are framed.
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
