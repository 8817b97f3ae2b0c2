//! Files into and out of a container, as an archive that streams: it is never in memory as a whole.
//!
//! Knows nothing of what is in the archive; whoever packs and unpacks it is `store::copy`.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use http::{HeaderValue, Method, header};
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;

use super::fault::Failure;
use super::wire::encoded;
use super::{Docker, answer, safe, wire};
use crate::engine::{Call, EngineError};
use crate::resource::ContainerId;

/// An archive on its way into a container: pieces of it, in order. An archive that broke off ends without its last
/// block, and the engine refuses it.
pub type IntoContainer = mpsc::Receiver<Bytes>;

/// An archive on its way out of a container.
pub struct FromContainer {
    body: Incoming,
}

impl FromContainer {
    /// The next piece; `None`: that was all.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| Failure::Lost(error.to_string()).into_error(Call::Upload))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl Docker {
    /// Unpacks an archive into the directory `path` of a container.
    ///
    /// # Errors
    /// If there is no such directory, or it cannot be written.
    pub async fn unpack(&self, container: &ContainerId, path: &str, archive: IntoContainer) -> Result<(), EngineError> {
        let target = format!("/containers/{}/archive?path={}", safe(container.as_str())?, encoded(path));
        let pieces = unfold(archive, async |mut archive| {
            let piece = archive.recv().await?;
            Some((Ok(Frame::data(piece)), archive))
        });
        let sent = async {
            let mut request = wire::plain(Method::PUT, &target)?;
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
            *request.body_mut() = Either::Right(StreamBody::new(pieces.boxed()));
            answer::accepted(self.wire.send(request).await?).await.map(drop)
        };
        // Not within the deadline of a call: how long it takes is up to how much it is.
        sent.await.map_err(|failure: Failure| failure.into_error(Call::Upload))
    }

    /// Begins to pack what is at `path` in a container.
    ///
    /// # Errors
    /// If there is nothing.
    pub async fn pack(&self, container: &ContainerId, path: &str) -> Result<FromContainer, EngineError> {
        let target = format!("/containers/{}/archive?path={}", safe(container.as_str())?, encoded(path));
        let begun = self.call(Call::Upload, async {
            let request = wire::plain(Method::GET, &target)?;
            Ok::<_, Failure>(answer::accepted(self.wire.send(request).await?).await?.into_body())
        });
        Ok(FromContainer { body: begun.await.map_err(|failure| failure.into_error(Call::Upload))? })
    }

    /// Whether `path` in a container is a directory; `None`: there is nothing.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn is_directory(&self, container: &ContainerId, path: &str) -> Result<Option<bool>, EngineError> {
        let target = format!("/containers/{}/archive?path={}", safe(container.as_str())?, encoded(path));
        let asked = self.call(Call::Inspect, async {
            let request = wire::plain(Method::HEAD, &target)?;
            Ok::<_, Failure>(self.wire.send(request).await?)
        });
        let response = asked.await.map_err(|failure| failure.into_error(Call::Inspect))?;
        let stat = response.headers().get("X-Docker-Container-Path-Stat").and_then(|value| value.to_str().ok());
        let stat = stat.and_then(|text| base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).ok());
        let stat: Option<Stat> = stat.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(stat.map(|stat| stat.mode & GO_MODE_DIR != 0))
    }
}

/// What the engine says of a path, in a header.
#[derive(serde::Deserialize)]
struct Stat {
    mode: u32,
}

/// The engine writes the mode as Go's `os.FileMode` has it: `ModeDir` is the topmost bit.
const GO_MODE_DIR: u32 = 1 << 31;
