//! What a failed operation tells a person: what, why, the container's last words, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::{Output, container_of};
use moat_model::engine::{Detail, Engine, EngineError, ExecOutput, Fault, Filter, Inspection};
use moat_model::resource::{BuildNetwork, ContainerId, label};
use moat_model::state::ContainerFacts;
use moat_plan::event::{Asked, Code, Failure};
use moat_plan::{Action, OpId, Operation};

/// Why a call did not succeed.
pub(super) enum CallFailure {
    Engine(EngineError),
    /// The container is not running any more.
    Ended(Inspection),
    /// It runs, but the probe has not said yes in time.
    NotReady {
        command: Vec<String>,
        after: Duration,
        last: Option<ExecOutput>,
    },
    /// It runs, and the check that its image brings says no for longer than that bears.
    Unhealthy {
        command: Vec<String>,
        last: ExecOutput,
    },
    /// The user did not want to wait any longer.
    Interrupted,
}

/// Enough to see an error with its context, not so much that it hides the message above it.
const LOG_LINES: u32 = 20;

/// A crashed container's log must not keep the report from coming.
const LOG_DEADLINE: Duration = Duration::from_secs(5);

impl From<EngineError> for CallFailure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Puts together what is known about a failure.
pub(super) async fn explain<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: &BTreeMap<OpId, Output>,
    why: CallFailure,
) -> Failure {
    let is_about_its_life = matches!(operation.action, Action::StartContainer { .. } | Action::AwaitReady { .. });
    let mut log = Vec::new();
    if let (true, Some(container)) = (is_about_its_life, container_of(operation, known)) {
        let tail = tokio::time::timeout(LOG_DEADLINE, engine.log_tail(&container, LOG_LINES)).await;
        log = match tail {
            Ok(Ok(lines)) => lines,
            // Said in its place, or a person would look for what it wrote.
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
    let (message, hint) = words(operation, why, probe.as_ref());
    let hint = holder.or(hint);
    let (resource, name, verb) = (operation.resource.clone(), operation.name.clone(), operation.action.verb());
    Failure { resource, name, verb, code, fault, message, hint, exit_code, probe, log }
}

/// What to do about a port that another sandbox of moat's holds; `None`: none of them does, or nobody can tell.
async fn port_holder<E: Engine>(engine: &E, message: &str) -> Option<String> {
    let all = engine.containers(&Filter::Ours).await.ok()?;
    // The engine names the port in its message, as in `127.0.0.1:8080`.
    let words = message.split(|c: char| c.is_whitespace() || matches!(c, ',' | '`'));
    let ports: Vec<u16> = words.filter_map(|word| word.rsplit_once(':')?.1.parse().ok()).collect();
    let held = |facts: &&ContainerFacts| facts.published.iter().any(|port| ports.contains(port));
    let facts = all.iter().find(held)?;
    let owner = facts.owner.as_ref()?;
    Some(format!(
        "the sandbox `{}` of {} has it, by its container `{}`: write another port, or `moat stop {}`",
        owner.run, owner.spec, facts.name, owner.run
    ))
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
    Ok(explain(engine, operation, &BTreeMap::new(), CallFailure::Ended(inspection)).await)
}

/// The word for it: what the engine's answer means to what was asked.
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

/// What was asked in vain, and what came of the last time.
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

fn words(operation: &Operation, why: CallFailure, asked: Option<&Asked>) -> (String, Option<String>) {
    let name = &operation.name;
    match why {
        CallFailure::Engine(error) => {
            let hint = error.hint.clone().or_else(|| hint(operation, &error));
            (error.message, hint)
        }
        CallFailure::Ended(inspection) => ended(operation, &inspection),
        CallFailure::NotReady { after, .. } => {
            let message = format!("`{name}` was not ready within {} s: {}", after.as_secs(), told(asked));
            (message, Some("a slow machine may need more time: `--wait-timeout 120`".to_owned()))
        }
        CallFailure::Unhealthy { .. } => {
            let message = format!("`{name}` is not ready: its image's health check failed: {}", told(asked));
            (message, Some("check what it serves, or write another check under `healthcheck`".to_owned()))
        }
        CallFailure::Interrupted => (format!("interrupted while `{name}` was waited for"), None),
    }
}

/// What a question was, and what came of it.
fn told(asked: Option<&Asked>) -> String {
    let Some(asked) = asked else { return String::new() };
    let mut text = format!("`{}`", asked.command);
    match asked.exit_code {
        Some(code) => text.push_str(&format!(" gave exit code {code}")),
        None => text.push_str(" was never answered"),
    }
    if let Some(output) = &asked.output {
        text.push_str(&format!(" ({output})"));
    }
    text
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
        let hint = format!("give it more: `{}`", memory_key(operation));
        return (format!("`{name}` was killed because it ran out of memory"), Some(hint));
    }
    let mut message = format!("`{name}` ended with exit code {code}");
    if inspection.restarts > 0 {
        message.push_str(&format!(" and was started again {} times", inspection.restarts));
    }
    if !inspection.error.is_empty() {
        message.push_str(&format!(": {}", inspection.error));
    }
    let hint = match code {
        0 => Some("it has to go on running: give it a command that does, such as `sleep infinity`"),
        126 => Some("its command is there and cannot be run: is it a program, and for this platform?"),
        127 => Some("its command is not in the image: check its name, and the image"),
        _ => None,
    };
    (message, hint.map(str::to_owned))
}

/// Where the spec says how much memory a container may use.
fn memory_key(operation: &Operation) -> String {
    match operation.resource.name.as_str() {
        "main" => "container.memory".to_owned(),
        "buildkit" => "buildkit.resources.memory".to_owned(),
        service => format!("services.{service}.resources.memory"),
    }
}

/// Whether a network's range is the spec's own choice.
fn is_of_the_spec(labels: &BTreeMap<String, String>) -> bool {
    labels.get(label::CONFIG).is_some_and(|config| config.contains("\"subnet\":"))
}

fn hint(operation: &Operation, error: &EngineError) -> Option<String> {
    let name = &operation.name;
    if let Some(hint) = error.detail.and_then(hint_of_detail) {
        return Some(hint.to_owned());
    }
    let hint = match (&operation.action, error.fault) {

        (Action::PullImage { .. }, Fault::Pull) => {
            "check the name and the tag, that the registry can be reached from the engine, and `docker login`"
                .to_owned()
        }
        (Action::BuildImage { build }, Fault::Engine) if build.network == BuildNetwork::None => {
            "the build has no network, as the sandbox has none: if it needs one, write `network: {build: default}`"
                .to_owned()
        }
        (Action::BuildImage { .. }, Fault::Engine) => "`moat image` shows what is built".to_owned(),
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

/// Where it does not matter what was done.
fn hint_of_detail(detail: Detail) -> Option<&'static str> {
    match detail {
        Detail::MountSource => Some("make it on the engine's machine, which need not be this one, or correct the spec"),
        Detail::Privilege => Some("`moat doctor` says whether privileged containers are possible, and why not"),
        Detail::DiskFull => {
            Some("make room on the engine's machine, as with `moat cache prune` or `docker system prune`")
        }
        Detail::ImageNotFound => Some("it was removed meanwhile: `moat apply` fetches it again"),
        Detail::PullDenied | Detail::RegistryUnreachable | Detail::NoRangeLeft | Detail::NoLogs => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moat_model::resource::Limits;
    use moat_model::resource::{ContainerId, ImageRef, NetworkId, ResourceId};
    use moat_model::state::{ContainerState, Health};
    use moat_plan::operation::Grace;
    use moat_plan::{Cause, Handle};

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
        let pull = || Action::PullImage { reference: ImageRef::parse("busybox").expect("valid"), digest: None };
        let network = |subnet: Option<&str>| Action::CreateNetwork {
            labels: BTreeMap::new(),
            internal: false,
            subnet: subnet.map(|subnet| subnet.parse().expect("valid")),
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
            // A state that forbids the call is not a name that is taken.
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
