//! Build routing: whether builds in the main container really go to the sidecar, and the size of its cache.
//!
//! The containers themselves are queried: an ignored setting looks just like one that works.

use std::time::Duration;

use tokio::time::timeout;

use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Builds as Route;
use moat_model::resource::{ContainerId, ResourceId};
use moat_model::state::{ContainerState, Observed};

/// Where builds run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builds {
    pub routed: bool,
    /// The name of the builder in the main container.
    pub builder: String,
    /// Why builds are not routed; in lower case, without a full stop.
    pub reason: Option<String>,
    /// A remedy.
    pub hint: Option<String>,
}

/// A client that hangs. buildx itself gives up after 20 s.
const QUESTION: Duration = Duration::from_secs(30);

/// Queries the main container; `None` if the spec has no builder.
pub async fn check<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> Option<Builds> {
    let wanted = graph.builds.as_ref()?;
    let refused = |reason: String, hint: Option<String>| Builds {
        routed: false,
        builder: wanted.builder.clone(),
        reason: Some(reason),
        hint,
    };
    let Some(main) = running(observed, &ResourceId::main()) else {
        return Some(refused("the main container is not running".to_owned(), None));
    };
    // Offline, the question would wait for a name server that does not answer for the name of the sidecar.
    if running(observed, &ResourceId::container(&wanted.sidecar)).is_none() {
        return Some(refused(format!("the sidecar `{}` is not running", wanted.sidecar), None));
    }
    let answer = match timeout(QUESTION, engine.exec(&main, &wanted.check)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Some(refused(error.to_string(), None)),
        Err(_) => return Some(refused(format!("builder `{}` does not answer", wanted.builder), None)),
    };
    if answer.exit_code == 0 {
        return Some(Builds { routed: true, builder: wanted.builder.clone(), reason: None, hint: None });
    }
    if matches!(answer.exit_code, 126 | 127) {
        // A container of an earlier version of moat.
        let hint = Some("`moat apply` updates the sandbox".to_owned());
        return Some(refused("the container has no test of builds".to_owned(), hint));
    }
    let version = answer.output.lines().find_map(|line| line.strip_prefix("version "));
    Some(match version.map(str::trim) {
        None => refused(format!("no {}", wanted.client), Some(wanted.hint.clone())),
        Some(found) if older(found, &wanted.minimum) => {
            let minimum = wanted.minimum.trim_end_matches(".0");
            refused(format!("{} {found} < {minimum}", wanted.client), Some(wanted.hint.clone()))
        }
        Some(_) => refused(format!("builder `{}` does not answer", wanted.builder), None),
    })
}

/// The size of the sidecar's cache in bytes; `None` if there is no builder, or it does not report a size.
pub async fn cache_bytes<E: Engine>(engine: &E, wanted: &Route, observed: &Observed) -> Option<u64> {
    let sidecar = running(observed, &ResourceId::container(&wanted.sidecar))?;
    let answer = engine.exec(&sidecar, &wanted.usage).await.ok().filter(|answer| answer.exit_code == 0)?;
    answer.output.trim().parse().ok()
}

/// Removes the parts of the cache that no build uses.
///
/// # Errors
/// If the main container is not running, or the builder refuses. The text is for people.
pub async fn prune<E: Engine>(engine: &E, wanted: &Route, observed: &Observed) -> Result<(), String> {
    let main = running(observed, &ResourceId::main()).ok_or("the main container is not running")?;
    let answer = engine.exec(&main, &wanted.prune).await.map_err(|error| error.to_string())?;
    if answer.exit_code == 0 {
        return Ok(());
    }
    let last = answer.output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("`{}` exited with code {} ({})", wanted.prune.join(" "), answer.exit_code, last.trim()))
}

fn running(observed: &Observed, resource: &ResourceId) -> Option<ContainerId> {
    let mut found = observed.containers_of(resource);
    found.find(|it| it.state == ContainerState::Running).map(|it| it.id.clone())
}

/// Compares dotted version numbers; a part that is no number counts as 0.
fn older(found: &str, minimum: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    numbers(found) < numbers(minimum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (found, minimum, expected) in [
            ("0.13.1", "0.14.0", true),
            ("0.14.0", "0.14.0", false),
            ("0.29.1", "0.14.0", false),
            ("0.9.0", "0.14.0", true),
            ("1.0", "0.14.0", false),
        ] {
            assert_eq!(older(found, minimum), expected, "{found} {minimum}");
        }
    }
}
