//! The language of `agent.yaml`: every key, what it may hold, what it means, and what changing it does.
//!
//! A new key is a line here, a field in [`file`](super::raw), and a row in `docs/reference/agent.md`, which a test
//! holds against this table.

pub mod foreign_keys;
mod parts;

use super::rule;
use super::shape::{Effect, Key, Shape};
use parts::{BUILD, BUILDKIT, CONTAINER, HEALTHCHECK, HOOKS, MOUNT, NETWORK, PORT, SERVICE, VOLUME, WORKSPACE};

/// `agent.yaml`.
pub static AGENT: Shape = Shape::Keys(&[
    Key::new("agent", Shape::Text(rule::agent_name), Effect::Another)
        .required("agent: builder")
        .says("the agent's name; with the path of the file it says which sandbox is meant; `name` is the same")
        .such_as("builder")
        .alias(&["name"]),
    Key::new("extends", PATHS, Effect::Nothing)
        .says(
            "files, seen from this one, whose keys hold where this one has none; mappings are put together key by key, \
             a later file counts more than an earlier one; `include` is the same",
        )
        .such_as("base.yaml")
        .alias(&["include"]),
    Key::new("version", Shape::Scalar(rule::argument), Effect::Nothing)
        .says("the agent's version, for people")
        .such_as("1.0.0"),
    Key::new("image", Shape::Text(rule::image), Effect::Replace)
        .default("what the dependencies bring")
        .says("the image of the main container")
        .such_as("debian:13"),
    Key::new("build", BUILD_SHAPE, Effect::Replace)
        .says(
            "in place of `image`: the folder of a Dockerfile of your own, or a mapping; built by the engine, and again \
             when anything that it is made of is another",
        )
        .such_as("./image")
        .also(&["dockerfile"]),
    Key::new("base_image", Shape::Text(rule::image), Effect::Replace)
        .default("that of the first runtime among the dependencies, otherwise Debian")
        .says("in place of `image`: what moat makes an image on, with the dependencies in it; it must be a Debian")
        .such_as("debian:13")
        .also(&["from"]),
    Key::new("dependencies", DEPENDENCIES, Effect::Replace)
        .says("what the sandbox needs beyond its image: `docker:dind` gives it a Docker of its own")
        .such_as("[docker:dind]")
        .also(&["depends_on", "requires", "needs", "deps"]),
    Key::new("command", COMMAND, Effect::Replace)
        .default("none: the sandbox stays up, idle")
        .says("what the main container runs: a shell's command line, or a program with its arguments")
        .such_as("[npm, run, dev]")
        .also(&["cmd", "run"]),
    Key::new("entrypoint", ENTRYPOINT, Effect::Replace)
        .default("the image's own")
        .says("the program that runs the command; `[]`: none, not even the image's own")
        .such_as("[tini, --]"),
    Key::new("user", Shape::Scalar(rule::user), Effect::Replace)
        .default("the image's own")
        .says("whom the main container runs as: `USER` or `USER:GROUP`, by name or by number")
        .such_as("1000:1000"),
    Key::new("workdir", Shape::Text(rule::workdir), Effect::Replace)
        .default("the workspace if there is one, otherwise the image's own")
        .says("the folder that the command runs in")
        .such_as("/srv/app")
        .also(&["working_dir", "cwd"]),
    Key::new("interactive", Shape::Bool, Effect::Replace)
        .default("`false`")
        .says("whether the command has a terminal, and an input that stays open")
        .such_as("true")
        .also(&["tty", "stdin_open"]),
    Key::new("restart", Shape::Choice(RESTART), Effect::InPlace)
        .default("`unless-stopped` without a command or entrypoint, otherwise `no`")
        .says("when the engine starts the main container again by itself")
        .such_as("on-failure")
        .also(&["restart_policy"]),
    Key::new("hostname", Shape::Text(rule::hostname), Effect::Replace)
        .default("the container's id")
        .says("what the main container calls itself")
        .such_as("build-1"),
    Key::new("init", Shape::Bool, Effect::Replace)
        .default("`true`")
        .says("whether a small init is the first process: it passes signals on, and clears up what has ended")
        .such_as("false"),
    Key::new("stop_timeout", Shape::Scalar(rule::stop_timeout), Effect::Replace)
        .default("the engine's own: 10s")
        .says("how long the command may take to end when it is asked to, in whole seconds, before it is killed")
        .such_as("30s")
        .also(&["stop_grace_period"]),
    Key::new("read_only", Shape::Bool, Effect::Replace)
        .default("`false`")
        .says("whether the main container can write to nothing but its mounts; not with `docker:dind`, which puts files in")
        .such_as("true"),
    Key::new("tmpfs", TMPFS, Effect::Replace)
        .says(
            "filesystems in memory, which end with the container: `TARGET` or `TARGET:OPTIONS`, as in `/run:size=64m`; \
             without options as docker has them: `noexec,nosuid,nodev`",
        )
        .such_as("[/run, '/tmp:size=64m,exec']"),
    Key::new("cap_add", CAPABILITIES, Effect::Replace)
        .says("capabilities of the kernel beyond those that every container has; marked in the plan")
        .such_as("[SYS_PTRACE]"),
    Key::new("cap_drop", CAPABILITIES, Effect::Replace)
        .says("capabilities of the kernel that it goes without; `ALL`: every one that `cap_add` does not name")
        .such_as("[NET_RAW]"),
    Key::new("devices", DEVICES, Effect::Replace)
        .says(
            "devices of the Docker host: `PATH`, `PATH:TARGET` or `PATH:TARGET:rwm`, with some of the letters for read, \
             write and make; marked in the plan",
        )
        .such_as("[/dev/kvm]"),
    Key::new("gpus", Shape::Scalar(rule::gpus), Effect::Replace)
        .says("GPUs of the Docker host: `all`, how many, or which, as in `device=0,1`; marked in the plan")
        .such_as("all"),
    Key::new("workspace", WORKSPACE_SHAPE, Effect::Replace)
        .says("the folder that is worked on: a path, or a mapping")
        .such_as(".")
        .also(&["project", "source"]),
    Key::new("env", ENV, Effect::Replace)
        .says("environment variables of the main container; values are taken as they are written")
        .such_as("{PORT: 8080}")
        .also(&["environment", "variables"]),
    Key::new("env_file", PATHS, Effect::Replace)
        .says("files of `NAME=VALUE` lines, seen from the file; `env` counts more, and a later file more than an earlier one")
        .such_as("app.env")
        .also(&["env_files"]),
    Key::new("secrets", SECRETS, Effect::Replace)
        .says(
            "environment variables whose values are shown nowhere, and where they come from: `env://NAME`, \
             `file://PATH`, `cmd://COMMAND`, `op://…` or `pass://…`",
        )
        .such_as("{TOKEN: 'env://TOKEN'}"),
    Key::new("mounts", MOUNTS, Effect::Replace)
        .says("paths of the engine's machine in the main container: `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a mapping")
        .such_as("['./data:/data:ro']")
        .also(&["binds"]),
    Key::new("volumes", VOLUMES, Effect::Replace)
        .says("named volumes of the sandbox, kept when it is destroyed: `NAME:TARGET`, `NAME:TARGET:ro`, or a mapping")
        .such_as("['cache:/var/cache/app']"),
    Key::new("ports", PORTS, Effect::Replace)
        .says(
            "ports of the main container that this machine reaches: `NAME: PORT`, or a list of `PORT`, `HOST:PORT`, \
             `ADDRESS:HOST:PORT` or mappings; on loopback unless an address is given (`0.0.0.0`, `[::1]`, `localhost`), \
             and without a host port on a free one, which is kept; `/udp` at the end for UDP; in a list \
             `8000-8010:8000-8010` is a range",
        )
        .such_as("{web: 3000}"),
    Key::new("container", Shape::Keys(CONTAINER), Effect::Replace)
        .says("limits of the main container")
        .such_as("{memory: 2g}")
        .also(&["resources", "limits"]),
    Key::new("network", Shape::Keys(NETWORK), Effect::Replace)
        .default("one of the sandbox's own, from which everything outside is reached")
        .says("the network of the sandbox")
        .such_as("{internal: true}")
        .also(&["networking"]),
    Key::new("healthcheck", HEALTH, Effect::Replace)
        .says(
            "a command in the main container that exits 0 once it is ready and for as long as it is well, or a mapping",
        )
        .such_as("curl -f localhost:3000")
        .also(&["health", "health_check"]),
    Key::new("hooks", Shape::Keys(HOOKS), Effect::Replace)
        .says("scripts of a shell that are run while the image is made, and before the command")
        .such_as("{post_build: npm ci}"),
    Key::new("services", SERVICES, Effect::Sidecar)
        .says("containers beside main, found on its network by their names; main starts when all of them are ready")
        .such_as("{db: {image: 'postgres:17'}}")
        .also(&["sidecars"]),
    Key::new("buildkit", Shape::Keys(BUILDKIT), Effect::Sidecar)
        .default("as `docker:dind` has it")
        .says("the sidecar that builds images")
        .such_as("{cache: discard}")
        .also(&["builder"]),
    Key::new("labels", Shape::Map { name: rule::label, value: &Shape::Scalar(rule::argument) }, Effect::Replace)
        .says("labels of the main container, for other tools")
        .such_as("{team: blue}"),
]);

/// What a key at the top is called that may be written by another name.
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
