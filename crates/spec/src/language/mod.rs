//! The language of `agent.yaml`: every key with its type, its meaning, and the effect of a change.
//!
//! A new key is a line here and a field in [`raw`](super::raw). The table in `docs/reference/agent.md` is generated.

pub mod foreign_keys;
mod grants;
mod network;
mod parts;

use super::rule;
use super::shape::{Effect, Key, Shape};
use grants::GRANTS;
use network::NETWORK;
use parts::{BUILD, BUILDKIT, CONTAINER, HEALTHCHECK, HOOKS, MOUNT, PORT, REGISTRIES, SERVICE, VOLUME, WORKSPACE};

/// `agent.yaml`.
pub static AGENT: Shape = Shape::Keys(&[
    Key::new("agent", Shape::Text(rule::agent_name), Effect::Another)
        .required("agent: builder")
        .summary("the agent's name; together with the file's path it identifies the sandbox; `name` is an alias")
        .example("builder")
        .alias(&["name"]),
    Key::new("extends", PATHS, Effect::Nothing)
        .summary(
            "files to inherit keys from, relative to this one; keys of this file take precedence, mappings are merged \
             key by key, and a later file overrides an earlier one; `include` is an alias",
        )
        .example("base.yaml")
        .alias(&["include"]),
    Key::new("version", Shape::Scalar(rule::argument), Effect::Nothing)
        .summary("the agent's version, for information only")
        .example("1.0.0"),
    Key::new("image", Shape::Text(rule::image), Effect::Replace)
        .default("the image of a dependency, or one that moat builds on Debian")
        .summary("the image of the main container")
        .example("debian:13"),
    Key::new("platform", Shape::Scalar(rule::platform), Effect::Replace)
        .default("the Docker host's, or that of an image that the engine already has")
        .summary(
            "the platform of the main container's image, also of one that is built: `linux/ARCHITECTURE`; if the Docker \
             host has another one, it needs an emulator",
        )
        .example("linux/arm64"),
    Key::new("build", BUILD_SHAPE, Effect::Replace)
        .summary(
            "instead of `image`: the folder of your own Dockerfile, or a mapping; the engine builds it, and \
             rebuilds it when its inputs change",
        )
        .example("./image")
        .also(&["dockerfile"]),
    Key::new("base_image", Shape::Text(rule::image), Effect::Replace)
        .default("the image of the first runtime in `dependencies`, otherwise Debian")
        .summary("instead of `image`: a Debian-based image, to which moat adds the dependencies")
        .example("debian:13")
        .also(&["from"]),
    Key::new("dependencies", DEPENDENCIES, Effect::Replace)
        .summary(
            "tools, runtimes and services for the sandbox (`moat deps`); `docker:dind` is a Docker daemon of its own",
        )
        .example("[docker:dind]")
        .also(&["depends_on", "requires", "needs", "deps"]),
    Key::new("command", COMMAND, Effect::Replace)
        .default("none: the sandbox is idle")
        .summary("the command of the main container: a shell command line, or a program with arguments")
        .example("[npm, run, dev]")
        .also(&["cmd", "run"]),
    Key::new("entrypoint", ENTRYPOINT, Effect::Replace)
        .default("the image's own")
        .summary("the program that runs the command; `[]`: none, not even the image's own")
        .example("[tini, --]"),
    Key::new("user", Shape::Scalar(rule::user), Effect::Replace)
        .default("the image's own")
        .summary("the user of the main container: `USER` or `USER:GROUP`, by name or number")
        .example("1000:1000"),
    Key::new("workdir", Shape::Text(rule::workdir), Effect::Replace)
        .default("the workspace if there is one, otherwise the image's own")
        .summary("the working directory of the command")
        .example("/srv/app")
        .also(&["working_dir", "cwd"]),
    Key::new("interactive", Shape::Bool, Effect::Replace)
        .default("`false`")
        .summary("whether the command has a terminal and an open standard input")
        .example("true")
        .also(&["tty", "stdin_open"]),
    Key::new("restart", Shape::Choice(RESTART), Effect::InPlace)
        .default("`unless-stopped` without a command or entrypoint, otherwise `no`")
        .summary("the engine's restart policy for the main container")
        .example("on-failure")
        .also(&["restart_policy"]),
    Key::new("hostname", Shape::Text(rule::hostname), Effect::Replace)
        .default("the container's id")
        .summary("the host name of the main container")
        .example("build-1"),
    Key::new("init", Shape::Bool, Effect::Replace)
        .default("`true`")
        .summary("whether a small init runs as the first process: it forwards signals and reaps zombies")
        .example("false"),
    Key::new("stop_timeout", Shape::Scalar(rule::stop_timeout), Effect::Replace)
        .default("the engine's own: 10s")
        .summary("the time for the command to exit after the stop signal, in whole seconds; then the engine kills it")
        .example("30s")
        .also(&["stop_grace_period"]),
    Key::new("read_only", Shape::Bool, Effect::Replace)
        .default("`false`")
        .summary(
            "whether the main container can write only to its mounts; not with `docker:dind`, which writes files \
             elsewhere",
        )
        .example("true"),
    Key::new("tmpfs", TMPFS, Effect::Replace)
        .summary(
            "in-memory filesystems, lost when the container stops: `TARGET` or `TARGET:OPTIONS`, such as \
             `/run:size=64m`; without options Docker's defaults: `noexec,nosuid,nodev`",
        )
        .example("[/run, '/tmp:size=64m,exec']"),
    Key::new("cap_add", CAPABILITIES, Effect::Replace)
        .summary("Linux capabilities beyond the engine's default set; marked in the plan")
        .example("[SYS_PTRACE]"),
    Key::new("cap_drop", CAPABILITIES, Effect::Replace)
        .summary("Linux capabilities to remove; `ALL`: all that `cap_add` does not list")
        .example("[NET_RAW]"),
    Key::new("devices", DEVICES, Effect::Replace)
        .summary(
            "devices of the Docker host: `PATH`, `PATH:TARGET` or `PATH:TARGET:rwm`, where the letters permit \
             reading, writing and creating the device; marked in the plan",
        )
        .example("[/dev/kvm]"),
    Key::new("gpus", Shape::Scalar(rule::gpus), Effect::Replace)
        .summary("GPUs of the Docker host: `all`, a number, or IDs such as `device=0,1`; marked in the plan")
        .example("all"),
    Key::new("isolation", Shape::Choice(ISOLATIONS), Effect::Docker)
        .default("`privileged`")
        .summary(
            "how dependencies that run a daemon are isolated from the host: `privileged`: not at all; `rootless`: main \
             and their sidecars run as a user without rights on the host; `mapped`: as root, which an engine with \
             `userns-remap` or a rootless engine maps to a user; `auto`: one of the last two, by the engine",
        )
        .example("rootless"),
    Key::new("workspace", WORKSPACE_SHAPE, Effect::Replace)
        .default("none; in a file called `moat.yaml` the folder of the file")
        .summary("the folder that the agent works on: a path, or a mapping")
        .example(".")
        .also(&["project", "source"]),
    Key::new("env", ENV, Effect::Replace)
        .summary("environment variables of the main container; values are used as written")
        .example("{PORT: 8080}")
        .also(&["environment", "variables"]),
    Key::new("env_file", PATHS, Effect::Replace)
        .summary(
            "files of `NAME=VALUE` lines, relative to this file; `env` overrides them, and a later file an earlier \
             one",
        )
        .example("app.env")
        .also(&["env_files"]),
    Key::new("secrets", SECRETS, Effect::Replace)
        .summary(
            "environment variables whose values are never shown, with their sources: `env://NAME`, `file://PATH`, \
             `cmd://COMMAND`, `op://…`, `pass://…` or `ssm://…`",
        )
        .example("{TOKEN: 'env://TOKEN'}"),
    Key::new("mounts", MOUNTS, Effect::Replace)
        .summary("paths of the Docker host in the main container: `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a mapping")
        .example("['./data:/data:ro']")
        .also(&["binds"]),
    Key::new("volumes", VOLUMES, Effect::Replace)
        .summary("named volumes of the sandbox, kept on destroy: `NAME:TARGET`, `NAME:TARGET:ro`, or a mapping")
        .example("['cache:/var/cache/app']"),
    Key::new("ports", PORTS, Effect::Replace)
        .summary(
            "ports of the main container to publish on the Docker host: `NAME: PORT`, or a list of `PORT`, \
             `HOST:PORT`, `ADDRESS:HOST:PORT` or mappings; on loopback unless an address is given (`0.0.0.0`, \
             `[::1]`, `localhost`); without a host port, on a free one that is kept; `/udp` at the end for UDP; in \
             a list, `8000-8010:8000-8010` is a range",
        )
        .example("{web: 3000}"),
    Key::new("container", Shape::Keys(CONTAINER), Effect::Replace)
        .summary("limits of the main container")
        .example("{memory: 2g}")
        .also(&["resources", "limits"]),
    Key::new("network", Shape::Keys(NETWORK), Effect::Replace)
        .default("a network of its own, with access to the outside")
        .summary("the network of the sandbox")
        .example("{internal: true}")
        .also(&["networking"]),
    Key::new("grants", GRANTS, Effect::Replace)
        .summary(
            "credentials that the gateway puts into requests, so that they never enter the sandbox; names of providers (`anthropic`, `claude`, `gemini`, `github`, `npm`, `openai`), or \
             mappings from a name to options",
        )
        .example("[{github: {repos: [me/app], write: true}}]"),
    Key::new("healthcheck", HEALTH, Effect::Replace)
        .summary("a command in the main container that exits 0 when it is ready and while it is healthy, or a mapping")
        .example("curl -f localhost:3000")
        .also(&["health", "health_check"]),
    Key::new("hooks", Shape::Keys(HOOKS), Effect::Replace)
        .summary("shell scripts that run while the image is built, and before the command")
        .example("{post_build: npm ci}"),
    Key::new("services", SERVICES, Effect::Sidecar)
        .summary("containers next to main, reached by name on its network; main starts when all of them are ready")
        .example("{db: {image: 'postgres:17'}}")
        .also(&["sidecars"]),
    Key::new("buildkit", Shape::Keys(BUILDKIT), Effect::Sidecar)
        .default("as in `docker:dind`")
        .summary("the build sidecar")
        .example("{cache: discard}")
        .also(&["builder"]),
    Key::new("registries", Shape::Keys(REGISTRIES), Effect::Docker)
        .summary("settings of registries, for the inner Docker daemon and the build sidecar")
        .example("{ca_certificates: ./ca.pem}")
        .also(&["registry"]),
    Key::new("labels", Shape::Map { name: rule::label, value: &Shape::Scalar(rule::argument) }, Effect::Replace)
        .summary("labels of the main container, for other tools")
        .example("{team: blue}"),
]);

/// The name of a top-level key that may be written by an alias.
pub(super) fn name_of(key: &str) -> &str {
    let Shape::Keys(keys) = &AGENT else { return key };
    keys.iter().find(|known| known.is(key)).map_or(key, |known| known.name)
}

const DEPENDENCIES: Shape = Shape::List { item: &Shape::Text(rule::dependency), if_empty: None, unique: true };

const COMMAND: Shape = Shape::Either(&[
    Shape::Text(rule::argument),
    Shape::List {
        item: &Shape::Scalar(rule::argument),
        if_empty: Some("write a program, or remove the key"),
        unique: false,
    },
]);

const ENTRYPOINT: Shape = Shape::Either(&[
    Shape::Line(rule::argument),
    Shape::List { item: &Shape::Scalar(rule::argument), if_empty: None, unique: false },
]);

const ISOLATIONS: &[&str] = crate::isolation::NAMES;

const RESTART: &[&str] = &["no", "on-failure", "unless-stopped", "always"];

const TMPFS: Shape = Shape::Either(&[
    Shape::Text(rule::tmpfs),
    Shape::List { item: &Shape::Text(rule::tmpfs), if_empty: None, unique: true },
]);

const CAPABILITIES: Shape = Shape::List { item: &Shape::Text(rule::linux_capability), if_empty: None, unique: true };

const DEVICES: Shape = Shape::List { item: &Shape::Text(rule::device), if_empty: None, unique: true };

const ENV: Shape = Shape::Map { name: rule::variable, value: &Shape::Scalar(rule::argument) };

const PATHS: Shape = Shape::Either(&[
    Shape::Text(rule::path),
    Shape::List { item: &Shape::Text(rule::path), if_empty: None, unique: true },
]);

const SECRETS: Shape = Shape::Map { name: rule::variable, value: &Shape::Text(rule::secret) };

const BUILD_SHAPE: Shape = Shape::Either(&[Shape::Text(rule::path), Shape::Keys(BUILD)]);

const WORKSPACE_SHAPE: Shape = Shape::Either(&[Shape::Text(rule::folder), Shape::Keys(WORKSPACE)]);

const MOUNTS: Shape =
    Shape::List { item: &Shape::Either(&[Shape::Text(rule::mount), Shape::Keys(MOUNT)]), if_empty: None, unique: true };

const VOLUMES: Shape = Shape::List {
    item: &Shape::Either(&[Shape::Text(rule::volume), Shape::Keys(VOLUME)]),
    if_empty: None,
    unique: true,
};

const PORTS: Shape = Shape::Either(&[
    Shape::Map { name: rule::port_name, value: &Shape::Scalar(rule::port) },
    Shape::List { item: &Shape::Either(&[Shape::Scalar(rule::port), Shape::Keys(PORT)]), if_empty: None, unique: true },
]);

const SCRIPT: Shape = Shape::Either(&[
    Shape::Text(rule::argument),
    Shape::List {
        item: &Shape::Text(rule::argument),
        if_empty: Some("write a command, or remove the key"),
        unique: false,
    },
]);

const SERVICES: Shape = Shape::Map { name: rule::service_name, value: &Shape::Keys(SERVICE) };

const HEALTH: Shape = Shape::Either(&[
    Shape::Text(rule::argument),
    Shape::List { item: &Shape::Scalar(rule::argument), if_empty: Some("write a program"), unique: false },
    Shape::Keys(HEALTHCHECK),
]);
