//! Checks of the build tools in a running sandbox: the given one, or that of the default spec.

use std::path::Path;

use super::engine::older;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::target::{Sandbox, named};
use crate::ui::render::doctor::Check;
use moat_docker::Docker;
use moat_model::engine::Engine;
use moat_model::resource::{ContainerId, ResourceId};

/// The oldest buildx that loads built images by default, and the oldest compose that respects `BUILDX_BUILDER`.
const BUILDX: &str = "0.14";
const COMPOSE: &str = "2.20";

/// Runs the checks. Empty if there is no sandbox, or if it builds no images.
pub(super) async fn checks(agent: Option<&String>, engine: &Docker) -> Result<Vec<Check>, CliError> {
    let nearest = || Path::new(default_spec::path()).is_file().then(|| default_spec::path().to_owned());
    let given = agent.cloned().or_else(nearest);
    let Some(given) = &given else { return Ok(Vec::new()) };
    let sandbox = named(given)?.find(engine).await?;
    if !builds(&sandbox) {
        return Ok(Vec::new());
    }
    let Ok(main) = sandbox.running("main") else {
        let why = format!("sandbox `{}` is not running", sandbox.run.agent);
        return Ok(["buildx", "compose"].map(|name| Check::unknown(name, why.clone())).to_vec());
    };
    let mut checks = Vec::new();
    for (name, minimum) in [("buildx", BUILDX), ("compose", COMPOSE)] {
        checks.push(plugin(engine, &main.id, name, minimum).await);
    }
    Ok(checks)
}

/// Returns whether images are built in the sandbox; without a valid spec, whether a builder exists.
fn builds(sandbox: &Sandbox) -> bool {
    let sidecar = ResourceId::container("buildkit");
    match &sandbox.agent {
        Some(agent) => agent.graph.builds.is_some(),
        None => sandbox.observed.containers_of(&sidecar).next().is_some(),
    }
}

async fn plugin(engine: &Docker, main: &ContainerId, name: &'static str, minimum: &str) -> Check {
    let command = ["docker", name, "version"].map(str::to_owned);
    let answer = engine.exec(main, &command).await.ok().filter(|answer| answer.exit_code == 0);
    let hint = format!("builds need {name} {minimum} or newer in the image to use the sidecar");
    let Some(found) = answer.and_then(|answer| first_version(&answer.output)) else {
        return Check::care(name, "not installed in the sandbox".to_owned(), &hint);
    };
    if older(&found, minimum) { Check::care(name, found, &hint) } else { Check::good(name, found) }
}

/// The first version number in a text such as `github.com/docker/buildx v0.29.1 abc`, without the `v`.
fn first_version(text: &str) -> Option<String> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    words.into_iter().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let table = [
            ("github.com/docker/buildx v0.29.1 6c7a3c9", Some("0.29.1")),
            ("Docker Compose version 2.32.4-1", Some("2.32.4-1")),
            ("no version", None),
        ];
        for (text, version) in table {
            assert_eq!(first_version(text).as_deref(), version, "{text}");
        }
    }
}
