//! The program of the main container and its readiness, from the spec and its dependencies.

use std::time::Duration;

use super::{health, probe};
use crate::capability::{Capability, MainPart, ProbePart};
use crate::{Spec, Wait};
use moat_model::resource::{HealthConfig, KnownFailure, Probe, RestartPolicy};

/// The probe of a command without a health check: it must keep running, and the image's own check applies.
pub(super) fn running_probe(restart: RestartPolicy, has_check: bool) -> Probe {
    Probe::Running { settle: settle(restart), check: has_check.then_some(TIMEOUT) }
}

/// The probe of an idle sandbox.
pub(super) fn idle_probe() -> Probe {
    Probe::Idle { command: IDLE_PROOF.map(str::to_owned).to_vec(), interval: IDLE_INTERVAL, timeout: TIMEOUT }
}

/// How long a command must run before it counts as ready.
fn settle(restart: RestartPolicy) -> Duration {
    if restart == RestartPolicy::No { SETTLE } else { SETTLE_RESTARTED }
}

/// The readiness probe, and the health check from then on.
pub(super) struct Readiness {
    pub health: HealthConfig,
    pub probe: Probe,
}

/// Keeps an idle container up; its init forwards the stop signal.
const IDLE: [&str; 2] = ["sleep", "infinity"];

/// Proves that an image has the program of [`IDLE`].
const IDLE_PROOF: [&str; 2] = ["sleep", "0"];

/// The interval of the probe of an idle sandbox.
const IDLE_INTERVAL: Duration = Duration::from_millis(50);

/// A command that fails at once does so within the time that a shell takes to look it up.
const SETTLE: Duration = Duration::from_millis(300);

/// If the engine restarts the command, running at one moment means less. People accept this wait, and most broken
/// commands have exited by then.
const SETTLE_RESTARTED: Duration = Duration::from_secs(2);

/// The exit code of an init or a shell for a missing program.
const NOT_FOUND: i64 = 127;

/// The interval of a user's check, which may be slow.
const INTERVAL: Duration = Duration::from_millis(250);

/// The default time for a user's check to succeed after the start. Matches the start period of the engine's health
/// check.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The entrypoint, the command, and whether the container only idles.
pub(super) fn program(spec: &Spec, parts: &[&MainPart]) -> (Vec<String>, Vec<String>, bool) {
    let (entrypoint, command, idles) = plain(spec, parts);
    let Some(script) = &spec.hooks.pre_run else { return (entrypoint, command, idles) };
    let first = ["sh".to_owned(), "-ec".to_owned(), format!("{script}\nexec \"$@\""), "sh".to_owned()];
    (first.into(), entrypoint.into_iter().chain(command).collect(), idles)
}

fn plain(spec: &Spec, parts: &[&MainPart]) -> (Vec<String>, Vec<String>, bool) {
    let brought = parts.iter().map(|part| &part.entrypoint).find(|it| !it.is_empty()).cloned();
    let entrypoint = spec.entrypoint.clone().unwrap_or_default();
    let command = spec.command.clone().unwrap_or_default();
    let idles = spec.command.is_none() && entrypoint.is_empty();
    let has_none = spec.entrypoint.is_some() && entrypoint.is_empty();
    match brought {
        // The dependency's program runs its arguments, including the user's entrypoint.
        Some(brought) => (brought, entrypoint.into_iter().chain(command).collect(), idles),
        None if idles => (IDLE.map(str::to_owned).to_vec(), command, true),
        // Only another entrypoint replaces that of the image, so the command becomes the entrypoint.
        None if has_none => (command, Vec::new(), false),
        None => (entrypoint, command, false),
    }
}

/// The capability whose entrypoint runs the command of main, and can delay it; `None` if other commands run before.
pub(super) fn holder<'a>(spec: &Spec, chosen: &'a [Capability]) -> Option<&'a str> {
    let first = chosen.iter().find(|it| !it.main.entrypoint.is_empty());
    first.filter(|_| spec.hooks.pre_run.is_none()).map(|it| it.capability.as_str())
}

/// The failure of an idle container whose image has no `sleep`.
pub(super) fn no_sleep() -> KnownFailure {
    let message = "moat keeps an idle sandbox running with `sleep`, which the image `{image}` does not contain";
    let hint = "set `command`, or use an image with a shell and its tools";
    KnownFailure { exit: NOT_FOUND, message: message.to_owned(), hint: hint.to_owned() }
}

/// Readiness as defined by a dependency, the user's check, or both.
pub(super) fn readiness(spec: &Spec, parts: &[&MainPart], restart: RestartPolicy) -> Option<Readiness> {
    let brought = parts.iter().find_map(|part| part.ready.as_ref());
    let Some(own) = &spec.healthcheck else {
        return brought.map(|part| Readiness { health: health(part), probe: probe(part) });
    };
    let command = brought.map_or_else(|| own.command.clone(), |part| check_both(part, &own.command));
    let own_timeout = own.start_period_ms.map_or(TIMEOUT, Duration::from_millis);
    let timeout = brought.map_or(own_timeout, |part| own_timeout.max(Duration::from_secs(part.timeout)));
    let probe = Probe::Exec { command: command.clone(), interval: INTERVAL, timeout, settle: settle(restart) };
    Some(Readiness { health: HealthConfig { command, ..own.clone() }, probe })
}

/// The probe of a user's service.
pub(super) fn service_probe(wait: &Wait, restart: RestartPolicy) -> Probe {
    let timeout = wait.timeout_ms.map_or(TIMEOUT, Duration::from_millis);
    Probe::Exec { command: wait.command.clone(), interval: INTERVAL, timeout, settle: settle(restart) }
}

/// A command that succeeds when both do. The first is from a capability and needs no quoting.
fn check_both(first: &ProbePart, second: &[String]) -> Vec<String> {
    let script = format!("{} && exec \"$@\"", first.command.join(" "));
    ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()].into_iter().chain(second.iter().cloned()).collect()
}
