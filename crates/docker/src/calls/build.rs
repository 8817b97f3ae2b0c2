//! Builds an image from a Dockerfile and its context, and follows the engine's output.
//!
//! Uses the engine's BuildKit. An engine without it has the classic builder, which supports neither mounts nor secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use moat_build_context::ContextError;
use tokio::time::timeout;

use super::build_output::BuildOutput;
use super::{archive, base_images, build_query, classic, credentials, proxies};
use crate::Docker;
use crate::buildkit::frontend;
use crate::buildkit::log::BuildFailure;
use crate::buildkit::session::{Provided, Session};
use crate::buildkit::trace::Trace;
use crate::transport::builder::{Builder, WhyClassic};
use crate::transport::fault::Failure;
use crate::transport::wire::Body;
use crate::transport::{answer, wire};
use moat_model::engine::{Call, EngineError, Fault, ImageBuild};
use moat_model::resource::{BuildNetwork, FileConfig, ImageRef, Secret};

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
        Err(BuildFailure::Unfit { message, hint }) => Err(EngineError::new(Fault::Refused, message).hint(hint)),
        Err(BuildFailure::Call(failure)) => Err(failure.into_error(Call::Build)),
    }
}

async fn send(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
    match docker.builder {
        Builder::BuildKit => with_buildkit(docker, build, step).await,
        Builder::Classic(why) => {
            fits_the_classic_builder(build, why)?;
            step(&format!("the classic builder is used: {why}"));
            let mut request = request(
                &build_query::classic(build, proxies(docker, build))?,
                packed(build, build.dockerfile.clone()).await?,
            )?;
            if let Some(header) = credentials::headers(&base_images(build), docker.config_dir.as_deref()).await {
                let header = HeaderValue::try_from(header).map_err(|error| Failure::Unsendable(error.to_string()))?;
                request.headers_mut().insert("X-Registry-Config", header);
            }
            let mut output = BuildOutput::default();
            follow(docker, request, |line| output.take(line, step)).await
        }
    }
}

async fn with_buildkit(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), BuildFailure> {
    let args = build.context.iter().flat_map(|context| context.args.keys());
    let dockerfile = match build.network {
        BuildNetwork::Default => build.dockerfile.clone(),
        BuildNetwork::None => frontend::own(&build.dockerfile, args).map_err(BuildFailure::unfit)?.into_owned(),
    };
    let logins = credentials::logins(&base_images(build), docker.config_dir.as_deref()).await;
    let (body, provided) = match build.context.clone() {
        Some(context) => {
            let provided = Provided {
                dockerfile: (context.dockerfile.clone(), dockerfile),
                secrets: context.secrets.clone(),
                digest: context.digest.clone(),
                context: unblocked(move || moat_build_context::items(&context)).await?,
                logins,
            };
            (Vec::new(), Some(provided))
        }
        None if logins.is_empty() => (packed(build, dockerfile).await?, None),
        None => (packed(build, dockerfile).await?, Some(Provided { logins, ..Provided::default() })),
    };
    let session = match provided {
        Some(provided) => Some(Session::open(docker, provided).await?),
        None => None,
    };
    let path = build_query::buildkit(build, proxies(docker, build), session.as_ref().map(Session::id))?;
    let secrets = build.context.iter().flat_map(|context| context.secrets.values());
    let mut trace = Trace::new(secrets.map(Secret::expose));
    follow(docker, request(&path, body)?, |line| trace.take(line, step)).await
}

/// The proxies for the steps of a build, unless they have no network.
fn proxies(docker: &Docker, build: &ImageBuild) -> BTreeMap<String, String> {
    match build.network {
        BuildNetwork::Default => proxies::of(&docker.located.endpoint.to_string(), docker.config_dir.as_deref()),
        BuildNetwork::None => BTreeMap::new(),
    }
}

/// Checks what the classic builder lacks before anything is sent.
fn fits_the_classic_builder(build: &ImageBuild, why: WhyClassic) -> Result<(), BuildFailure> {
    let path = build.context.as_ref().map_or("Dockerfile", |context| context.dockerfile.as_str());
    let what = match classic::needs_buildkit(&build.dockerfile) {
        Some((line, what)) => format!("`{path}`, line {line}: `{what}` needs BuildKit"),
        None if build.context.as_ref().is_some_and(|context| !context.secrets.is_empty()) => {
            "`build.secrets` needs BuildKit".to_owned()
        }
        None => return Ok(()),
    };
    Err(BuildFailure::Unfit { message: format!("{what}, and {why}"), hint: why.hint() })
}

fn request(path: &str, body: Vec<u8>) -> Result<Request<Body>, Failure> {
    wire::with_body(Method::POST, path, "application/x-tar", body)
}

fn base_images(build: &ImageBuild) -> Vec<ImageRef> {
    let args = build.context.as_ref().map(|context| &context.args);
    base_images::images(&build.dockerfile, args.unwrap_or(&BTreeMap::new()))
}

/// The archive to send: the Dockerfile alone, or with its build context.
async fn packed(build: &ImageBuild, dockerfile: String) -> Result<Vec<u8>, Failure> {
    let Some(context) = build.context.clone() else {
        let file = FileConfig { path: "/Dockerfile".to_owned(), mode: 0o644, content: dockerfile };
        return archive::tar(&[file]).map_err(|error| Failure::Unsendable(error.to_string()));
    };
    unblocked(move || moat_build_context::archive(&context, &dockerfile)).await
}

/// Reads a context on another thread: many files would block other calls.
async fn unblocked<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ContextError> + Send + 'static,
) -> Result<T, Failure> {
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|error| Failure::Unsendable(error.to_string()))?;
    read.map_err(|error| Failure::Unsendable(format!("{error}; {}", error.hint())))
}

/// Sends a request, and reads the lines of the answer.
async fn follow(
    docker: &Docker,
    request: Request<Body>,
    mut take: impl FnMut(&[u8]) -> Result<(), BuildFailure>,
) -> Result<(), BuildFailure> {
    let response = docker.call(Call::Build, async { answer::accepted(docker.wire.send(request).await?).await }).await?;
    let _slot = docker.slot().await?;
    let (mut body, mut rest) = (response.into_body(), BytesMut::new());
    while let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| Failure::TimedOut)? {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            take(&rest.split_to(end + 1))?;
        }
        if rest.len() > LINE_MAX {
            return Err(Failure::Unreadable("a line exceeds 1 MiB".to_owned()).into());
        }
    }
    take(&rest)
}
