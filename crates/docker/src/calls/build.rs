//! Builds an image from a Dockerfile and its context, and follows the engine's output.
//!
//! Uses the classic builder, which every engine release has and which needs no session. It supports neither cache mounts
//! nor build secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::build_output::{BuildFailure, BuildOutput};
use super::{archive, base_images, credentials, pull};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use moat_model::engine::{Call, EngineError, Fault, ImageBuild};
use moat_model::resource::{BuildContext, BuildNetwork, FileConfig};

/// A step may download and unpack for a long time without output.
const SILENCE_MAX: Duration = Duration::from_secs(20 * 60);

/// Maximum length of a line of output in bytes.
const LINE_MAX: usize = 1024 * 1024;

pub(crate) async fn build(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
    match send(docker, build, step).await {
        Ok(()) => Ok(()),
        Err(BuildFailure::Step { message, log }) => {
            let is_about_credentials =
                ["denied", "unauthorized", "authentication"].iter().any(|it| message.contains(it));
            let problem = docker.credentials_problem().filter(|_| is_about_credentials);
            Err(credentials::explained(EngineError::new(Fault::Engine, message).said(log), problem))
        }
        Err(BuildFailure::Call(failure)) => Err(failure.into_error(Call::Build)),
    }
}

async fn send(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
    let context = packed(build).await?;
    let labels = serde_json::to_string(&build.labels).map_err(|error| Failure::Unsendable(error.to_string()))?;
    let mut path =
        format!("/build?t={}&labels={}&rm=true&forcerm=true", encoded(build.reference.as_str()), encoded(&labels));
    if let Some(BuildContext { dockerfile, target, args, .. }) = &build.context {
        let args = serde_json::to_string(args).map_err(|error| Failure::Unsendable(error.to_string()))?;
        path += &format!("&dockerfile={}&buildargs={}", encoded(dockerfile), encoded(&args));
        if let Some(target) = target {
            path += &format!("&target={}", encoded(target));
        }
    }
    path += &pull::of_platform(build.platform.as_ref());
    if build.network == BuildNetwork::None {
        path += "&networkmode=none";
    }
    let mut request = wire::with_body(Method::POST, &path, "application/x-tar", context)?;
    let args = build.context.as_ref().map(|context| &context.args);
    let images = base_images::images(&build.dockerfile, args.unwrap_or(&BTreeMap::new()));
    if let Some(header) = credentials::headers(&images, docker.config_dir.as_deref()).await {
        let header = HeaderValue::try_from(header).map_err(|error| Failure::Unsendable(error.to_string()))?;
        request.headers_mut().insert("X-Registry-Config", header);
    }
    let response = docker.call(Call::Build, async { answer::accepted(docker.wire.send(request).await?).await }).await?;
    let _slot = docker.slot().await?;
    follow(response, step).await
}

/// The archive to send: the Dockerfile alone, or with its build context.
async fn packed(build: &ImageBuild) -> Result<Vec<u8>, Failure> {
    let Some(context) = build.context.clone() else {
        let file = FileConfig { path: "/Dockerfile".to_owned(), mode: 0o644, content: build.dockerfile.clone() };
        return archive::tar(&[file]).map_err(|error| Failure::Unsendable(error.to_string()));
    };
    let dockerfile = build.dockerfile.clone();
    // Reading many files would block other calls.
    let packed = tokio::task::spawn_blocking(move || moat_build_context::archive(&context, &dockerfile)).await;
    let packed = packed.map_err(|error| Failure::Unsendable(error.to_string()))?;
    packed.map_err(|error| Failure::Unsendable(format!("{error}; {}", error.hint())))
}

async fn follow(response: Response<Incoming>, step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
    let mut body = response.into_body();
    let (mut output, mut rest) = (BuildOutput::default(), BytesMut::new());
    while let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| Failure::TimedOut)? {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            output.take(&rest.split_to(end + 1), step)?;
        }
        if rest.len() > LINE_MAX {
            return Err(Failure::Unreadable("a line exceeds 1 MiB".to_owned()).into());
        }
    }
    output.take(&rest, step)
}
