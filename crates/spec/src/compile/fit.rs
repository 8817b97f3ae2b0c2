//! What of a spec does not fit its dependencies: findings that only show when both are seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{git, sources};
use crate::diagnostic::quoted;
use crate::{Capabilities, Capability, Diagnostic, Diagnostics, Spec, suggest};

/// Everything that does not fit.
pub(super) fn misfits(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = image(spec, chosen);
    found.extend(services(spec, chosen));
    found.extend(volumes(spec, chosen));
    found.extend(targets(spec, chosen));
    found.extend(user(spec, chosen));
    found.extend(sources::faults(spec, chosen));
    found.extend(read_only(spec, chosen));
    found.extend(waits(spec, chosen));
    found
}

/// An image is either taken as it is, or made.
fn image(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut fault = |at: &str, message: String, hint: &str| {
        found.push(Diagnostic::error(spec.place_of_key(at), message).hint(hint));
    };
    let installs = |capability: &&Capability| capability.install.is_some() && capability.image.is_none();
    let own = if spec.build.is_some() { "build" } else { "image" };
    let base = if spec.build.is_some() {
        "do it in the Dockerfile"
    } else {
        "write `base_image` in place of `image`, and moat makes an image on top of it"
    };
    let names_one = spec.image.is_some() || spec.build.is_some();
    if spec.image.is_some() && spec.build.is_some() {
        fault("build", "there is an `image` as well".to_owned(), "keep one of them");
    }
    if names_one {
        if let Some(tool) = chosen.iter().find(installs) {
            let what = if spec.build.is_some() { "of your own" } else { "that is taken as it is" };
            fault(own, format!("{} is not installed in an image {what}", quoted(&tool.capability)), base);
        }
        if spec.base_image.is_some() {
            let article = if spec.build.is_some() { "a" } else { "an" };
            fault("base_image", format!("there is {article} `{own}` as well"), "keep one of them");
        }
        if spec.hooks.build() {
            let what = if spec.build.is_some() { "of your own" } else { "that is taken as it is" };
            fault("hooks", format!("an image {what} has no hooks while it is built"), base);
        }
    } else if super::dockerfile::is_made(spec, chosen)
        && let Some(whole) = chosen.iter().find(|it| it.image.is_some() && it.install.is_none())
    {
        let message = format!(
            "{} comes with an image of its own, and is not installed in one that is made",
            quoted(&whole.capability)
        );
        fault("dependencies", message, "write an `image` that has both, or remove one of the two");
    }
    let keeps_its_own = names_one && spec.entrypoint.is_none() && spec.command.is_some();
    if spec.hooks.pre_run.is_some() && keeps_its_own && chosen.iter().all(|it| it.main.entrypoint.is_empty()) {
        fault(
            "hooks.pre_run",
            "it would take the place of the image's own entrypoint".to_owned(),
            "write that out, as in `entrypoint: [tini, --]`, or `entrypoint: []` if the image has none, as \
             `docker image inspect -f '{{.Config.Entrypoint}}' IMAGE` shows",
        );
    }
    found
}

/// A container that a dependency brings has its name already, and so have the volumes of main.
fn services(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, service) in &spec.services {
        let place = spec.place_of_key(&format!("services.{name}"));
        let brings = |capability: &&Capability| capability.sidecars.iter().any(|sidecar| sidecar.name == *name);
        if let Some(owner) = chosen.iter().find(brings) {
            let message = format!("{} is one that {} brings", quoted(name), quoted(&owner.capability));
            found.push(Diagnostic::error(place, message).hint("give it another name, or remove one of the two"));
            continue;
        }
        let brought = chosen.iter().flat_map(|capability| &capability.sidecars).flat_map(|sidecar| &sidecar.volumes);
        let own = chosen.iter().flat_map(|capability| &capability.main.volumes);
        let others = spec.services.iter().filter(|(other, _)| *other < name).flat_map(|(_, other)| &other.volumes);
        let taken: Vec<&String> = brought
            .chain(own)
            .map(|volume| &volume.name)
            .chain(spec.volumes.iter().chain(others).map(|volume| &volume.name))
            .collect();
        for volume in service.volumes.iter().filter(|volume| taken.contains(&&volume.name)) {
            let message = format!("its volume would be called {}, as another one is", quoted(&volume.name));
            found.push(Diagnostic::error(place.clone(), message).hint("give one of the two another name"));
        }
    }
    found
}

/// What a spec says without effect.
pub fn warnings(spec: &Spec, capabilities: &Capabilities) -> Diagnostics {
    let chosen = spec.dependencies.iter().filter_map(|dependency| capabilities.resolve(&dependency.value).ok());
    let builds = chosen.into_iter().any(|capability| capability.builds.is_some());
    let mut found = Vec::new();
    if !builds && spec.places.has("buildkit") {
        let place = spec.place_of_key("buildkit");
        let finding = Diagnostic::warning(place, "`buildkit` has no effect: there is no sidecar that builds");
        found.push(finding.hint("add `docker:dind` to `dependencies`, or remove it"));
    }
    found.extend(git::warnings(spec));
    Diagnostics::new(&spec.source, found)
}

/// A volume that a dependency brings has its name already.
fn volumes(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
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
    let clash = |(i, volume): (usize, &crate::NamedVolume)| {
        let owner = taken.get(&volume.name)?;
        let at = if i < offset { "workspace".to_owned() } else { format!("volumes.{}", i - offset) };
        let message = format!("the volume {} is one that {} brings", quoted(&volume.name), quoted(owner));
        Some(Diagnostic::error(spec.place(&at), message).hint("give it another name"))
    };
    spec.volumes.iter().enumerate().filter_map(clash).collect()
}

/// A place that a dependency needs cannot be another mount.
fn targets(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mine = spec.mounts.iter().map(|mount| &mount.target).chain(spec.volumes.iter().map(|volume| &volume.target));
    let mine: Vec<&String> = mine.collect();
    let mut found = Vec::new();
    for capability in chosen {
        let brought = capability.main.volumes.iter().map(|volume| &volume.target);
        let brought = brought.chain(capability.main.mounts.iter().map(|mount| &mount.target));
        for target in brought.filter(|target| mine.contains(target)) {
            let at = ["mounts", "volumes", "workspace"].into_iter().find(|key| spec.places.has(key)).unwrap_or("agent");
            let (target, name) = (quoted(target), quoted(&capability.capability));
            let message = format!("{target} is where {name} has its data");
            found.push(Diagnostic::error(spec.place(at), message).hint("choose another target"));
        }
    }
    found
}

/// What prepares a Docker of the agent's own needs root.
fn user(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let rooted =
        chosen.iter().find(|capability| capability.main.privileged && !capability.main.entrypoint.is_empty())?;
    let user = spec.user.as_ref().filter(|user| !["root", "0", "0:0", "root:root"].contains(&user.as_str()))?;
    let message = format!("{} starts its daemon as root, not as {}", quoted(&rooted.capability), quoted(user));
    let hint = format!("remove `user`, and run commands with `moat exec --user {user} -- …`");
    Some(Diagnostic::error(spec.place("user"), message).hint(hint))
}

/// Files are put in before the start, which takes a root that can be written.
fn read_only(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let brings =
        chosen.iter().find(|capability| !capability.main.files.is_empty()).filter(|_| spec.rights.read_only)?;
    let message = format!("{} puts files into the container, which cannot be read only", quoted(&brings.capability));
    let hint = "remove one of the two; a mount can be read only by itself: `mode: ro`";
    Some(Diagnostic::error(spec.place_of_key("read_only"), message).hint(hint))
}

/// What services wait for is there, and does not wait for them.
fn waits(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let brought = chosen.iter().flat_map(|capability| &capability.sidecars).map(|sidecar| sidecar.name.as_str());
    let known: Vec<&str> = spec.services.keys().map(String::as_str).chain(brought).collect();
    let mut found = Vec::new();
    for (name, service) in &spec.services {
        for (i, other) in service.depends_on.iter().enumerate() {
            let place = spec.place(&format!("services.{name}.depends_on.{i}"));
            if !known.contains(&other.as_str()) {
                let hint = match suggest(other, known.iter().copied().filter(|it| it != name)) {
                    Some(like) => format!("did you mean `{like}`?"),
                    None => "name one of `services`, or one that a dependency brings".to_owned(),
                };
                found.push(Diagnostic::error(place, format!("there is no service {}", quoted(other))).hint(hint));
            } else if let Some(way) = way_back(spec, other, name) {
                let way = [&[name.as_str()], way.as_slice()].concat().join("` -> `");
                let message = format!("{} waits for itself: `{way}`", quoted(name));
                found.push(Diagnostic::error(place, message).hint("remove one of the `depends_on`"));
            }
        }
    }
    found
}

/// From one service to another along what they wait for.
fn way_back<'s>(spec: &'s Spec, from: &'s str, to: &str) -> Option<Vec<&'s str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        if !seen.insert(last) {
            continue;
        }
        let next = spec.services.get(last).map(|service| service.depends_on.as_slice()).unwrap_or_default();
        ways.extend(next.iter().map(|next| [way.as_slice(), &[next.as_str()]].concat()));
    }
    None
}
