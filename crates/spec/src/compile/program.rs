//! What the main container runs, and how it is known to do its job: the spec's word together with its dependencies'.

use std::time::Duration;

use super::{health, probe};
use crate::capability::{MainPart, ProbePart};
use crate::{Spec, Wait};
use moat_model::resource::{HealthConfig, KnownFailure, Probe, RestartPolicy};

/// How a command of the user's is waited for that nobody can ask: it has to last, and its image's own check has its
/// say.
pub(super) fn lasting(restart: RestartPolicy, heeds_check: bool) -> Probe {
    Probe::Running { settle: settle(restart), check: heeds_check.then_some(TIMEOUT) }
}

/// How a sandbox is waited for that has nothing to do.
pub(super) fn idling() -> Probe {
    Probe::Idle { command: IDLE_PROOF.map(str::to_owned).to_vec(), interval: IDLE_INTERVAL, timeout: TIMEOUT }
}

/// How long a command has to last before it is taken for one that stays.
fn settle(restart: RestartPolicy) -> Duration {
    if restart == RestartPolicy::No { SETTLE } else { SETTLE_RESTARTED }
}

/// How readiness is proven, and how it is watched from then on.
pub(super) struct Readiness {
    pub health: HealthConfig,
    pub probe: Probe,
}

/// Keeps a container up that has nothing to do; its init forwards the stop.
const IDLE: [&str; 2] = ["sleep", "infinity"];

/// What shows that an image has what [`IDLE`] needs.
const IDLE_PROOF: [&str; 2] = ["sleep", "0"];

/// Between two questions whether a sandbox that idles is up.
const IDLE_INTERVAL: Duration = Duration::from_millis(50);

/// A command that is going to fail at once does so within the time that a shell takes to look for it.
const SETTLE: Duration = Duration::from_millis(300);

/// Where the engine starts again what ends, that it runs at one moment means less. A person waits for it without
/// wondering, and most of what cannot work has ended by then.
const SETTLE_RESTARTED: Duration = Duration::from_secs(2);

/// The exit code of an init, or of a shell, for a program that is not there.
const NOT_FOUND: i64 = 127;

/// Between two questions to a check of the user's: it may be a program that takes its time.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a check of the user's may say no after the start, unless the spec says so. As long as the engine's check
/// lets failures pass.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The entrypoint and the command, and whether there is nothing to do but to stay up.
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
        // The dependency's program runs what it is given, the user's own entrypoint included.
        Some(brought) => (brought, entrypoint.into_iter().chain(command).collect(), idles),
        None if idles => (IDLE.map(str::to_owned).to_vec(), command, true),
        // An entrypoint of ours is what takes the place of the image's own: the command itself, then.
        None if has_none => (command, Vec::new(), false),
        None => (entrypoint, command, false),
    }
}

/// What it means that a container ends at once that moat keeps up with a program of its image.
pub(super) fn no_sleep() -> KnownFailure {
    let message = "moat keeps an idle sandbox up with `sleep`, which the image `{image}` does not contain";
    let hint = "set `command`, or use an image with a shell and its tools";
    KnownFailure { exit: NOT_FOUND, message: message.to_owned(), hint: hint.to_owned() }
}

/// What must be proven: by a dependency, by the user's own check, or by both.
pub(super) fn readiness(spec: &Spec, parts: &[&MainPart], restart: RestartPolicy) -> Option<Readiness> {
    let brought = parts.iter().find_map(|part| part.ready.as_ref());
    let Some(own) = &spec.healthcheck else {
        return brought.map(|part| Readiness { health: health(part), probe: probe(part) });
    };
    let command = brought.map_or_else(|| own.command.clone(), |part| both(part, &own.command));
    let own_timeout = own.start_period_ms.map_or(TIMEOUT, Duration::from_millis);
    let timeout = brought.map_or(own_timeout, |part| own_timeout.max(Duration::from_secs(part.timeout)));
    let probe = Probe::Exec { command: command.clone(), interval: INTERVAL, timeout, settle: settle(restart) };
    Some(Readiness { health: HealthConfig { command, ..own.clone() }, probe })
}

/// How a service of the user's is waited for.
pub(super) fn waiting(wait: &Wait, restart: RestartPolicy) -> Probe {
    let timeout = wait.timeout_ms.map_or(TIMEOUT, Duration::from_millis);
    Probe::Exec { command: wait.command.clone(), interval: INTERVAL, timeout, settle: settle(restart) }
}

/// A command that says yes when both do. The first one's words are a capability's: they need no quotes.
fn both(first: &ProbePart, second: &[String]) -> Vec<String> {
    let script = format!("{} && exec \"$@\"", first.command.join(" "));
    ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()].into_iter().chain(second.iter().cloned()).collect()
}
