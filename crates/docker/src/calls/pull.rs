//! Pulls an image, and follows the engine's progress: JSON documents, one a line, an error as the last one.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{credentials, pull_fault};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use moat_model::engine::{Call, EngineError, PullProgress};
use moat_model::resource::{ImageRef, Platform};

/// The engine reports progress several times a second. It is silent while it waits for a registry, and times out long
/// before this.
const SILENCE_MAX: Duration = Duration::from_secs(10 * 60);

/// The interval of progress reports: smooth on a terminal, few in a log.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Maximum length of a line in bytes.
const LINE_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: Option<String>,
    #[serde(default)]
    status: String,
    progress_detail: Option<Detail>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    current: Option<u64>,
    total: Option<u64>,
}

/// The statuses of a layer. Lines about the whole image have the same format, with the tag as the id.
const LAYER: [&str; 8] = [
    "Pulling fs layer",
    "Waiting",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
    "Already exists",
];

/// The progress of each layer.
#[derive(Default)]
struct Layers(BTreeMap<String, Layer>);

/// In bytes.
#[derive(Default)]
struct Layer {
    current: u64,
    total: u64,
    /// Downloaded and extracted, or already present.
    is_done: bool,
}

pub(crate) async fn pull(
    docker: &Docker,
    reference: &ImageRef,
    platform: Option<&Platform>,
    progress: &dyn Fn(PullProgress),
) -> Result<(), EngineError> {
    match fetch(docker, reference, platform, progress).await {
        Ok(()) => Ok(()),
        Err(Failure::Refused { message, .. }) => {
            let error = pull_fault::explain(reference, platform, &message);
            Err(credentials::explained(error, docker.credentials_problem()))
        }
        Err(failure) => Err(failure.into_error(Call::Pull)),
    }
}

async fn fetch(
    docker: &Docker,
    reference: &ImageRef,
    platform: Option<&Platform>,
    progress: &dyn Fn(PullProgress),
) -> Result<(), Failure> {
    // Without a tag the engine would pull all tags.
    let (repository, tag) = reference.repository_and_tag();
    let mut path = format!("/images/create?fromImage={}&tag={}", encoded(repository), encoded(tag));
    path += &of_platform(platform);
    let request = authorised(docker, reference, wire::plain(Method::POST, &path)?).await?;
    let response = docker.call(Call::Pull, async { answer::accepted(docker.wire.send(request).await?).await }).await?;
    let _slot = docker.slot().await?;
    follow(response, progress).await
}

/// The parameter of a platform.
pub(crate) fn of_platform(platform: Option<&Platform>) -> String {
    platform.map(|platform| format!("&platform={}", encoded(&platform.to_string()))).unwrap_or_default()
}

/// Adds the user's credentials for the image's registry, if any.
pub(crate) async fn authorised<B>(
    docker: &Docker,
    reference: &ImageRef,
    mut request: Request<B>,
) -> Result<Request<B>, Failure> {
    if let Some(header) = credentials::header(reference, docker.config_dir.as_deref()).await {
        let mut value = HeaderValue::try_from(header).map_err(http::Error::from)?;
        value.set_sensitive(true);
        request.headers_mut().insert("x-registry-auth", value);
    }
    Ok(request)
}

/// Reads the progress to its end.
pub(crate) async fn follow(response: Response<Incoming>, progress: &dyn Fn(PullProgress)) -> Result<(), Failure> {
    let mut body = response.into_body();
    let (mut layers, mut rest, mut reported) = (Layers::default(), BytesMut::new(), None::<Instant>);
    while let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| Failure::TimedOut)? {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            layers.take(&rest.split_to(end + 1))?;
        }
        if rest.len() > LINE_MAX {
            return Err(Failure::Unreadable("a line exceeds 1 MiB".to_owned()));
        }
        if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            reported = Some(Instant::now());
            progress(layers.sum());
        }
    }
    layers.take(&rest)?;
    progress(layers.sum());
    Ok(())
}

impl Layers {
    /// Reads one line. An unreadable one is progress only, and is ignored.
    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return Ok(()) };
        if let Some(message) = line.error {
            return Err(Failure::Refused { status: 200, message });
        }
        let Some(id) = line.id.filter(|_| LAYER.contains(&line.status.as_str())) else { return Ok(()) };
        let layer = self.0.entry(id).or_default();
        match line.status.as_str() {
            "Downloading" => {
                let detail = line.progress_detail.unwrap_or(Detail { current: None, total: None });
                layer.current = detail.current.unwrap_or(layer.current);
                layer.total = detail.total.unwrap_or(layer.total).max(layer.current);
            }
            "Download complete" => layer.current = layer.total,
            "Pull complete" | "Already exists" => {
                layer.current = layer.total;
                layer.is_done = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn sum(&self) -> PullProgress {
        let layers = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.values().fold(PullProgress { layers, ..PullProgress::default() }, |sum, layer| PullProgress {
            current: sum.current + layer.current,
            total: sum.total + layer.total,
            layers_done: sum.layers_done + u32::from(layer.is_done),
            ..sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_summed_and_counted_once() {
        let mut layers = Layers::default();
        let lines = [
            r#"{"status":"Pulling from library/docker","id":"dind"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":1,"total":10},"progress":"[>  ]","id":"a"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":5,"total":30},"id":"b"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":4,"total":10},"id":"a"}"#,
            "not JSON",
        ];
        for line in lines {
            layers.take(line.as_bytes()).expect("no error");
        }
        assert_eq!(layers.sum(), PullProgress { current: 9, total: 40, layers_done: 0, layers: 2 });
        for line in [
            r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":3,"total":10},"id":"a"}"#,
            r#"{"status":"Pull complete","progressDetail":{},"id":"a"}"#,
            r#"{"status":"Already exists","progressDetail":{},"id":"c"}"#,
        ] {
            layers.take(line.as_bytes()).expect("no error");
        }
        assert_eq!(layers.sum(), PullProgress { current: 15, total: 40, layers_done: 2, layers: 3 });
    }

    #[test]
    fn an_error_in_the_stream_fails_the_pull() {
        let line = br#"{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}"#;
        let error = Layers::default().take(line).expect_err("it failed");
        assert_eq!(error, Failure::Refused { status: 200, message: "unexpected EOF".to_owned() });
    }
}
