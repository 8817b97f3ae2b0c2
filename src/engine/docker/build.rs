//! Builds an image from a Dockerfile, with the files beside it if it has any, and reads the engine's account of it.
//!
//! By the engine's own interface without a session: every release of the engine has it. It knows neither mounts nor
//! secrets while an image is built.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::timeout;

use super::fault::Failure;
use super::wire::encoded;
use super::{Docker, answer, archive, bases, credentials, wire};
use crate::engine::{Call, EngineError, Fault, ImageBuild, context};
use crate::resource::{BuildContext, FileConfig};

/// A step may download and unpack for a long time without a word.
const SILENCE_MAX: Duration = Duration::from_secs(20 * 60);

/// In bytes. A line is one of a program's.
const LINE_MAX: usize = 1024 * 1024;

/// Of what the steps said, the end is what tells why one failed. In lines.
const TAIL: usize = 12;

#[derive(Deserialize)]
struct Line {
    stream: Option<String>,
    error: Option<String>,
}

/// What has been read so far.
#[derive(Default)]
struct Account {
    tail: Vec<String>,
}

pub(super) async fn build(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
    match send(docker, build, step).await {
        Ok(()) => Ok(()),
        // In the middle of an account it is a step that failed; before it, the engine that refused.
        Err(Failure::Refused { status: 200, message }) => Err(EngineError::new(Fault::Engine, message)),
        Err(failure) => Err(failure.into_error(Call::Build)),
    }
}

async fn send(docker: &Docker, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), Failure> {
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
    let mut request = wire::with_body(Method::POST, &path, "application/x-tar", context)?;
    let args = build.context.as_ref().map(|context| &context.args);
    let images = bases::images(&build.dockerfile, args.unwrap_or(&BTreeMap::new()));
    if let Some(header) = credentials::headers(&images, docker.config_dir.as_deref()).await {
        let header = HeaderValue::try_from(header).map_err(|error| Failure::Unsendable(error.to_string()))?;
        request.headers_mut().insert("X-Registry-Config", header);
    }
    let response = docker.call(Call::Build, async { answer::accepted(docker.wire.send(request).await?).await }).await?;
    let _slot = docker.slot().await?;
    follow(response, step).await
}

/// What is sent: the Dockerfile alone, or all that it is built from.
async fn packed(build: &ImageBuild) -> Result<Vec<u8>, Failure> {
    let Some(context) = build.context.clone() else {
        let file = FileConfig { path: "/Dockerfile".to_owned(), mode: 0o644, content: build.dockerfile.clone() };
        return archive::tar(&[file]).map_err(|error| Failure::Unsendable(error.to_string()));
    };
    let dockerfile = build.dockerfile.clone();
    // Many files are read, and others wait for answers meanwhile.
    let packed = tokio::task::spawn_blocking(move || context::archive(&context, &dockerfile)).await;
    let packed = packed.map_err(|error| Failure::Unsendable(error.to_string()))?;
    packed.map_err(|error| Failure::Unsendable(format!("{error}; {}", error.hint())))
}

async fn follow(response: Response<Incoming>, step: &dyn Fn(&str)) -> Result<(), Failure> {
    let mut body = response.into_body();
    let (mut account, mut rest) = (Account::default(), BytesMut::new());
    while let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| Failure::TimedOut)? {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            account.take(&rest.split_to(end + 1), step)?;
        }
        if rest.len() > LINE_MAX {
            return Err(Failure::Unreadable("a line without an end".to_owned()));
        }
    }
    account.take(&rest, step)
}

impl Account {
    /// Reads one line of the account. One that cannot be read is no reason to fail.
    fn take(&mut self, line: &[u8], step: &dyn Fn(&str)) -> Result<(), Failure> {
        let Ok(Line { stream, error }) = serde_json::from_slice::<Line>(line) else { return Ok(()) };
        if let Some(error) = error {
            let message = self.tail.iter().fold(error, |text, line| text + "\n  " + line);
            return Err(Failure::Refused { status: 200, message });
        }
        for text in stream.iter().flat_map(|stream| stream.lines()).map(str::trim_end) {
            if text.starts_with("Step ") {
                step(text);
                self.tail.clear();
            } else if !text.is_empty() {
                self.tail.push(text.to_owned());
                if self.tail.len() > TAIL {
                    self.tail.remove(0);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn steps_are_told_and_a_failure_comes_with_what_the_step_said() {
        let (mut account, steps) = (Account::default(), RefCell::new(Vec::new()));
        let step = |text: &str| steps.borrow_mut().push(text.to_owned());
        for line in [
            r#"{"stream":"Step 1/2 : FROM debian\n"}"#,
            r#"{"stream":" ---> 0123\n"}"#,
            r#"{"stream":"Step 2/2 : RUN false\n"}"#,
            r#"{"stream":"what it said\n"}"#,
            "not JSON",
        ] {
            account.take(line.as_bytes(), &step).expect("no error");
        }
        let error = br#"{"errorDetail":{"code":1},"error":"returned a non-zero code: 1"}"#;
        let failure = account.take(error, &step).expect_err("it failed");
        let message = "returned a non-zero code: 1\n  what it said".to_owned();
        assert_eq!(failure, Failure::Refused { status: 200, message });
        assert_eq!(*steps.borrow(), ["Step 1/2 : FROM debian", "Step 2/2 : RUN false"]);
    }
}
