//! What a failed operation tells a person: what, why, the container's last words, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::{Made, container_of};
use crate::engine::{Engine, EngineError, ExecOutput, Fault, Inspection};
use crate::event::Failure;
use crate::plan::{Action, OpId, Operation};
use crate::resource::{ContainerId, label};

/// Why a call did not succeed.
pub(super) enum Why {
    Engine(EngineError),
    /// The container is not running any more.
    Ended(Inspection),
    /// It runs, but the probe has not said yes in time.
    NotReady {
        after: Duration,
        last: Option<ExecOutput>,
    },
    /// The user did not want to wait any longer.
    Interrupted,
}

/// Enough to see an error with its context, not so much that it hides the message above it.
const LOG_LINES: u32 = 20;

/// A crashed container's log must not keep the report from coming.
const LOG_DEADLINE: Duration = Duration::from_secs(5);

impl From<EngineError> for Why {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Puts together what is known about a failure.
pub(super) async fn explain<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: &BTreeMap<OpId, Made>,
    why: Why,
) -> Failure {
    let is_about_its_life = matches!(operation.action, Action::StartContainer { .. } | Action::AwaitReady { .. });
    let mut log = Vec::new();
    if let (true, Some(container)) = (is_about_its_life, container_of(operation, known)) {
        let tail = tokio::time::timeout(LOG_DEADLINE, engine.log_tail(&container, LOG_LINES)).await;
        log = tail.ok().and_then(Result::ok).unwrap_or_default();
    }
    let fault = match &why {
        Why::Engine(error) => Some(error.fault),
        _ => None,
    };
    let (message, hint) = words(operation, why);
    let resource = operation.resource.clone();
    Failure { resource, name: operation.name.clone(), verb: operation.action.verb(), fault, message, hint, log }
}

/// What is known about a container that `operation` is about, and that has ended since it was proven ready.
///
/// # Errors
/// If the engine cannot be asked about it.
pub async fn ended_since<E: Engine>(
    engine: &E,
    operation: &Operation,
    container: &ContainerId,
) -> Result<Failure, EngineError> {
    let inspection = engine.inspect(container).await?;
    Ok(explain(engine, operation, &BTreeMap::new(), Why::Ended(inspection)).await)
}

fn words(operation: &Operation, why: Why) -> (String, Option<String>) {
    let name = &operation.name;
    match why {
        Why::Engine(error) => {
            let hint = error.hint.or_else(|| hint(operation, error.fault));
            (error.message, hint)
        }
        Why::Ended(inspection) => ended(operation, &inspection),
        Why::NotReady { after, last } => {
            let asked = match &operation.action {
                Action::AwaitReady { probe: crate::resource::Probe::Exec { command, .. }, .. } => command.join(" "),
                _ => String::new(),
            };
            let mut message = format!("`{name}` was not ready within {} s: `{asked}`", after.as_secs());
            match last {
                Some(output) => {
                    message.push_str(&format!(" gave exit code {}", output.exit_code));
                    if let Some(line) = output.output.lines().rfind(|line| !line.trim().is_empty()) {
                        message.push_str(&format!(" ({})", line.trim()));
                    }
                }
                None => message.push_str(" was never answered"),
            }
            (message, Some("a slow machine may need more time: `--wait-timeout 120`".to_owned()))
        }
        Why::Interrupted => (format!("interrupted while `{name}` was waited for"), None),
    }
}

fn ended(operation: &Operation, inspection: &Inspection) -> (String, Option<String>) {
    let code = inspection.exit_code;
    if let Action::AwaitReady { image, failures, .. } = &operation.action
        && let Some(known) = failures.iter().find(|known| known.exit == code)
    {
        return (known.message.replace("{image}", image.as_str()), Some(known.hint.clone()));
    }
    let name = &operation.name;
    if inspection.oom_killed {
        let hint = "it needs more memory than it may have".to_owned();
        return (format!("`{name}` was killed because it ran out of memory"), Some(hint));
    }
    let mut message = format!("`{name}` ended with exit code {code}");
    if inspection.restarts > 0 {
        message.push_str(&format!(" and was started again {} times", inspection.restarts));
    }
    if !inspection.error.is_empty() {
        message.push_str(&format!(": {}", inspection.error));
    }
    (message, None)
}

/// Whether a network's range is the spec's own choice.
fn is_of_the_spec(labels: &BTreeMap<String, String>) -> bool {
    labels.get(label::CONFIG).is_some_and(|config| config.contains("\"subnet\":"))
}

fn hint(operation: &Operation, fault: Fault) -> Option<String> {
    let name = &operation.name;
    let hint = match (&operation.action, fault) {
        (Action::PullImage { .. }, Fault::Pull) => {
            "check the name and the tag, that the registry can be reached from the engine, and `docker login`"
                .to_owned()
        }
        (Action::BuildImage { .. }, Fault::Engine) => {
            "`moat image` shows what is built; the step that failed is the last one told".to_owned()
        }
        (
            Action::CreateContainer { .. } | Action::CreateNetwork { .. } | Action::CreateVolume { .. },
            Fault::Conflict,
        ) => {
            let kind = operation.resource.kind;
            format!("a {kind} named `{name}` exists that is not moat's; moat will not touch it: rename or remove it")
        }
        (Action::CreateNetwork { labels, .. }, Fault::Subnet) if is_of_the_spec(labels) => {
            "another network has these addresses: write others under `network.subnet`, or none for a free range".to_owned()
        }
        (Action::CreateNetwork { subnet: Some(subnet), .. }, Fault::Subnet) => format!(
            "`{subnet}` is in use in a way that the engine does not list: name another range with `--subnets`"
        ),
        (Action::CreateNetwork { subnet: None, .. }, Fault::Subnet) => {
            "no address range is left, neither in moat's own nor in the engine's: name another one with `--subnets`, or remove networks that are not used (`moat list`, `docker network prune`)"
                .to_owned()
        }
        (Action::StartContainer { .. } | Action::RestartContainer { .. }, Fault::Port) => {
            "see by whom with `ss -ltnp` on the engine's machine; write another port, or only the container's for a free one"
                .to_owned()
        }
        (_, Fault::Unreachable) => "is the engine still running? `docker info` tells".to_owned(),
        _ => return None,
    };
    Some(hint)
}
