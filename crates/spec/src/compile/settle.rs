//! Chooses the isolation of a spec for an engine, and refuses one that the engine does not support.
//!
//! A pure function of the spec and of what the engine says about users, neither of which changes between two plans. Never
//! chooses `privileged`.

use super::isolated::{self, words};
use crate::diagnostic::quoted;
use crate::isolation::Auto;
use crate::{Capabilities, Diagnostic, Diagnostics, Isolation, Spec};
use moat_model::resource::MountSource;

/// What a Docker host gives to containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    pub users: Users,
    /// The uid of a container's root on the host, as far as it is known.
    pub root: Option<u32>,
    /// Such as `6.12.1-amd64`; empty: unknown.
    pub kernel: String,
    /// Why users cannot make user namespaces, as far as it is known.
    pub obstacle: Option<Obstacle>,
    /// The names of the engine's runtimes; empty: unknown.
    pub runtimes: Vec<String>,
}

/// The users of the host that those of a container are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Users {
    /// The same: root is root on the host.
    #[default]
    Same,
    /// Others, by `userns-remap`.
    Remapped,
    /// Others, since the engine itself is rootless.
    Rootless,
}

/// A setting of a host that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub message: String,
    pub hint: String,
}

/// The oldest kernel where a user namespace can mount overlay filesystems.
const KERNEL_MIN: (u32, u32) = (5, 11);

/// Whether the isolation of a spec depends on the engine.
pub fn needs_host(spec: &Spec) -> bool {
    spec.isolation != Isolation::Privileged || spec.auto.is_some() || spec.rights.runtime.is_some()
}

/// Chooses the isolation of a spec.
///
/// # Errors
/// If the engine cannot carry the isolation that the spec names, or none at all.
pub fn settle(spec: &mut Spec, capabilities: &Capabilities, host: &Host) -> Result<(), Diagnostics> {
    if spec.auto.is_some() {
        // Each engine can carry one of them: where it maps users, a container has none left for namespaces of its own.
        spec.isolation = if host.users == Users::Same { Isolation::Rootless } else { Isolation::Mapped };
        spec.auto = Some(Auto { reason: Some(reason(host)) });
    }
    if let Some(fault) = runtime(spec, host) {
        return Err(Diagnostics::new(&spec.source, vec![fault]));
    }
    // A capability of the user's own may need what `mapped` promises, even without a variant.
    if spec.isolation != Isolation::Mapped && !isolated::has_variant(spec, capabilities) {
        return Ok(());
    }
    let mut faults: Vec<Diagnostic> = fault(spec, host).into_iter().collect();
    faults.extend(workspace(spec, host));
    if faults.is_empty() { Ok(()) } else { Err(Diagnostics::new(&spec.source, faults)) }
}

fn reason(host: &Host) -> String {
    match host.users {
        Users::Same => "the engine does not map users".to_owned(),
        Users::Remapped => "the engine maps users (`userns-remap`)".to_owned(),
        Users::Rootless => "the engine is rootless".to_owned(),
    }
}

/// Why the host cannot carry the isolation.
fn fault(spec: &Spec, host: &Host) -> Option<Diagnostic> {
    let name = words(spec);
    let at = spec.place("isolation");
    let error = |message: String, hint: String| Some(Diagnostic::error(at.clone(), message).hint(hint));
    match (spec.isolation, host.users) {
        (Isolation::Mapped, Users::Same) => error(
            format!("{name} needs an engine that maps users, and this one does not"),
            "use `isolation: rootless`; or set `userns-remap` in the engine's daemon.json".to_owned(),
        ),
        (Isolation::Rootless, Users::Remapped | Users::Rootless) => error(
            format!("{name} does not work here: {}, so no users are left for namespaces inside", reason(host)),
            "use `isolation: mapped`, or `auto`".to_owned(),
        ),
        (Isolation::Rootless, Users::Same) => {
            if let Some(Obstacle { message, hint }) = &host.obstacle {
                return error(format!("{name} does not work here: {message}"), hint.clone());
            }
            // Some distributions have it in older ones. A spec that names the isolation has them.
            let old = version(&host.kernel).filter(|it| spec.auto.is_some() && *it < KERNEL_MIN);
            old.and_then(|_| {
                error(
                    format!("{name} does not work here: the kernel is {}, and 5.11 or newer is needed", host.kernel),
                    "use a newer kernel; if yours mounts overlay in user namespaces, write `isolation: rootless`"
                        .to_owned(),
                )
            })
        }
        _ => None,
    }
}

/// The engine must have the runtime.
fn runtime(spec: &Spec, host: &Host) -> Option<Diagnostic> {
    let wanted = spec.rights.runtime.as_ref()?;
    if host.runtimes.is_empty() || host.runtimes.contains(wanted) {
        return None;
    }
    let has: Vec<String> = host.runtimes.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("the engine has no runtime {}", quoted(wanted));
    let hint = format!("it has {}; others are set under `runtimes` in the engine's daemon.json", has.join(", "));
    Some(Diagnostic::error(spec.place("container.runtime"), message).hint(hint))
}

/// The first two numbers of a release.
fn version(kernel: &str) -> Option<(u32, u32)> {
    let mut numbers = kernel.split(|it: char| !it.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Under `mapped`, main writes as the user that its root is on the host.
fn workspace(spec: &Spec, host: &Host) -> Option<Diagnostic> {
    let mount = spec.workspace().filter(|mount| spec.isolation == Isolation::Mapped && !mount.read_only)?;
    let (owner, root) = spec.owner.zip(host.root).filter(|(owner, root)| owner != root)?;
    let MountSource::Path(path) = &mount.source else { return None };
    let message = format!("the workspace belongs to the user {owner}, and root in main is the user {root} here");
    let hint = format!("run `sudo chown -R {root} {path}`, or set `workspace: {{mode: volume}}`");
    Some(Diagnostic::error(spec.place("workspace"), message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, agent};

    fn settled(text: &str, host: &Host) -> Result<(Isolation, String), String> {
        let source = Source::new("agent.yaml", "/agent.yaml", format!("agent: a\n{text}\n"));
        let mut spec = agent::parse(source).expect("a spec");
        let capabilities = Capabilities::builtin();
        let text = |faults: Diagnostics| {
            let all = faults.items.into_iter().map(|it| format!("{}: {}\n", it.message, it.hint.unwrap_or_default()));
            all.collect::<String>()
        };
        settle(&mut spec, &capabilities, host).map_err(text)?;
        super::super::compile(&spec, &capabilities).map_err(text)?;
        Ok((spec.isolation, spec.auto.and_then(|auto| auto.reason).unwrap_or_default()))
    }

    fn host(users: Users) -> Host {
        Host { users, kernel: "6.1.0-1".to_owned(), ..Host::default() }
    }

    const DIND: &str = "dependencies: [docker:dind]";

    #[test]
    fn auto_follows_the_engine_and_is_never_privileged() {
        for (image, users, expected) in [
            ("", Users::Same, Ok(Isolation::Rootless)),
            ("", Users::Remapped, Ok(Isolation::Mapped)),
            ("", Users::Rootless, Ok(Isolation::Mapped)),
            ("image: docker:dind-rootless\n", Users::Same, Ok(Isolation::Rootless)),
            ("image: docker:dind\n", Users::Remapped, Ok(Isolation::Mapped)),
            ("image: docker:dind\n", Users::Same, Err("use `docker:dind-rootless`, or remove `image`")),
            ("hooks: {post_build: 'true'}\n", Users::Same, Ok(Isolation::Rootless)),
        ] {
            let found = settled(&format!("{image}isolation: auto\n{DIND}"), &host(users));
            match (found, expected) {
                (Ok((found, _)), Ok(expected)) => assert_eq!(found, expected, "{image}{users:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{image}{users:?}: {found}"),
                (found, expected) => panic!("{image}{users:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn unsupported_isolations_are_refused() {
        let message = "the kernel allows no user namespaces".to_owned();
        let closed = Host { obstacle: Some(Obstacle { message, hint: "change it".to_owned() }), ..host(Users::Same) };
        let old = Host { kernel: "5.10.0-8-amd64".to_owned(), ..host(Users::Same) };
        for (isolation, host, expected) in [
            ("mapped", host(Users::Same), "`isolation: mapped` needs an engine that maps users"),
            ("rootless", host(Users::Remapped), "use `isolation: mapped`, or `auto`"),
            ("rootless", host(Users::Rootless), "the engine is rootless, so no users are left"),
            ("rootless", closed.clone(), "the kernel allows no user namespaces"),
            ("auto", closed, "`isolation: auto` (rootless) does not work here: the kernel allows no"),
            ("auto", old.clone(), "5.11 or newer is needed"),
        ] {
            let found = settled(&format!("isolation: {isolation}\n{DIND}"), &host).expect_err(isolation);
            assert!(found.contains(expected), "{isolation}: {found}");
        }
        assert!(settled(&format!("isolation: rootless\n{DIND}"), &old).is_ok());
        // Without a daemon there is nothing to isolate.
        assert!(settled("isolation: auto\nimage: busybox", &old).is_ok());
    }

    #[test]
    fn a_runtime_must_be_one_of_the_engines() {
        let runtimes = vec!["runc".to_owned(), "runsc".to_owned()];
        let (known, unknown) = (Host { runtimes, ..host(Users::Same) }, host(Users::Same));
        let plain = |name: &str| format!("image: busybox\ncontainer: {{runtime: {name}}}");
        assert!(settled(&plain("runsc"), &known).is_ok());
        assert!(settled(&plain("kata"), &unknown).is_ok());
        let found = settled(&plain("kata"), &known).expect_err("not there");
        assert!(found.contains("the engine has no runtime `kata`: it has `runc`, `runsc`"), "{found}");
        let found = settled(&format!("{}\n{DIND}", plain("runsc-kvm")), &unknown).expect_err("no gVisor");
        assert!(found.contains("`docker:dind` does not run in `runsc-kvm`"), "{found}");
    }

    #[test]
    fn a_kernel_has_two_numbers() {
        for (text, expected) in
            [("6.18.44-fc", Some((6, 18))), ("5.11", Some((5, 11))), ("5.4.0-1", Some((5, 4))), ("", None), ("6", None)]
        {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
