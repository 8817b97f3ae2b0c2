//! The Dockerfile of an image that moat builds: the dependencies on one base.
//!
//! Pure text. The same spec gives the same file, byte for byte, and the image's tag is the digest of the file: an image
//! is rebuilt only if the file changes, and `moat image` shows the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::capability::Install;
use crate::{Build, Capability, Hooks, Spec};
use moat_model::resource::digest::short_sha256;
use moat_model::resource::{BuildContext, ImageRef, Secret};
use serde_json::json;

/// The inputs of an image build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    pub text: String,
    /// The image's reference: `moat/AGENT:DIGEST`.
    pub reference: ImageRef,
    /// The build context, if the Dockerfile is the user's own.
    pub context: Option<Box<BuildContext>>,
}

/// The base without a runtime.
const DEBIAN: &str = "debian:trixie-slim";

/// The user of the agent.
pub const USER: &str = "agent";

/// The uid without a workspace whose owner it could be; Debian's first uid for people.
const UID: u32 = 1000;

/// In hexadecimal digits: enough to distinguish the images of one agent.
const TAG_LEN: usize = 12;

/// Whether moat builds the main container's image: the spec names none, and no dependency has one that suffices. Without
/// any dependency it is Debian with the user of the agent.
pub(super) fn is_built(spec: &Spec, chosen: &[Capability]) -> bool {
    let installs = |capability: &Capability| capability.install.is_some() && capability.image.is_none();
    let names_one = spec.image.is_some() || spec.build.is_some();
    let has_one = chosen.iter().any(|capability| capability.image.is_some());
    let is_needed = spec.base_image.is_some() || spec.hooks.build() || chosen.iter().any(installs) || !has_one;
    !names_one && (is_needed || is_for_another_user(spec, chosen))
}

/// The user that main runs as in the image: the owner of the workspace. If that is root, the usual user.
pub(super) fn uid(spec: &Spec) -> u32 {
    spec.owner.filter(|uid| *uid != 0).unwrap_or(UID)
}

/// In an image that moat builds, main runs as the user that it makes.
pub(super) fn choose_user(spec: &Spec, chosen: &mut [Capability]) {
    chosen.iter_mut().filter_map(|it| it.main.user.as_mut()).for_each(|user| *user = uid(spec).to_string());
}

/// Whether main runs as a certain user, and its workspace belongs to another one, for whom no image exists.
fn is_for_another_user(spec: &Spec, chosen: &[Capability]) -> bool {
    let of_image = chosen.iter().find_map(|it| it.main.user.as_ref());
    let writes = spec.workspace().is_some_and(|mount| !mount.read_only);
    writes && of_image.is_some_and(|user| *user != uid(spec).to_string())
}

/// The Dockerfile for a spec and its dependencies.
pub(super) fn dockerfile(spec: &Spec, chosen: &[Capability]) -> Dockerfile {
    let mut installs: Vec<(&str, &Install)> =
        chosen.iter().filter_map(|it| Some((it.capability.as_str(), it.install.as_ref()?))).collect();
    let of_runtime = installs.iter().find_map(|(name, install)| Some((*name, install.base.as_ref()?)));
    let (based_on, base) = match (&spec.base_image, of_runtime) {
        (Some(image), _) => (None, image.to_string()),
        (None, Some((name, image))) => (Some(name), image.to_string()),
        (None, None) => (None, DEBIAN.to_owned()),
    };
    // From here on the order in the spec has no meaning, and must not change the image.
    // What needs another dependency is installed after it.
    let has_needs = |name: &str| chosen.iter().any(|it| it.capability == name && !it.needs.is_empty());
    installs.sort_by_key(|(name, _)| (has_needs(name), *name));
    let mut text = String::from("# Made by moat from the dependencies of the spec; `moat image` shows it.\n");
    line(&mut text, &format!("FROM {base}"));
    // A package that asks questions would wait forever.
    line(&mut text, "ARG DEBIAN_FRONTEND=noninteractive");
    let packages: BTreeSet<&str> =
        installs.iter().flat_map(|(_, install)| &install.packages).map(String::as_str).collect();
    install_packages(&mut text, &packages);
    for (name, install) in &installs {
        copies_and_scripts(&mut text, install, based_on != Some(*name), uid(spec));
    }
    let env: BTreeMap<&String, &String> = installs.iter().flat_map(|(_, install)| &install.env).collect();
    for (name, value) in env {
        line(&mut text, &format!("ENV {name}={}", quoted(value)));
    }
    create_user(&mut text, uid(spec));
    let groups: BTreeSet<&str> = installs.iter().flat_map(|(_, install)| &install.groups).map(String::as_str).collect();
    for group in groups {
        run(&mut text, &format!("groupadd --force --system {group} && usermod --append --groups {group} {USER}"));
    }
    mount_points(&mut text, spec, chosen);
    if packages.contains("git") {
        trust_workspace(&mut text, spec);
    }
    for check in installs.iter().filter_map(|(_, install)| install.check.as_ref()) {
        run(&mut text, check);
    }
    hooks(&mut text, &spec.hooks, chosen);
    // The base's entrypoint is not meant for this image.
    line(&mut text, "ENTRYPOINT []");
    line(&mut text, "CMD [\"sleep\", \"infinity\"]");
    let reference = reference(spec, &text);
    Dockerfile { text, reference, context: None }
}

/// The user's own Dockerfile. Its tag is a digest of all inputs of the image, in the text or in a file.
///
/// Of secrets, it covers the names: a value is not part of the image, and changes often.
pub(super) fn own_dockerfile(spec: &Spec, build: &Build, sealed: BTreeMap<String, Secret>) -> Dockerfile {
    let Build { context: folder, without, dockerfile, text, target, args, secrets, digest } = build.clone();
    // Until the context has been read, the reference matches no image.
    let digest = digest.unwrap_or_default();
    let mut all = vec![json!(text), json!(target), json!(args), json!(digest)];
    // Without secrets, the tag is that of earlier versions.
    all.extend((!secrets.is_empty()).then(|| json!(secrets.keys().collect::<Vec<_>>())));
    let reference = reference(spec, &serde_json::Value::from(all).to_string());
    let context = BuildContext { folder, without, dockerfile, target, args, secrets: sealed, digest };
    Dockerfile { text, reference, context: Some(Box::new(context)) }
}

/// Creates the agent's user. The base may already have a user with that uid, as the image of Node.js does; that user is
/// then renamed, because a uid has one name and one home.
fn create_user(text: &mut String, uid: u32) {
    let taken_over = format!(
        "usermod --login {USER} --home /home/{USER} --shell /bin/bash \"$other\" && cp -a /etc/skel /home/{USER} && \
         chown -R \"{uid}:$(id -g {uid})\" /home/{USER}"
    );
    let add = format!("useradd --create-home --uid {uid} --shell /bin/bash {USER}");
    let script = format!("if other=$(id -nu {uid} 2>/dev/null); then {taken_over}; else {add}; fi");
    run(text, &format!("id {USER} >/dev/null 2>&1 || {script}"));
}

/// Creates the mount points of volumes, owned by the user: an empty volume inherits the owner of its mount point. Of the
/// volumes of dependencies, those in the home directory, and those of a daemon that runs as the user.
fn mount_points(text: &mut String, spec: &Spec, chosen: &[Capability]) {
    let home = Path::new("/home").join(USER);
    let with_parents = |target: &String| {
        // Parent folders in the home directory belong to the user as well.
        let parents = Path::new(target).ancestors().filter(|it| it.starts_with(&home) && **it != home);
        parents.map(Path::to_owned).chain([PathBuf::from(target)]).collect::<Vec<_>>()
    };
    let brought = chosen.iter().flat_map(|it| it.main.volumes.iter().map(move |volume| (&it.main, volume)));
    let brought = brought.filter(|(main, volume)| {
        Path::new(&volume.target).starts_with(&home) || main.user.is_some() && !volume.read_only
    });
    let brought = brought.map(|(_, volume)| &volume.target);
    let targets = spec.volumes.iter().map(|volume| &volume.target).chain(brought);
    let folders: BTreeSet<PathBuf> = targets.flat_map(with_parents).collect();
    let owner = spec.user.as_deref().unwrap_or(USER);
    if folders.is_empty() || matches!(owner.split(':').next(), Some("root" | "0")) {
        return;
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let all = folders.iter().map(|folder| quoted(&folder.to_string_lossy())).collect::<Vec<_>>().join(" ");
    run(text, &format!("mkdir -p {all} && chown {} {all}", quoted(owner)));
}

/// Makes git work in a workspace of any owner.
fn trust_workspace(text: &mut String, spec: &Spec) {
    let volume = || spec.places.has("workspace").then(|| spec.volumes.first()).flatten().map(|it| &it.target);
    let Some(target) = spec.workspace().map(|mount| &mount.target).or_else(volume) else { return };
    let all = [target.clone(), format!("{target}/*")];
    let add = all.map(|it| format!("git config --system --add safe.directory '{}'", it.replace('\'', r"'\''")));
    run(text, &add.join(" && "));
}

fn install_packages(text: &mut String, packages: &BTreeSet<&str>) {
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

/// Copies from other images, and runs the scripts.
fn copies_and_scripts(text: &mut String, install: &Install, is_extra: bool, uid: u32) {
    if let (true, Some(image)) = (is_extra, install.from.as_ref().or(install.base.as_ref())) {
        for path in &install.paths {
            line(text, &format!("COPY --from={image} {path} {path}"));
        }
        // Registers the copied libraries.
        run(text, "ldconfig");
    }
    for script in &install.run {
        run(text, &script.replace("{uid}", &uid.to_string()));
    }
}

fn hooks(text: &mut String, hooks: &Hooks, chosen: &[Capability]) {
    if let Some(script) = &hooks.post_build_root {
        run(text, script);
    }
    let takes_root = |capability: &Capability| capability.install.as_ref().is_some_and(|install| install.root);
    let starts_as_root = |it: &Capability| !it.main.entrypoint.is_empty() && it.main.user.is_none();
    let daemon = chosen.iter().any(|it| starts_as_root(it) || takes_root(it));
    if hooks.post_build.is_some() || !daemon {
        line(text, &format!("USER {USER}"));
    }
    if let Some(script) = &hooks.post_build {
        run(text, script);
    }
    if daemon && hooks.post_build.is_some() {
        // The start script of a dependency needs root.
        line(text, "USER root");
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Adds a script in the JSON form, which keeps its line breaks.
fn run(text: &mut String, script: &str) {
    line(text, &format!("RUN [\"/bin/sh\", \"-ec\", {}]", quoted(script)));
}

/// A string in JSON, as in the JSON forms of a Dockerfile.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// The name of an image that is made from a text, for the platform of the spec.
fn reference(spec: &Spec, text: &str) -> ImageRef {
    // The name of a repository must not have adjacent or trailing separators.
    let name = spec.agent.as_str().replace(['.', '_'], "-");
    let inputs = match &spec.platform {
        Some(platform) => format!("{text}\n{platform}"),
        None => text.to_owned(),
    };
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    let reference = format!("moat/{}:{}", parts.join("-"), short_sha256(&inputs, TAG_LEN));
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
        is_built(&spec, &chosen).then(|| dockerfile(&spec, &chosen))
    }

    #[track_caller]
    fn is(spec: &str, expected: &Expect) {
        expected.assert_eq(&made(spec).expect("an image that is built").text);
    }

    #[test]
    fn tools_are_installed_on_debian() {
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
    fn the_first_runtime_is_the_base_and_another_is_copied_from_its_image() {
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

    /// After what they need, which is added; by name, whatever their order in the spec.
    #[test]
    fn packages_are_installed_in_their_versions() {
        let lines = |spec: &str| {
            let text = made(spec).expect("an image that is built").text;
            let is_of_packages =
                |line: &&str| ["FROM", "npm", "pip", "cargo", "bin/go", "COPY"].iter().any(|it| line.contains(it));
            text.lines().filter(is_of_packages).collect::<Vec<_>>().join("\n")
        };
        let both = lines("dependencies: ['pip:ruff@0.17.6', 'npm:@openai/codex@0.171.0', prettier]\n");
        expect![[r#"
            FROM python:3.14-slim-trixie
            COPY --from=node:24-trixie-slim /usr/local /usr/local
            RUN ["/bin/sh", "-ec", "npm install --global --no-audit --no-fund --no-update-notifier '@openai/codex@0.171.0' && npm cache clean --force"]
            RUN ["/bin/sh", "-ec", "npm install --global --no-audit --no-fund --no-update-notifier 'prettier@3.10.1' && npm cache clean --force"]
            RUN ["/bin/sh", "-ec", "python3 -m pip install --no-cache-dir --root-user-action ignore 'ruff==0.17.6'"]"#]].assert_eq(&both);
        assert_eq!(both, lines("dependencies: ['pip:ruff@0.17.6', prettier, 'npm:@openai/codex@v0.171.0']\n"));
        expect![[r#"
            FROM rust:1-slim-trixie
            COPY --from=golang:1.26-trixie /usr/local/go /usr/local/go
            RUN ["/bin/sh", "-ec", "CARGO_HOME=/tmp/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH cargo install --locked --root /usr/local 'just@1.40.0' && rm -rf /tmp/cargo"]
            RUN ["/bin/sh", "-ec", "GOBIN=/usr/local/bin GOPATH=/tmp/go GOCACHE=/tmp/go-cache GOFLAGS=-modcacherw GOTOOLCHAIN=local /usr/local/go/bin/go install 'golang.org/x/tools/cmd/stringer@v0.30.0' && rm -rf /tmp/go /tmp/go-cache"]
            ENV CARGO_HOME="/home/agent/.cargo"
            ENV PATH="/home/agent/.cargo/bin:/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            RUN ["/bin/sh", "-ec", "cargo --version"]"#]]
            .assert_eq(&lines("dependencies: ['cargo:just@1.40.0', 'go:golang.org/x/tools/cmd/stringer@v0.30.0']\n"));
        // What the spec names counts, in its version.
        let chosen = lines("dependencies: [node@22, typescript, 'npm:typescript@5.9.3']\n");
        assert!(chosen.contains("node:22") && chosen.contains("typescript@5.9.3"), "{chosen}");
        assert_eq!(chosen.matches("typescript@").count(), 1, "{chosen}");
    }

    #[test]
    fn a_daemon_as_root_adds_the_user_to_its_group() {
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
    fn mount_points_of_volumes_belong_to_the_user() {
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
        // Of dependencies, only those in its home: a daemon's belong to the daemon.
        let text = made("dependencies: [docker:dind, claude-code]\n").expect("one").text;
        assert!(text.contains("mkdir -p '/home/agent/.claude' && chown 'agent' '/home/agent/.claude'\""), "{text}");
        assert!(!text.contains("/var/lib/docker"), "{text}");
    }

    #[test]
    fn an_image_is_built_if_something_is_installed_or_there_is_none() {
        for spec in ["image: debian:13\n", "dependencies: [docker:dind]\n", "image: x\ndependencies: [redis]\n"] {
            assert_eq!(made(spec), None, "{spec}");
        }
        for spec in [
            "base_image: debian:13\n",
            "dependencies: [git]\n",
            "dependencies: [redis]\n",
            "dependencies: [redis, git]\n",
            "dependencies: [docker:dind, git]\n",
            "",
        ] {
            assert!(made(spec).is_some(), "{spec}");
        }
    }

    #[test]
    fn the_tag_depends_only_on_the_content() {
        let tag = |spec: &str| made(spec).expect("an image that is built").reference.to_string();
        let one = tag("dependencies: [git, jq]\n");
        assert!(one.starts_with("moat/a-b:"), "{one}");
        // The order has no meaning, and settings outside the image do not change its tag.
        assert_eq!(one, tag("dependencies: [jq, git]\nenv: {A: b}\n"));
        assert_ne!(one, tag("dependencies: [git]\n"));
        assert_ne!(one, tag("dependencies: [git, jq]\nhooks: {post_build: 'true'}\n"));
    }
}
