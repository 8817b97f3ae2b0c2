//! Copies files into and out of a container as a streamed archive, which is never in memory as a whole.
//!
//! Does not read the archive; the caller packs and unpacks it.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;

use crate::transport::fault::Failure;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;

/// The chunks of an archive to upload. A truncated archive lacks its last block, and the engine rejects it.
pub type IntoContainer = mpsc::Receiver<Bytes>;

/// A downloaded archive.
pub struct FromContainer {
    body: Incoming,
    /// Whether the packed path is a directory.
    pub is_directory: bool,
}

/// Metadata of a path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFacts {
    pub is_directory: bool,
    /// In bytes, for a file.
    pub size: u64,
    /// The time of the last change, as the engine writes it: comparable, otherwise opaque.
    pub modified: String,
    /// The final target of a link, as a path in the container; it may not exist.
    pub link: Option<String>,
}

impl FromContainer {
    /// The next chunk; `None` at the end.
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
    /// Unpacks an archive into the directory `path` of a container. Fails if a file would replace a directory, or a
    /// directory a file.
    ///
    /// # Errors
    /// If the directory does not exist or is not writable.
    pub async fn unpack(&self, container: &ContainerId, path: &str, archive: IntoContainer) -> Result<(), EngineError> {
        let target =
            format!("/containers/{}/archive?noOverwriteDirNonDir=1&path={}", safe(container.as_str())?, encoded(path));
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
        // Without the deadline of a call: the duration depends on the size.
        sent.await.map_err(|failure: Failure| failure.into_error(Call::Upload))
    }

    /// Starts to download `path` from a container.
    ///
    /// # Errors
    /// If the path does not exist.
    pub async fn pack(&self, container: &ContainerId, path: &str) -> Result<FromContainer, EngineError> {
        let target = format!("/containers/{}/archive?path={}", safe(container.as_str())?, encoded(path));
        let begun = self.call(Call::Upload, async {
            let request = wire::plain(Method::GET, &target)?;
            answer::accepted(self.wire.send(request).await?).await
        });
        let response = begun.await.map_err(|failure| failure.into_error(Call::Upload))?;
        let is_directory = facts(response.headers()).is_some_and(|it| it.is_directory);
        Ok(FromContainer { is_directory, body: response.into_body() })
    }

    /// Metadata of `path` in a container; `None` if it does not exist.
    ///
    /// # Errors
    /// If the engine does not respond.
    pub async fn look_at(&self, container: &ContainerId, path: &str) -> Result<Option<PathFacts>, EngineError> {
        let target = format!("/containers/{}/archive?path={}", safe(container.as_str())?, encoded(path));
        let asked = self.call(Call::Inspect, async {
            let request = wire::plain(Method::HEAD, &target)?;
            Ok::<_, Failure>(self.wire.send(request).await?)
        });
        let response = asked.await.map_err(|failure| failure.into_error(Call::Inspect))?;
        Ok(facts(response.headers()))
    }
}

/// The metadata of a path, from a response header.
#[derive(serde::Deserialize)]
struct Stat {
    mode: u32,
    #[serde(default)]
    size: u64,
    #[serde(rename = "mtime", default)]
    modified: String,
    #[serde(rename = "linkTarget", default)]
    link_target: String,
}

/// The mode is Go's `os.FileMode`: `ModeDir` is bit 31, `ModeSymlink` bit 27.
const GO_MODE_DIR: u32 = 1 << 31;
const GO_MODE_SYMLINK: u32 = 1 << 27;

fn facts(headers: &HeaderMap) -> Option<PathFacts> {
    let text = headers.get("X-Docker-Container-Path-Stat")?.to_str().ok()?;
    let json = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).ok()?;
    let stat: Stat = serde_json::from_slice(&json).ok()?;
    let link = (stat.mode & GO_MODE_SYMLINK != 0).then(|| stat.link_target.clone());
    let Stat { mode, size, modified, .. } = stat;
    Some(PathFacts { is_directory: mode & GO_MODE_DIR != 0, size, modified, link })
}
