//! Checks that a spec fits its isolation.
//!
//! A container without the engine's protection of system paths must not run as the host's root: the kernel would let it
//! change how the host runs programs, whatever its capabilities are.

use crate::diagnostic::quoted;
use crate::{Capabilities, Capability, Diagnostic, Isolation, Spec};
use moat_model::graph::Node;
use moat_model::resource::{Config, ImageRef, MountSource};

/// Whether a spec that says nothing about isolation could have it: some container is privileged only without.
pub fn could_be_rootless(spec: &Spec, capabilities: &Capabilities) -> bool {
    let resolve = |isolation: Isolation| -> Vec<Capability> {
        let all = spec.dependencies.iter().filter_map(|it| capabilities.resolve_for(&it.value, isolation).ok());
        all.collect()
    };
    let (plain, rootless) = (resolve(Isolation::Privileged), resolve(Isolation::Rootless));
    let is_privileged = |it: &Capability| it.main.privileged || it.sidecars.iter().any(|sidecar| sidecar.privileged);
    !spec.places.has("isolation") && plain.iter().any(is_privileged) && !rootless.iter().any(is_privileged)
}

/// Whether a dependency of a spec has another form for its isolation.
pub(super) fn has_variant(spec: &Spec, capabilities: &Capabilities) -> bool {
    let all = capabilities.closure(&spec.dependencies, spec.isolation);
    all.iter().any(|it| capabilities.has_variant(&it.capability, spec.isolation))
}

/// The isolation of the spec, and the result of `auto`.
pub(super) fn words(spec: &Spec) -> String {
    match &spec.auto {
        Some(_) => format!("`isolation: auto` ({})", spec.isolation),
        None => format!("`isolation: {}`", spec.isolation),
    }
}

/// All conflicts between a spec and its isolation.
pub(super) fn faults(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let variant = chosen.iter().find_map(|it| Some((it, it.main.user.as_deref()?)));
    let Some((capability, user)) = variant else { return Vec::new() };
    // The engine may make another choice.
    if spec.auto.as_ref().is_some_and(|auto| auto.reason.is_none()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(user_of_main(spec, capability, user));
    found.extend(workspace(spec, user));
    found.extend(images(spec, capability));
    found
}

/// Containers that would run as root without the protection of system paths.
pub(super) fn unprotected(spec: &Spec, nodes: &[Node]) -> Vec<Diagnostic> {
    // Only on an engine that maps users, which is checked where it is known.
    if spec.isolation == Isolation::Mapped {
        return Vec::new();
    }
    let fault = |node: &Node| {
        let Config::Container(config) = &node.config else { return None };
        if !config.opens_host() {
            return None;
        }
        let name = quoted(&node.id.to_string());
        let message = format!("{name} would run as root without masked system paths, with access to the Docker host");
        let hint = "set a number other than 0 as its `user` in the capability, or remove `systempaths=unconfined`";
        Some(Diagnostic::error(spec.place("dependencies"), message).hint(hint))
    };
    nodes.iter().filter_map(fault).collect()
}

/// The daemon runs as the user for whom the image is made.
fn user_of_main(spec: &Spec, capability: &Capability, user: &str) -> Option<Diagnostic> {
    let other = spec.user.as_ref().filter(|own| own.split(':').next() != Some(user))?;
    let message = format!("{} runs as the user {user} here, not as {}", quoted(&capability.capability), quoted(other));
    let hint = format!("remove `user`, or {}", words(spec));
    Some(Diagnostic::error(spec.place("user"), message).hint(hint))
}

/// Main must be able to write in its workspace.
fn workspace(spec: &Spec, user: &str) -> Option<Diagnostic> {
    let mount = spec.workspace().filter(|mount| !mount.read_only)?;
    let owner = spec.owner.filter(|owner| owner.to_string() != user)?;
    let MountSource::Path(path) = &mount.source else { return None };
    let message = format!("the workspace belongs to the user {owner}, and main runs as {user}");
    let own = if spec.build.is_some() { "build" } else { "image" };
    let names_one = spec.image.is_some() || spec.build.is_some();
    // In an image of moat's own, main runs as the owner.
    let remedy = if names_one && owner != 0 { format!("remove `{own}`, ") } else { String::new() };
    let hint = format!("{remedy}run `sudo chown -R {user} {path}`, or set `workspace: {{mode: volume}}`");
    Some(Diagnostic::error(spec.place("workspace"), message).hint(hint))
}

/// Images of the same repositories that are not made for the isolation.
fn images(spec: &Spec, capability: &Capability) -> Vec<Diagnostic> {
    let Some(suffix) = &capability.tag_suffix else { return Vec::new() };
    let builds = capability.builds.as_ref().map(|builds| builds.sidecar.as_str());
    let sidecar = capability.sidecars.iter().find(|it| Some(it.name.as_str()) == builds).map(|it| &it.image);
    let named = [
        ("image", spec.image.as_ref(), capability.image.as_ref()),
        ("buildkit.image", spec.buildkit.image.as_ref(), sidecar),
    ];
    let fault = |(at, own, default): (&str, Option<&ImageRef>, Option<&ImageRef>)| {
        let (own, default) = (own?, default?);
        let (repository, tag) = own.repository_and_tag();
        // What a digest means cannot be seen.
        let fits = tag.ends_with(suffix.as_str()) || tag.starts_with("sha256:");
        if repository != default.repository_and_tag().0 || fits {
            return None;
        }
        let message = format!("the image {} is not made for {}", quoted(own.as_str()), words(spec));
        let hint = format!("use {}, or remove `{at}`", quoted(&format!("{own}{suffix}")));
        Some(Diagnostic::error(spec.place(at), message).hint(hint))
    };
    named.into_iter().filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use crate::{Capabilities, Source, agent, compile};

    /// The errors of a spec that depends on a capability of the user's own, with this text for main and a sidecar.
    fn errors(main: &str, sidecar: &str) -> String {
        let text = format!(
            "capability: own\nsummary: own\nimage: busybox\nmain: {{{main}}}\n\
             sidecars: [{{name: side, image: busybox, {sidecar}}}]\n"
        );
        let mut capabilities = Capabilities::builtin();
        capabilities.add(&Source::new("specs/own.yaml", "/specs/own.yaml", text)).expect("a capability");
        let source = Source::new("agent.yaml", "/agent.yaml", "agent: a\ndependencies: [own]\n");
        let spec = agent::parse(source).expect("a spec");
        compile::compile(&spec, &capabilities).map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    #[test]
    fn a_hint_needs_privileged_containers_and_no_choice() {
        let capabilities = Capabilities::builtin();
        for (text, expected) in [
            ("dependencies: [docker:dind]", true),
            ("image: docker:dind\ndependencies: [docker:dind]", true),
            ("isolation: privileged\ndependencies: [docker:dind]", false),
            ("isolation: rootless\ndependencies: [docker:dind]", false),
            ("dependencies: [docker:dind, git]", true),
            ("dependencies: [postgres]\nimage: busybox", false),
        ] {
            let source = Source::new("agent.yaml", "/agent.yaml", format!("agent: a\n{text}\n"));
            let spec = agent::parse(source).expect("a spec");
            assert_eq!(super::could_be_rootless(&spec, &capabilities), expected, "{text}");
        }
    }

    #[test]
    fn root_without_masked_system_paths_is_refused() {
        let open = "rights: {security_opt: [systempaths=unconfined]}";
        for user in ["", ", user: root", ", user: '0'", ", user: '00:5'", ", user: someone"] {
            let refused = errors(&format!("{open}{user}"), "init: true");
            assert!(
                refused.contains("`container/main` would run as root without masked system paths"),
                "{user}: {refused}"
            );
            let refused = errors("init: true", &format!("{open}{user}"));
            assert!(
                refused.contains("`container/side` would run as root without masked system paths"),
                "{user}: {refused}"
            );
        }
        let user = format!("{open}, user: '1000:0'");
        assert_eq!(errors(&user, &user), "");
        assert_eq!(errors("rights: {security_opt: [seccomp=unconfined]}", "init: true"), "");
    }
}
