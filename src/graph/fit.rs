//! What of a spec does not fit its dependencies: findings that only show when both are seen.

use std::collections::BTreeMap;

use crate::spec::diagnostic::quoted;
use crate::spec::{Capabilities, Capability, Diagnostic, Diagnostics, Spec};

/// Everything that does not fit.
pub(super) fn misfits(spec: &Spec, chosen: &[&Capability]) -> Vec<Diagnostic> {
    let mut found = volumes(spec, chosen);
    found.extend(targets(spec, chosen));
    found.extend(user(spec, chosen));
    found
}

/// What a spec says without effect.
pub fn warnings(spec: &Spec, capabilities: &Capabilities) -> Diagnostics {
    let chosen = spec.dependencies.iter().filter_map(|dependency| capabilities.get(&dependency.value));
    let builds = chosen.into_iter().any(|capability| capability.builds.is_some());
    let mut found = Vec::new();
    if !builds && spec.places.has("buildkit") {
        let place = spec.place_of_key("buildkit");
        let finding = Diagnostic::warning(place, "`buildkit` has no effect: there is no sidecar that builds");
        found.push(finding.hint("add `docker:dind` to `dependencies`, or remove it"));
    }
    Diagnostics::new(&spec.source, found)
}

/// A volume that a dependency brings has its name already.
fn volumes(spec: &Spec, chosen: &[&Capability]) -> Vec<Diagnostic> {
    let of = |capability: &Capability| {
        let sidecars = capability.sidecars.iter().flat_map(|sidecar| &sidecar.volumes);
        sidecars.chain(&capability.main.volumes).map(|volume| volume.name.clone()).collect::<Vec<_>>()
    };
    let taken: BTreeMap<String, &str> = chosen
        .iter()
        .flat_map(|capability| of(capability).into_iter().map(|name| (name, capability.capability.as_str())))
        .collect();
    // One of a workspace has no place in the list.
    let offset = spec.volumes.len() - spec.places.items("volumes");
    let clash = |(i, volume): (usize, &crate::spec::NamedVolume)| {
        let owner = taken.get(&volume.name)?;
        let at = if i < offset { "workspace".to_owned() } else { format!("volumes.{}", i - offset) };
        let message = format!("the volume {} is one that {} brings", quoted(&volume.name), quoted(owner));
        Some(Diagnostic::error(spec.place(&at), message).hint("give it another name"))
    };
    spec.volumes.iter().enumerate().filter_map(clash).collect()
}

/// A place that a dependency needs cannot be another mount.
fn targets(spec: &Spec, chosen: &[&Capability]) -> Vec<Diagnostic> {
    let mine = spec.mounts.iter().map(|mount| &mount.target).chain(spec.volumes.iter().map(|volume| &volume.target));
    let mine: Vec<&String> = mine.collect();
    let mut found = Vec::new();
    for capability in chosen {
        for volume in capability.main.volumes.iter().filter(|volume| mine.contains(&&volume.target)) {
            let at = ["mounts", "volumes", "workspace"].into_iter().find(|key| spec.places.has(key)).unwrap_or("agent");
            let (target, name) = (quoted(&volume.target), quoted(&capability.capability));
            let message = format!("{target} is where {name} has its data");
            found.push(Diagnostic::error(spec.place(at), message).hint("choose another target"));
        }
    }
    found
}

/// What prepares a Docker of the agent's own needs root.
fn user(spec: &Spec, chosen: &[&Capability]) -> Option<Diagnostic> {
    let rooted =
        chosen.iter().find(|capability| capability.main.privileged && !capability.main.entrypoint.is_empty())?;
    let user = spec.user.as_ref().filter(|user| !["root", "0", "0:0", "root:root"].contains(&user.as_str()))?;
    let message = format!("{} starts its daemon as root, not as {}", quoted(&rooted.capability), quoted(user));
    let hint = format!("remove `user`, and run commands with `moat exec --user {user} -- …`");
    Some(Diagnostic::error(spec.place("user"), message).hint(hint))
}
