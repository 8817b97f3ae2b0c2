//! The Dockerfile of an image that moat makes: what the dependencies need, on one base.
//!
//! Pure text. The same spec gives the same file, byte for byte, and the file's digest is the image's tag: nothing is
//! built again without a cause, and a cause is seen in `moat image`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::capability::Install;
use crate::{Build, Capability, Hooks, Spec};
use moat_model::resource::digest::short_sha256;
use moat_model::resource::{AgentName, BuildContext, ImageRef};

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    pub text: String,
    /// By what the image is known: `moat/AGENT:DIGEST`.
    pub reference: ImageRef,
    /// The files beside it, where it is the user's own.
    pub context: Option<BuildContext>,
}

/// Where no runtime has a base of its own.
const DEBIAN: &str = "debian:trixie-slim";

/// The user that the agent works as.
pub const USER: &str = "agent";

/// Of the user, where there is no workspace whose owner it could have. As Debian gives to the first person.
const UID: u32 = 1000;

/// Enough to tell the images of one agent apart. In hexadecimal digits.
const TAG_LEN: usize = 12;

/// Whether the main container's image is made by moat: where the spec names none, and something is to be installed
/// that brings none.
pub(super) fn is_made(spec: &Spec, chosen: &[Capability]) -> bool {
    let installs = |capability: &Capability| capability.install.is_some() && capability.image.is_none();
    let names_one = spec.image.is_some() || spec.build.is_some();
    !names_one && (spec.base_image.is_some() || spec.hooks.build() || chosen.iter().any(installs))
}

/// The Dockerfile for a spec and what it depends on.
pub(super) fn dockerfile(spec: &Spec, chosen: &[Capability]) -> Dockerfile {
    let mut installs: Vec<(&str, &Install)> =
        chosen.iter().filter_map(|it| Some((it.capability.as_str(), it.install.as_ref()?))).collect();
    let of_runtime = installs.iter().find_map(|(name, install)| Some((*name, install.base.as_ref()?)));
    let (based_on, base) = match (&spec.base_image, of_runtime) {
        (Some(image), _) => (None, image.to_string()),
        (None, Some((name, image))) => (Some(name), image.to_string()),
        (None, None) => (None, DEBIAN.to_owned()),
    };
    // From here on the order in which they were written says nothing, and should not make another image.
    installs.sort_by_key(|(name, _)| *name);
    let mut text = String::from("# Made by moat from the dependencies of the spec; `moat image` shows it.\n");
    line(&mut text, &format!("FROM {base}"));
    // What asks questions would wait for an answer for ever.
    line(&mut text, "ARG DEBIAN_FRONTEND=noninteractive");
    let packages: BTreeSet<&str> =
        installs.iter().flat_map(|(_, install)| &install.packages).map(String::as_str).collect();
    packages_of(&mut text, &packages);
    for (name, install) in &installs {
        others(&mut text, install, based_on != Some(*name));
    }
    let env: BTreeMap<&String, &String> = installs.iter().flat_map(|(_, install)| &install.env).collect();
    for (name, value) in env {
        line(&mut text, &format!("ENV {name}={}", json(value)));
    }
    user(&mut text, spec.owner.filter(|uid| *uid != 0).unwrap_or(UID));
    let groups: BTreeSet<&str> = installs.iter().flat_map(|(_, install)| &install.groups).map(String::as_str).collect();
    for group in groups {
        run(&mut text, &format!("groupadd --force --system {group} && usermod --append --groups {group} {USER}"));
    }
    folders(&mut text, spec);
    if packages.contains("git") {
        trust(&mut text, spec);
    }
    for check in installs.iter().filter_map(|(_, install)| install.check.as_ref()) {
        run(&mut text, check);
    }
    hooks(&mut text, &spec.hooks, chosen);
    // Whatever the base runs before a command is about something else.
    line(&mut text, "ENTRYPOINT []");
    line(&mut text, "CMD [\"sleep\", \"infinity\"]");
    let reference = reference(&spec.agent, &text);
    Dockerfile { text, reference, context: None }
}

/// The user's own. Its tag is a digest of all that the image is made of, whether that is in the text or in a file.
pub(super) fn own(agent: &AgentName, build: &Build) -> Dockerfile {
    let Build { context: folder, without, dockerfile, text, target, args, digest } = build.clone();
    // Until somebody has looked, it is a name that no image has.
    let digest = digest.unwrap_or_default();
    let all = serde_json::json!([text, target, args, digest]).to_string();
    let reference = reference(agent, &all);
    Dockerfile { text, reference, context: Some(BuildContext { folder, without, dockerfile, target, args, digest }) }
}

/// The agent's user. The base may have one of that number already, as the image of Node.js has, and a number has one
/// name and one home: that user becomes the agent.
fn user(text: &mut String, uid: u32) {
    let taken_over = format!(
        "usermod --login {USER} --home /home/{USER} --shell /bin/bash \"$other\" && cp -a /etc/skel /home/{USER} && \
         chown -R \"{uid}:$(id -g {uid})\" /home/{USER}"
    );
    let add = format!("useradd --create-home --uid {uid} --shell /bin/bash {USER}");
    let script = format!("if other=$(id -nu {uid} 2>/dev/null); then {taken_over}; else {add}; fi");
    run(text, &format!("id {USER} >/dev/null 2>&1 || {script}"));
}

/// The places of volumes, which belong to whoever works there: an empty volume takes over the owner of what it is mounted
/// on.
fn folders(text: &mut String, spec: &Spec) {
    let home = Path::new("/home").join(USER);
    let own = |target: &String| {
        // What lies on the way in the home directory is the user's as well.
        let way = Path::new(target).ancestors().filter(|it| it.starts_with(&home) && **it != home);
        way.map(Path::to_owned).chain([PathBuf::from(target)]).collect::<Vec<_>>()
    };
    let folders: BTreeSet<PathBuf> = spec.volumes.iter().flat_map(|volume| own(&volume.target)).collect();
    let owner = spec.user.as_deref().unwrap_or(USER);
    if folders.is_empty() || matches!(owner.split(':').next(), Some("root" | "0")) {
        return;
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let all = folders.iter().map(|folder| quoted(&folder.to_string_lossy())).collect::<Vec<_>>().join(" ");
    run(text, &format!("mkdir -p {all} && chown {} {all}", quoted(owner)));
}

/// Git works in the workspace whoever it belongs to.
fn trust(text: &mut String, spec: &Spec) {
    let volume = || spec.places.has("workspace").then(|| spec.volumes.first()).flatten().map(|it| &it.target);
    let Some(target) = spec.workspace().map(|mount| &mount.target).or_else(volume) else { return };
    let all = [target.clone(), format!("{target}/*")];
    let add = all.map(|it| format!("git config --system --add safe.directory '{}'", it.replace('\'', r"'\''")));
    run(text, &add.join(" && "));
}

fn packages_of(text: &mut String, packages: &BTreeSet<&str>) {
    if packages.is_empty() {
        return;
    }
    let names = packages.iter().copied().collect::<Vec<_>>().join(" ");
    run(
        text,
        &format!(
            "apt-get update && apt-get install --yes --no-install-recommends {names} && rm -rf /var/lib/apt/lists/*"
        ),
    );
}

/// What comes out of other images, and the steps of its own.
fn others(text: &mut String, install: &Install, is_extra: bool) {
    if let (true, Some(image)) = (is_extra, install.from.as_ref().or(install.base.as_ref())) {
        for path in &install.paths {
            line(text, &format!("COPY --from={image} {path} {path}"));
        }
        // Libraries among them are found.
        run(text, "ldconfig");
    }
    for script in &install.run {
        run(text, script);
    }
}

fn hooks(text: &mut String, hooks: &Hooks, chosen: &[Capability]) {
    if let Some(script) = &hooks.post_build_root {
        run(text, script);
    }
    let takes_root = |capability: &Capability| capability.install.as_ref().is_some_and(|install| install.root);
    let daemon = chosen.iter().any(|it| !it.main.entrypoint.is_empty() || takes_root(it));
    if hooks.post_build.is_some() || !daemon {
        line(text, &format!("USER {USER}"));
    }
    if let Some(script) = &hooks.post_build {
        run(text, script);
    }
    if daemon && hooks.post_build.is_some() {
        // What a dependency starts has to be root.
        line(text, "USER root");
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// A script in a form that keeps its line breaks, whatever is in it.
fn run(text: &mut String, script: &str) {
    line(text, &format!("RUN [\"/bin/sh\", \"-ec\", {}]", json(script)));
}

/// Quotes as a Dockerfile's JSON forms have them.
fn json(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn reference(agent: &AgentName, text: &str) -> ImageRef {
    // A repository's name has no points, dashes or underscores beside each other or at the end; a digest has none.
    let name = agent.as_str().replace(['.', '_'], "-");
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    let reference = format!("moat/{}:{}", parts.join("-"), short_sha256(text, TAG_LEN));
    ImageRef::parse(&reference).unwrap_or_else(|error| unreachable!("an agent's name is a repository's: {error}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{Capabilities, Source, agent};

    fn made(spec: &str) -> Option<Dockerfile> {
        let spec =
            agent::parse(Source::new("agent.yaml", "/agent.yaml", format!("agent: a_b\n{spec}"))).expect("a spec");
        let chosen = super::super::choose::choose(&spec, &Capabilities::builtin()).expect("known");
        is_made(&spec, &chosen).then(|| dockerfile(&spec, &chosen))
    }

    #[track_caller]
    fn is(spec: &str, expected: &Expect) {
        expected.assert_eq(&made(spec).expect("one that is made").text);
    }

    #[test]
    fn tools_are_on_debian() {
        is(
            "dependencies: [git, jq]\n",
            &expect![[r#"
                # Made by moat from the dependencies of the spec; `moat image` shows it.
                FROM debian:trixie-slim
                ARG DEBIAN_FRONTEND=noninteractive
                RUN ["/bin/sh", "-ec", "apt-get update && apt-get install --yes --no-install-recommends ca-certificates git jq openssh-client && rm -rf /var/lib/apt/lists/*"]
                RUN ["/bin/sh", "-ec", "id agent >/dev/null 2>&1 || if other=$(id -nu 1000 2>/dev/null); then usermod --login agent --home /home/agent --shell /bin/bash \"$other\" && cp -a /etc/skel /home/agent && chown -R \"1000:$(id -g 1000)\" /home/agent; else useradd --create-home --uid 1000 --shell /bin/bash agent; fi"]
                RUN ["/bin/sh", "-ec", "git --version"]
                RUN ["/bin/sh", "-ec", "jq --version"]
                USER agent
                ENTRYPOINT []
                CMD ["sleep", "infinity"]
            "#]],
        );
    }

    #[test]
    fn the_first_runtime_is_the_base_and_another_is_taken_from_its_image() {
        is(
            "dependencies: [jq, node@22, python@3.12]\nhooks:\n  post_build_root: echo \"root\"\n  post_build: [npm ci, npm test]\n",
            &expect![[r#"
                # Made by moat from the dependencies of the spec; `moat image` shows it.
                FROM node:22-trixie-slim
                ARG DEBIAN_FRONTEND=noninteractive
                RUN ["/bin/sh", "-ec", "apt-get update && apt-get install --yes --no-install-recommends ca-certificates jq libatomic1 libbz2-1.0 libexpat1 libffi8 libreadline8t64 libsqlite3-0 && rm -rf /var/lib/apt/lists/*"]
                COPY --from=python:3.12-slim-trixie /usr/local /usr/local
                RUN ["/bin/sh", "-ec", "ldconfig"]
                RUN ["/bin/sh", "-ec", "id agent >/dev/null 2>&1 || if other=$(id -nu 1000 2>/dev/null); then usermod --login agent --home /home/agent --shell /bin/bash \"$other\" && cp -a /etc/skel /home/agent && chown -R \"1000:$(id -g 1000)\" /home/agent; else useradd --create-home --uid 1000 --shell /bin/bash agent; fi"]
                RUN ["/bin/sh", "-ec", "jq --version"]
                RUN ["/bin/sh", "-ec", "node --version"]
                RUN ["/bin/sh", "-ec", "python3 --version"]
                RUN ["/bin/sh", "-ec", "echo \"root\""]
                USER agent
                RUN ["/bin/sh", "-ec", "npm ci\nnpm test"]
                ENTRYPOINT []
                CMD ["sleep", "infinity"]
            "#]],
        );
    }

    #[test]
    fn what_starts_as_root_leaves_the_user_a_member_of_its_group() {
        let text = made("dependencies: [docker:dind, node@22]\nhooks: {post_build: npm ci}\n").expect("one").text;
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("apt-get")).collect();
        assert_eq!(lines[1], "FROM node:22-trixie-slim", "the image of Docker is no base");
        expect![[r#"
            COPY --from=docker:29.7.2-dind /usr/local/bin/containerd /usr/local/bin/containerd
            COPY --from=docker:29.7.2-dind /usr/local/bin/containerd-shim-runc-v2 /usr/local/bin/containerd-shim-runc-v2
            COPY --from=docker:29.7.2-dind /usr/local/bin/docker /usr/local/bin/docker
            COPY --from=docker:29.7.2-dind /usr/local/bin/docker-init /usr/local/bin/docker-init
            COPY --from=docker:29.7.2-dind /usr/local/bin/docker-proxy /usr/local/bin/docker-proxy
            COPY --from=docker:29.7.2-dind /usr/local/bin/dockerd /usr/local/bin/dockerd
            COPY --from=docker:29.7.2-dind /usr/local/bin/runc /usr/local/bin/runc
            COPY --from=docker:29.7.2-dind /usr/local/libexec/docker/cli-plugins /usr/local/libexec/docker/cli-plugins
            RUN ["/bin/sh", "-ec", "ldconfig"]
            RUN ["/bin/sh", "-ec", "printf '%s\\n' '#!/bin/sh' \\\n    'iptables -nL >/dev/null 2>&1 || for it in iptables ip6tables; do update-alternatives --set $it /usr/sbin/$it-legacy; done' \\\n    'exec \"$@\"' >/usr/local/bin/dockerd-entrypoint.sh\nchmod 755 /usr/local/bin/dockerd-entrypoint.sh\n"]
            RUN ["/bin/sh", "-ec", "id agent >/dev/null 2>&1 || if other=$(id -nu 1000 2>/dev/null); then usermod --login agent --home /home/agent --shell /bin/bash \"$other\" && cp -a /etc/skel /home/agent && chown -R \"1000:$(id -g 1000)\" /home/agent; else useradd --create-home --uid 1000 --shell /bin/bash agent; fi"]
            RUN ["/bin/sh", "-ec", "groupadd --force --system docker && usermod --append --groups docker agent"]
            RUN ["/bin/sh", "-ec", "dockerd --version && docker buildx version && docker compose version"]
            RUN ["/bin/sh", "-ec", "node --version"]
            USER agent
            RUN ["/bin/sh", "-ec", "npm ci"]
            USER root
            ENTRYPOINT []
            CMD ["sleep", "infinity"]"#]]
        .assert_eq(&lines[3..].join("\n"));
    }

    #[test]
    fn volumes_belong_to_whoever_works_there() {
        let line = |spec: &str| -> String {
            let text = made(&format!("dependencies: [git]\n{spec}")).expect("one").text;
            text.lines()
                .filter(|line| line.contains("mkdir") || line.contains("safe.dir"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        expect![[r#"RUN ["/bin/sh", "-ec", "mkdir -p '/data' '/home/agent/.cache' '/home/agent/.cache/it'\\''s' && chown 'agent' '/data' '/home/agent/.cache' '/home/agent/.cache/it'\\''s'"]"#]].assert_eq(&line("volumes: ['data:/data', 'cache:/home/agent/.cache/it''s']\n"));
        expect![[r#"
            RUN ["/bin/sh", "-ec", "mkdir -p '/workspace' && chown '1000:100' '/workspace'"]
            RUN ["/bin/sh", "-ec", "git config --system --add safe.directory '/workspace' && git config --system --add safe.directory '/workspace/*'"]"#]].assert_eq(&line("user: '1000:100'\nworkspace: {mode: volume}\n"));
        assert_eq!(line("user: root\nvolumes: ['data:/data']\n"), "");
    }

    #[test]
    fn it_is_made_only_where_something_is_to_be_installed() {
        for spec in ["image: debian:13\n", "dependencies: [docker:dind]\n", "image: x\ndependencies: [redis]\n"] {
            assert_eq!(made(spec), None, "{spec}");
        }
        for spec in [
            "base_image: debian:13\n",
            "dependencies: [git]\n",
            "dependencies: [redis, git]\n",
            "dependencies: [docker:dind, git]\n",
        ] {
            assert!(made(spec).is_some(), "{spec}");
        }
    }

    #[test]
    fn the_tag_tells_what_it_is_made_of_and_nothing_else() {
        let tag = |spec: &str| made(spec).expect("one that is made").reference.to_string();
        let one = tag("dependencies: [git, jq]\n");
        assert!(one.starts_with("moat/a-b:"), "{one}");
        // The order says nothing, and what is no part of an image is no part of its tag.
        assert_eq!(one, tag("dependencies: [jq, git]\nenv: {A: b}\n"));
        assert_ne!(one, tag("dependencies: [git]\n"));
        assert_ne!(one, tag("dependencies: [git, jq]\nhooks: {post_build: 'true'}\n"));
    }
}
