//! Checks that a spec fits its dependencies.

use std::collections::{BTreeMap, BTreeSet};

use super::{git, sources};
use crate::diagnostic::quoted;
use moat_model::resource::subnet::GATEWAY_CONTAINERS_MAX;

use crate::{Capabilities, Capability, Diagnostic, Diagnostics, Isolation, Spec, suggest};

/// All conflicts between a spec and its dependencies.
pub(super) fn conflicts(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = image(spec, chosen);
    found.extend(services(spec, chosen));
    found.extend(volumes(spec, chosen));
    found.extend(targets(spec, chosen));
    found.extend(user(spec, chosen));
    found.extend(runtime(spec, chosen));
    found.extend(sources::faults(spec, chosen));
    found.extend(read_only(spec, chosen));
    found.extend(waits(spec, chosen));
    found.extend(addresses(spec, chosen));
    found
}

/// A network with a gateway has room for a few containers.
fn addresses(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let sidecars = chosen.iter().map(|capability| capability.sidecars.len()).sum::<usize>();
    let count = 1 + sidecars + spec.services.len();
    (spec.network.egress.is_some() && count > GATEWAY_CONTAINERS_MAX).then(|| {
        let message = format!("{count} containers; a network with a policy has at most {GATEWAY_CONTAINERS_MAX}");
        Diagnostic::error(spec.place_of_key("services"), message)
            .hint("remove services, or run some of them inside with `docker:dind`")
    })
}

/// An image is either used as is or built; the settings must not mix the two.
fn image(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut fault = |at: &str, message: String, hint: &str| {
        found.push(Diagnostic::error(spec.place_of_key(at), message).hint(hint));
    };
    let installs = |capability: &&Capability| capability.install.is_some() && capability.image.is_none();
    let own = if spec.build.is_some() { "build" } else { "image" };
    let advice = if spec.build.is_some() {
        "do it in the Dockerfile"
    } else {
        "use `base_image` instead of `image`: moat builds an image on top of it"
    };
    let names_one = spec.image.is_some() || spec.build.is_some();
    if spec.image.is_some() && spec.build.is_some() {
        fault("build", "`build` and `image` cannot be combined".to_owned(), "keep one of them");
    }
    if names_one {
        let what = if spec.build.is_some() { "built from your Dockerfile" } else { "that is used as is" };
        if let Some(tool) = chosen.iter().find(installs) {
            fault(own, format!("{} cannot be installed in an image {what}", quoted(&tool.capability)), advice);
        }
        if spec.base_image.is_some() {
            fault("base_image", format!("`base_image` and `{own}` cannot be combined"), "keep one of them");
        }
        if spec.hooks.build() {
            fault("hooks", format!("build hooks cannot run in an image {what}"), advice);
        }
    } else if super::dockerfile::is_built(spec, chosen)
        && let Some(whole) = chosen.iter().find(|it| it.image.is_some() && it.install.is_none())
    {
        let message =
            format!("{} uses its own image and cannot be installed in another one", quoted(&whole.capability));
        fault("dependencies", message, "set `image` to one that contains both, or remove one of the two");
    }
    let keeps_its_own = names_one && spec.entrypoint.is_none() && spec.command.is_some();
    if spec.hooks.pre_run.is_some() && keeps_its_own && chosen.iter().all(|it| it.main.entrypoint.is_empty()) {
        fault(
            "hooks.pre_run",
            "`hooks.pre_run` would replace the image's entrypoint".to_owned(),
            "set `entrypoint` to it, such as `[tini, --]`, or to `[]` if the image has none; \
             `docker image inspect -f '{{.Config.Entrypoint}}' IMAGE` shows it",
        );
    }
    found
}

/// The names of services and their volumes must not conflict with those of dependencies and of main.
fn services(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, service) in &spec.services {
        let place = spec.place_of_key(&format!("services.{name}"));
        let brings = |capability: &&Capability| capability.sidecars.iter().any(|sidecar| sidecar.name == *name);
        if let Some(owner) = chosen.iter().find(brings) {
            let message = format!(
                "the service name {} is already used by the dependency {}",
                quoted(name),
                quoted(&owner.capability)
            );
            found.push(Diagnostic::error(place, message).hint("rename the service, or remove one of the two"));
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
            let message = format!("the name {} of its volume is already used", quoted(&volume.name));
            found.push(Diagnostic::error(place.clone(), message).hint("rename one of the two"));
        }
    }
    found
}

/// Warnings about settings without effect.
pub fn warnings(spec: &Spec, capabilities: &Capabilities) -> Diagnostics {
    let chosen = capabilities.closure(&spec.dependencies, spec.isolation);
    let builds = chosen.into_iter().any(|capability| capability.builds.is_some());
    let mut found = Vec::new();
    for key in ["buildkit", "registries"].into_iter().filter(|key| !builds && spec.places.has(key)) {
        let message = format!("`{key}` has no effect without a build sidecar");
        let finding = Diagnostic::warning(spec.place_of_key(key), message);
        found.push(finding.hint("add `docker:dind` to `dependencies`, or remove it"));
    }
    found.extend(git::warnings(spec));
    Diagnostics::new(&spec.source, found)
}

/// The names of volumes must not conflict with those of dependencies.
fn volumes(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let of = |capability: &Capability| {
        let sidecars = capability.sidecars.iter().flat_map(|sidecar| &sidecar.volumes);
        sidecars.chain(&capability.main.volumes).map(|volume| volume.name.clone()).collect::<Vec<_>>()
    };
    let taken: BTreeMap<String, &str> = chosen
        .iter()
        .flat_map(|capability| of(capability).into_iter().map(|name| (name, capability.capability.as_str())))
        .collect();
    // The volume of a workspace is not in the list of the file.
    let offset = spec.volumes.len() - spec.places.items("volumes");
    let clash = |(i, volume): (usize, &crate::NamedVolume)| {
        let owner = taken.get(&volume.name)?;
        let at = if i < offset { "workspace".to_owned() } else { format!("volumes.{}", i - offset) };
        let message =
            format!("the volume name {} is already used by the dependency {}", quoted(&volume.name), quoted(owner));
        Some(Diagnostic::error(spec.place(&at), message).hint("rename the volume"))
    };
    spec.volumes.iter().enumerate().filter_map(clash).collect()
}

/// The mounts of a spec must not hide those of a dependency.
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
            let message = format!("{target} is where {name} stores its data");
            found.push(Diagnostic::error(spec.place(at), message).hint("choose another target"));
        }
    }
    found
}

/// The start script of the agent's own Docker daemon needs root.
fn user(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let is_mapped = spec.isolation == Isolation::Mapped;
    let is_root = |it: &&Capability| (it.main.privileged || is_mapped) && !it.main.entrypoint.is_empty();
    let rooted = chosen.iter().find(is_root)?;
    let user = spec.user.as_ref().filter(|user| !["root", "0", "0:0", "root:root"].contains(&user.as_str()))?;
    let message = format!("{} starts its daemon as root, not as {}", quoted(&rooted.capability), quoted(user));
    let hint = format!("remove `user`, and run commands with `moat exec --user {user} -- …`");
    Some(Diagnostic::error(spec.place("user"), message).hint(hint))
}

/// Variants of a runtime are named like `runsc-kvm`.
fn runtime(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let runtime = spec.rights.runtime.as_ref()?;
    let is = |name: &str| runtime.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let why =
        |it: &Capability| it.main.unsupported_runtimes.iter().find(|(name, _)| is(name)).map(|(_, why)| why.clone());
    let (capability, why) = chosen.iter().find_map(|it| Some((&it.capability, why(it)?)))?;
    let message = format!("{} does not run in {}: {why}", quoted(capability), quoted(runtime));
    Some(Diagnostic::error(spec.place("container.runtime"), message).hint("remove one of the two"))
}

/// Files are written before the start, which needs a writable root filesystem.
fn read_only(spec: &Spec, chosen: &[Capability]) -> Option<Diagnostic> {
    let brings =
        chosen.iter().find(|capability| !capability.main.files.is_empty()).filter(|_| spec.rights.read_only)?;
    let message =
        format!("{} writes files into the container, which `read_only` does not allow", quoted(&brings.capability));
    let hint = "remove one of the two; for a single read-only mount, use `mode: ro`";
    Some(Diagnostic::error(spec.place_of_key("read_only"), message).hint(hint))
}

/// Dependencies of services must exist and must not form a cycle.
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
                    None => "name one of `services`, or a sidecar of a dependency".to_owned(),
                };
                found.push(Diagnostic::error(place, format!("unknown service {}", quoted(other))).hint(hint));
            } else if let Some(path) = dependency_path(spec, other, name) {
                let path = [&[name.as_str()], path.as_slice()].concat().join("` -> `");
                let message = format!("{} depends on itself: `{path}`", quoted(name));
                found.push(Diagnostic::error(place, message).hint("remove one of the `depends_on` entries"));
            }
        }
    }
    found
}

/// The path of dependencies from one service to another, if any.
fn dependency_path<'s>(spec: &'s Spec, from: &'s str, to: &str) -> Option<Vec<&'s str>> {
    let mut paths = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop() {
        let last = *path.last()?;
        if last == to {
            return Some(path);
        }
        if !seen.insert(last) {
            continue;
        }
        let next = spec.services.get(last).map(|service| service.depends_on.as_slice()).unwrap_or_default();
        paths.extend(next.iter().map(|next| [path.as_slice(), &[next.as_str()]].concat()));
    }
    None
}
