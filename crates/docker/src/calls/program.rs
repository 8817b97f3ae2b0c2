//! Imports moat's own program as an image, for containers that moat runs beside a sandbox.
//!
//! One call with an archive that `program_files` packs: no registry, no Dockerfile, and nothing in the image but the
//! program, its libraries and an empty folder for its state.

use std::collections::BTreeMap;
use std::env::consts;
use std::path::{Path, PathBuf};

use http::Method;

use super::program_files::{self, Unusable};
use super::pull;
use crate::Docker;
use crate::transport::environment::{Environment, ProcessEnv};
use crate::transport::fault::Failure;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use moat_model::engine::{Call, EngineError, Fault};
use moat_model::resource::ImageRef;

/// Names a program to use in place of this one: on macOS, or for an engine of another architecture.
const HELPER: &str = "MOAT_HELPER";

pub(crate) async fn import(
    docker: &Docker,
    reference: &ImageRef,
    labels: &BTreeMap<String, String>,
) -> Result<(), EngineError> {
    let archive = packed(docker).await?;
    send(docker, reference, labels, archive).await.map_err(|failure| failure.into_error(Call::Import))
}

async fn packed(docker: &Docker) -> Result<Vec<u8>, EngineError> {
    packed_by(docker, |helper| match helper {
        Some((path, architecture)) => program_files::of_static(path, architecture),
        None => program_files::of_this_process(),
    })
    .await
}

/// Packs the program that the engine can run: `pack` is given another file, for an architecture, if it is not this one.
pub(crate) async fn packed_by(
    docker: &Docker,
    pack: impl FnOnce(Option<(&Path, &str)>) -> Result<Vec<u8>, Unusable> + Send + 'static,
) -> Result<Vec<u8>, EngineError> {
    let helper = ProcessEnv.variable(HELPER).map(PathBuf::from);
    let architecture = docker.info().await?.architecture;
    if helper.is_none() {
        runs_here(&architecture)?;
    }
    // Reading the program would block other calls.
    let pack = move || pack(helper.as_deref().map(|path| (path, architecture.as_str())));
    let packed = tokio::task::spawn_blocking(pack).await;
    let packed = packed.map_err(|error| EngineError::new(Fault::Refused, error.to_string()))?;
    packed.map_err(|error: Unusable| refused(format!("cannot pack moat's own program: {error}")))
}

/// Whether the engine runs programs of this machine.
fn runs_here(architecture: &str) -> Result<(), EngineError> {
    let same = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    if consts::OS == "linux" && (same == consts::ARCH || same.is_empty()) {
        return Ok(());
    }
    let (os, arch) = (consts::OS, consts::ARCH);
    Err(refused(format!("the engine runs Linux programs for {architecture}, and this moat is one for {os} on {arch}")))
}

fn refused(message: String) -> EngineError {
    let hint = format!(
        "set {HELPER} to a statically linked moat for the engine's platform, from the same release, or \
         `network.gateway_image` to an image with it"
    );
    EngineError::new(Fault::Refused, message).hint(hint)
}

async fn send(
    docker: &Docker,
    reference: &ImageRef,
    labels: &BTreeMap<String, String>,
    archive: Vec<u8>,
) -> Result<(), Failure> {
    let (repository, tag) = reference.repository_and_tag();
    let mut path = format!("/images/create?fromSrc=-&repo={}&tag={}", encoded(repository), encoded(tag));
    for (name, value) in labels {
        path += &format!("&changes={}", encoded(&format!("LABEL {name}={value}")));
    }
    let request = wire::with_body(Method::POST, &path, "application/x-tar", archive)?;
    let response =
        docker.call(Call::Import, async { answer::accepted(docker.wire.send(request).await?).await }).await?;
    let _slot = docker.slot().await?;
    pull::follow(response, &|_| ()).await
}

impl Docker {
    /// Whether moat's own program can run on the engine, as far as the client can tell.
    pub async fn runs_own_program(&self) -> bool {
        let helper = ProcessEnv.variable(HELPER);
        match helper {
            Some(path) => Path::new(&path).exists(),
            None => self.info().await.is_ok_and(|info| runs_here(&info.architecture).is_ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_on_an_engine_of_its_architecture() {
        let other = if consts::ARCH == "aarch64" { "x86_64" } else { "aarch64" };
        assert!(runs_here(consts::ARCH).is_ok());
        let error = runs_here(other).expect_err("another architecture");
        assert!(error.message.contains(other) && error.hint.is_some_and(|hint| hint.contains(HELPER)));
    }
}
