//! Failure reports: what failed and why, the last lines of the container's output, and a hint.

use std::collections::BTreeMap;
use std::time::Duration;

use moat_model::engine::{Detail, Engine, EngineError, ExecOutput, Fault, Filter, Inspection};
use moat_model::resource::{Applied, BuildNetwork, ContainerId, label};
use moat_model::state::ContainerFacts;
use moat_plan::event::{Asked, Code, Failure};
use moat_plan::{Action, Operation};

/// The reason why a call failed.
pub(super) enum CallFailure {
    Engine(EngineError),
    /// The container exited.
    Ended(Inspection),
    /// The container runs, but its probe did not succeed in time.
    NotReady {
        command: Vec<String>,
        after: Duration,
        last: Option<ExecOutput>,
    },
    /// The container runs, but its image's health check reports it unhealthy.
    Unhealthy {
        command: Vec<String>,
        last: ExecOutput,
    },
    /// The user interrupted the wait.
    Interrupted,
}

/// Enough to show an error with its context, and too few to hide the message above it.
const LOG_LINES: u32 = 20;

/// Reading a crashed container's log must not delay the report.
const LOG_DEADLINE: Duration = Duration::from_secs(5);

impl From<EngineError> for CallFailure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Collects what is known about a failure. `container`: the one whose start or readiness failed.
pub(super) async fn explain<E: Engine>(
    engine: &E,
    operation: &Operation,
    container: Option<&ContainerId>,
    why: CallFailure,
) -> Failure {
    let mut log = Vec::new();
    if let Some(container) = container {
        let tail = tokio::time::timeout(LOG_DEADLINE, engine.log_tail(container, LOG_LINES)).await;
        log = match tail {
            Ok(Ok(lines)) => lines,
            // Shown in place of the log, or a user would look for the output.
            Ok(Err(error)) if error.detail == Some(Detail::NoLogs) => vec![format!("({})", error.message)],
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
    }
    if let CallFailure::Engine(error) = &why
        && log.is_empty()
    {
        log.clone_from(&error.log);
    }
    let fault = match &why {
        CallFailure::Engine(error) => Some(error.fault),
        _ => None,
    };
    let exit_code = match &why {
        CallFailure::Ended(inspection) => Some(inspection.exit_code),
        _ => None,
    };
    let holder = match &why {
        CallFailure::Engine(error) if error.fault == Fault::Port => port_holder(engine, &error.message).await,
        _ => None,
    };
    let (code, probe) = (code(operation, &why), asked(&why));
    let (message, hint) = message_and_hint(operation, why, probe.as_ref());
    let hint = holder.or(hint);
    let (resource, name, verb) = (operation.resource.clone(), operation.name.clone(), operation.action.verb());
    Failure { resource, name, verb, code, fault, message, hint, exit_code, probe, log }
}

/// The hint for a port that another sandbox holds; `None` if none does, or if the engine cannot list them.
async fn port_holder<E: Engine>(engine: &E, message: &str) -> Option<String> {
    let all = engine.containers(&Filter::Ours).await.ok()?;
    // The engine's message contains the port, as in `127.0.0.1:8080`.
    let words = message.split(|c: char| c.is_whitespace() || matches!(c, ',' | '`'));
    let ports: Vec<u16> = words.filter_map(|word| word.rsplit_once(':')?.1.parse().ok()).collect();
    let held = |facts: &&ContainerFacts| facts.published.iter().any(|port| ports.contains(port));
    let facts = all.iter().find(held)?;
    let owner = facts.owner.as_ref()?;
    Some(format!(
        "container `{2}` of the sandbox `{0}` ({1}) uses the port: choose another port, or run `moat stop {0}`",
        owner.run, owner.spec, facts.name
    ))
}

/// Explains the exit of the container of `operation` after it was proven ready.
///
/// # Errors
/// If the engine cannot inspect the container.
pub async fn exited_since<E: Engine>(
    engine: &E,
    operation: &Operation,
    container: &ContainerId,
) -> Result<Failure, EngineError> {
    let inspection = engine.inspect(container).await?;
    Ok(explain(engine, operation, Some(container), CallFailure::Ended(inspection)).await)
}

/// The code of a failure: the engine's error in the context of the operation.
fn code(operation: &Operation, why: &CallFailure) -> Code {
    let error = match why {
        CallFailure::Interrupted => return Code::Interrupted,
        CallFailure::Ended(inspection) if inspection.oom_killed => return Code::OutOfMemory,
        CallFailure::Ended(_) => return Code::ContainerExited,
        CallFailure::NotReady { last: Some(_), .. } | CallFailure::Unhealthy { .. } => return Code::ProbeFailed,
        CallFailure::NotReady { last: None, .. } => return Code::ReadinessTimeout,
        CallFailure::Engine(error) => error,
    };
    match (&operation.action, error.fault) {
        _ if error.detail.is_some() => Code::of(error),
        (
            Action::CreateContainer { .. }
            | Action::CreateNetwork { .. }
            | Action::CreateVolume { .. }
            | Action::RenameContainer { .. },
            Fault::Conflict,
        ) => Code::NameConflict,
        (Action::CreateNetwork { subnet: None, .. }, Fault::Subnet) => Code::NoAddressRange,
        (Action::BuildImage { .. }, Fault::Engine) => Code::BuildFailed,
        _ => Code::of(error),
    }
}

/// The probe that never succeeded, with the result of its last run.
fn asked(why: &CallFailure) -> Option<Asked> {
    let (command, last) = match why {
        CallFailure::NotReady { command, last, .. } => (command, last.as_ref()),
        CallFailure::Unhealthy { command, last } => (command, Some(last)),
        _ => return None,
    };
    let line = |output: &ExecOutput| {
        output.output.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    };
    Some(Asked { command: command.join(" "), exit_code: last.map(|it| it.exit_code), output: last.and_then(line) })
}

fn message_and_hint(operation: &Operation, why: CallFailure, asked: Option<&Asked>) -> (String, Option<String>) {
    let name = &operation.name;
    match why {
        CallFailure::Engine(error) => {
            let hint = error.hint.clone().or_else(|| hint(operation, &error));
            (error.message, hint)
        }
        CallFailure::Ended(inspection) => exited(operation, &inspection),
        CallFailure::NotReady { after, .. } => {
            let message = format!("`{name}` was not ready within {} s: {}", after.as_secs(), describe(asked));
            (message, Some("on a slow machine, allow more time: `--wait-timeout 120`".to_owned()))
        }
        CallFailure::Unhealthy { .. } => {
            let message = format!("`{name}` is not ready: its image's health check failed: {}", describe(asked));
            (message, Some("check its service, or set another check under `healthcheck`".to_owned()))
        }
        CallFailure::Interrupted => (format!("interrupted while waiting for `{name}`"), None),
    }
}

/// A probe and its result, as text.
fn describe(asked: Option<&Asked>) -> String {
    let Some(asked) = asked else { return String::new() };
    let mut text = format!("`{}`", asked.command);
    match asked.exit_code {
        Some(code) => text.push_str(&format!(" exited with code {code}")),
        None => text.push_str(" never completed"),
    }
    if let Some(output) = &asked.output {
        text.push_str(&format!(" ({output})"));
    }
    text
}

fn exited(operation: &Operation, inspection: &Inspection) -> (String, Option<String>) {
    let code = inspection.exit_code;
    if let Action::AwaitReady { image, failures, .. } = &operation.action
        && let Some(known) = failures.iter().find(|known| known.exit == code)
    {
        return (known.message.replace("{image}", image.as_str()), Some(known.hint.clone()));
    }
    let name = &operation.name;
    if inspection.oom_killed {
        let hint = format!("raise `{}`", memory_key(operation));
        return (format!("`{name}` ran out of memory and was killed"), Some(hint));
    }
    let mut message = format!("`{name}` exited with code {code}");
    if inspection.restarts > 0 {
        message.push_str(&format!(" and was restarted {}", times(inspection.restarts)));
    }
    if !inspection.error.is_empty() {
        message.push_str(&format!(": {}", inspection.error));
    }
    let hint = match code {
        0 => Some("its command must keep running, as `sleep infinity` does"),
        126 => Some("the command is not executable, or is built for another platform"),
        127 => Some("the image has no such command: check its name and the image"),
        _ => None,
    };
    (message, hint.map(str::to_owned))
}

fn times(count: i64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The key of a container's memory limit in the spec.
fn memory_key(operation: &Operation) -> String {
    match operation.resource.name.as_str() {
        "main" => "container.memory".to_owned(),
        "buildkit" => "buildkit.resources.memory".to_owned(),
        service => format!("services.{service}.resources.memory"),
    }
}

/// Whether the spec sets the range of a network.
fn is_of_the_spec(labels: &BTreeMap<String, String>) -> bool {
    labels.get(label::CONFIG).is_some_and(|config| Applied::parse(config).has_subnet)
}

fn hint(operation: &Operation, error: &EngineError) -> Option<String> {
    let name = &operation.name;
    if let Some(hint) = error.detail.and_then(hint_of_detail) {
        return Some(hint.to_owned());
    }
    let hint = match (&operation.action, error.fault) {
        (Action::PullImage { .. }, Fault::Pull) => {
            "check the name and the tag, whether the engine can reach the registry, and `docker login`"
                .to_owned()
        }
        (Action::BuildImage { build }, Fault::Engine) if build.network == BuildNetwork::None => {
            "like the sandbox, the build has no network: if it needs one, write `network: {build: default}`"
                .to_owned()
        }
        (Action::BuildImage { .. }, Fault::Engine) => "`moat image` shows the Dockerfile".to_owned(),
        (
            Action::CreateContainer { .. } | Action::CreateNetwork { .. } | Action::CreateVolume { .. },
            Fault::Conflict,
        ) => {
            let kind = operation.resource.kind;
            format!("a {kind} named `{name}` exists that moat does not manage and will not change: rename or remove it")
        }
        (Action::CreateNetwork { labels, .. }, Fault::Subnet) if is_of_the_spec(labels) => {
            "another network uses these addresses: change `network.subnet`, or remove it to get a free range".to_owned()
        }
        (Action::CreateNetwork { subnet: Some(subnet), .. }, Fault::Subnet) => format!(
            "`{subnet}` is in use, though the engine does not list it: set another range with `--subnets`"
        ),
        (Action::CreateNetwork { subnet: None, .. }, Fault::Subnet) => {
            "no address range is left in moat's pool or the engine's: set another one with `--subnets`, or remove unused networks (`moat list`, `docker network prune`)"
                .to_owned()
        }
        (Action::StartContainer { .. } | Action::RestartContainer { .. }, Fault::Port) => {
            "`ss -ltnp` on the Docker host shows what uses it; choose another port, or write only the container port to get a free one"
                .to_owned()
        }
        (_, Fault::Unreachable) => "is the engine still running? check with `docker info`".to_owned(),
        _ => return None,
    };
    Some(hint)
}

/// The hint for a detail, which does not depend on the operation.
fn hint_of_detail(detail: Detail) -> Option<&'static str> {
    match detail {
        Detail::MountSource => Some("create it on the Docker host, which may be another machine, or correct the spec"),
        Detail::Privilege => Some("`moat doctor` shows whether the engine can run privileged containers"),
        Detail::DiskFull => {
            Some("free space on the Docker host, for example with `moat cache --prune` or `docker system prune`")
        }
        Detail::ImageNotFound => Some("it has been removed in the meantime: `moat apply` pulls it again"),
        Detail::PullDenied
        | Detail::RegistryUnreachable
        | Detail::NoRangeLeft
        | Detail::NoLogs
        | Detail::NoRegistryQuery => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moat_model::resource::Limits;
    use moat_model::resource::{ContainerId, ImageRef, NetworkId, ResourceId};
    use moat_model::state::{ContainerState, Health};
    use moat_plan::operation::Grace;
    use moat_plan::{Cause, Handle, OpId};

    fn operation(action: Action) -> Operation {
        let resource = ResourceId::main();
        Operation { id: OpId(0), resource, name: "moat-a".to_owned(), action, cause: Cause::Missing, after: Vec::new() }
    }

    fn ended(exit_code: i64, oom_killed: bool) -> CallFailure {
        CallFailure::Ended(Inspection {
            state: ContainerState::Exited,
            exit_code,
            oom_killed,
            restarts: 0,
            started: None,
            disconnected: false,
            error: String::new(),
            health: Health::None,
            check: None,
            limits: Limits::default(),
            restart: None,
            rights: moat_model::engine::Rights::default(),
        })
    }

    fn not_ready(last: Option<ExecOutput>) -> CallFailure {
        CallFailure::NotReady { command: vec!["check".to_owned()], after: Duration::from_secs(2), last }
    }

    fn engine(fault: Fault, detail: Option<Detail>) -> CallFailure {
        CallFailure::Engine(EngineError::new(fault, "words").because(detail))
    }

    #[test]
    fn each_failure_has_its_code() {
        let pull = || Action::PullImage {
            reference: ImageRef::parse("busybox").expect("valid"),
            platform: None,
            digest: None,
        };
        let network = |subnet: Option<&str>| Action::CreateNetwork {
            labels: BTreeMap::new(),
            internal: false,
            subnet: subnet.map(|subnet| subnet.parse().expect("valid")),
            gateway: false,
        };
        let volume = || Action::CreateVolume { labels: BTreeMap::new() };
        let start = || Action::StartContainer { container: Handle::Known(ContainerId::new("c")) };
        let stop = || Action::StopContainer { container: ContainerId::new("c"), grace: Grace::Own(1) };
        let remove = || Action::RemoveNetwork { network: NetworkId::new("n") };
        let no = || ExecOutput { exit_code: 1, output: "no\n".to_owned() };
        let table = [
            (pull(), engine(Fault::Pull, Some(Detail::ImageNotFound)), Code::ImageNotFound),
            (pull(), engine(Fault::Pull, Some(Detail::PullDenied)), Code::PullDenied),
            (pull(), engine(Fault::Pull, Some(Detail::RegistryUnreachable)), Code::RegistryUnreachable),
            (pull(), engine(Fault::Pull, Some(Detail::DiskFull)), Code::DiskFull),
            (pull(), engine(Fault::Pull, None), Code::PullFailed),
            (pull(), CallFailure::Interrupted, Code::Interrupted),
            (network(None), engine(Fault::Subnet, None), Code::NoAddressRange),
            (network(Some("10.0.0.0/24")), engine(Fault::Subnet, None), Code::AddressOverlap),
            (network(Some("10.0.0.0/24")), engine(Fault::Subnet, Some(Detail::NoRangeLeft)), Code::NoAddressRange),
            (network(None), engine(Fault::Conflict, None), Code::NameConflict),
            (volume(), engine(Fault::Conflict, None), Code::NameConflict),
            (volume(), engine(Fault::Engine, Some(Detail::DiskFull)), Code::DiskFull),
            // A state that forbids the call is no name conflict.
            (stop(), engine(Fault::Conflict, None), Code::EngineRefused),
            (start(), engine(Fault::Port, None), Code::PortTaken),
            (start(), engine(Fault::Engine, Some(Detail::MountSource)), Code::MountSourceMissing),
            (start(), engine(Fault::Engine, Some(Detail::Privilege)), Code::PrivilegedImpossible),
            (start(), engine(Fault::Engine, None), Code::EngineFailed),
            (start(), engine(Fault::NotFound, None), Code::Gone),
            (start(), engine(Fault::Busy, None), Code::EngineBusy),
            (start(), engine(Fault::TimedOut, None), Code::EngineTimeout),
            (start(), engine(Fault::Unreachable, None), Code::EngineUnreachable),
            (start(), engine(Fault::Refused, None), Code::EngineRefused),
            (start(), engine(Fault::Audit, None), Code::AuditRefused),
            (remove(), engine(Fault::InUse, None), Code::InUse),
            (start(), ended(3, false), Code::ContainerExited),
            (start(), ended(137, true), Code::OutOfMemory),
            (start(), not_ready(Some(no())), Code::ProbeFailed),
            (start(), not_ready(None), Code::ReadinessTimeout),
        ];
        for (action, why, expected) in table {
            let operation = operation(action);
            assert_eq!(code(&operation, &why), expected, "{} {expected:?}", operation.action.verb());
        }
    }
}
