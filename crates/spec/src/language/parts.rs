//! The keys below those at the top.

use super::{COMMAND, ENV, SCRIPT};
use crate::rule;
use crate::shape::{Effect, Key, Shape};

const EXCLUDE: Shape = Shape::List { item: &Shape::Text(rule::excluded), if_empty: None, unique: true };

pub(super) const WORKSPACE: &[Key] = &[
    Key::new("path", Shape::Text(rule::folder), Effect::Replace)
        .default("`.`")
        .says("the folder of this machine, seen from the file; only with the mode `bind`")
        .such_as("./app"),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .default("`/workspace`")
        .says("where it is in the main container")
        .such_as("/src"),
    Key::new("mode", Shape::Choice(&["bind", "volume"]), Effect::Replace)
        .default("`bind`")
        .says("`bind`: the folder itself; `volume`: a volume of the sandbox, empty at first, kept when it is destroyed")
        .such_as("volume"),
    Key::new("exclude", EXCLUDE, Effect::Replace)
        .says(
            "folders in it that are not shared: in their place are empty ones in memory, which end with the container",
        )
        .such_as("[node_modules]"),
];

pub(super) const BUILD: &[Key] = &[
    Key::new("context", Shape::Text(rule::path), Effect::Replace)
        .default("`.`")
        .says("the folder whose files the Dockerfile can copy, without what `.dockerignore` in it lists")
        .such_as("./image"),
    Key::new("dockerfile", Shape::Text(rule::path), Effect::Replace)
        .default("`Dockerfile`")
        .says("the Dockerfile, seen from the context and in it")
        .such_as("docker/Dockerfile")
        .also(&["file"]),
    Key::new("target", Shape::Text(rule::argument), Effect::Replace)
        .default("the last stage")
        .says("the stage of the Dockerfile that is built")
        .such_as("dev"),
    Key::new("args", ENV, Effect::Replace)
        .says("values of the Dockerfile's `ARG`; they are in the image's history, and no place for secrets")
        .such_as("{VERSION: 1.2}")
        .also(&["build_args"]),
];

pub(super) const MOUNT: &[Key] = &[
    Key::new("source", Shape::Text(rule::mount_source), Effect::Replace)
        .required("source: ./data")
        .says(
            "a path that begins with `/`, `./`, `../` or `~/`, seen from the file; any other word is the name of a \
             volume that the engine has",
        )
        .such_as("./data")
        .also(&["src", "path"]),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .required("target: /data")
        .says("where it is in the main container")
        .such_as("/data")
        .also(&["dst", "destination"]),
    Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Replace)
        .default("`rw`")
        .says("`ro`: the container can only read it")
        .such_as("ro"),
    Key::new("exclude", EXCLUDE, Effect::Replace).says("as `workspace.exclude`").such_as("[target]"),
];

pub(super) const VOLUME: &[Key] = &[
    Key::new("name", Shape::Text(rule::volume_name), Effect::Replace)
        .required("name: cache")
        .says("its name within the sandbox")
        .such_as("cache"),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .required("target: /var/cache/app")
        .says("where it is in the main container")
        .such_as("/var/cache/app"),
    Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Replace)
        .default("`rw`")
        .says("`ro`: the container can only read it")
        .such_as("ro"),
];

pub(super) const PORT: &[Key] = &[
    Key::new("target", Shape::Scalar(rule::port_number), Effect::Replace)
        .required("target: 80")
        .says("the port of the main container")
        .such_as("80"),
    Key::new("published", Shape::Scalar(rule::port_number), Effect::Replace)
        .default("a free one, which is kept")
        .says("the port of the Docker host")
        .such_as("8080")
        .also(&["host", "host_port"]),
    Key::new("host_ip", Shape::Text(rule::port_address), Effect::Replace)
        .default("`127.0.0.1`")
        .says("the address of the Docker host that it is published on")
        .such_as("0.0.0.0")
        .also(&["address", "ip"]),
    Key::new("protocol", Shape::Choice(&["tcp", "udp"]), Effect::Replace)
        .default("`tcp`")
        .says("its protocol")
        .such_as("udp"),
    Key::new("name", Shape::Text(rule::port_name), Effect::Nothing).says("what `moat status` calls it").such_as("web"),
];

pub(super) const CONTAINER: &[Key] = &[
    Key::new("memory", Shape::Scalar(rule::memory), Effect::Limit)
        .default("75 % of the Docker host's")
        .says("how much memory it may use: `512m`, `2g`, with powers of 1024; a bare number counts MB")
        .such_as("512m")
        .also(&["mem", "mem_limit"]),
    Key::new("cpus", Shape::Scalar(rule::cpus), Effect::Limit)
        .default("no limit")
        .says("how many processors it may use, in parts if need be: `1.5`")
        .such_as("1.5")
        .also(&["cpu"]),
    Key::new("pids", Shape::Scalar(rule::pids), Effect::Limit)
        .default("`4096`")
        .says("how many processes and threads it may have")
        .such_as("512")
        .also(&["pids_limit"]),
    Key::new("dns", Shape::List { item: &Shape::Text(rule::address), if_empty: None, unique: true }, Effect::Replace)
        .default("the engine's own")
        .says("addresses of name servers")
        .such_as("[1.1.1.1]"),
    Key::new("ulimits", Shape::Map { name: rule::ulimit_name, value: &Shape::Scalar(rule::ulimit) }, Effect::Replace)
        .default("the engine's own")
        .says("limits of each process: `SOFT:HARD`, or one number for both; -1 is none")
        .such_as("{nofile: 1024:4096}"),
    Key::new("shm", Shape::Scalar(rule::memory), Effect::Replace)
        .default("the engine's own: 64m")
        .says("the size of `/dev/shm`, written as `memory` is")
        .such_as("256m")
        .also(&["shm_size"]),
    Key::new("oom_score_adj", Shape::Scalar(rule::oom_score_adj), Effect::Replace)
        .default("`500`")
        .says(
            "which processes the kernel ends first where the Docker host is out of memory: from -1000, never, to 1000",
        )
        .such_as("200")
        .also(&["oom_score"]),
    Key::new("logging", Shape::Keys(LOGGING), Effect::Replace)
        .default("the engine's driver; `json-file` and `local` with `max-size: 10m` and `max-file: 3`")
        .says("where the engine keeps what the container writes; in place of all of the default")
        .such_as("{driver: local}")
        .also(&["log", "log_config"]),
];

const LOGGING: &[Key] = &[
    Key::new("driver", Shape::Text(rule::log_driver), Effect::Replace)
        .default("the engine's own")
        .says("a log driver of the engine; `moat logs` needs one that can be read")
        .such_as("local"),
    Key::new("options", LOG_OPTIONS, Effect::Replace)
        .says("options of the driver; they are shown, and no place for secrets")
        .such_as("{max-size: 50m}")
        .also(&["opts"]),
];

const LOG_OPTIONS: Shape = Shape::Map { name: rule::log_option, value: &Shape::Scalar(rule::argument) };

const SIDECAR_LOGGING: &[Key] = &[
    Key::new("driver", Shape::Text(rule::log_driver), Effect::Sidecar)
        .default("the engine's own")
        .says("as `container.logging.driver`")
        .such_as("local"),
    Key::new("options", LOG_OPTIONS, Effect::Sidecar)
        .says("as `container.logging.options`")
        .such_as("{max-size: 50m}")
        .also(&["opts"]),
];

pub(super) const NETWORK: &[Key] = &[
    Key::new("subnet", Shape::Text(rule::subnet), Effect::Network)
        .default("a free one of moat's range")
        .says("its addresses")
        .such_as("10.99.0.0/24"),
    Key::new("internal", Shape::Bool, Effect::Network)
        .default("`false`")
        .says("whether nothing outside is reached from it")
        .such_as("true"),
    Key::new("build", Shape::Choice(&["default", "none"]), Effect::Nothing)
        .default("`none` with `internal` where a Dockerfile or hooks are run, otherwise `default`")
        .says(
            "what steps of a build reach: `default`, whatever the Docker host reaches; `none`, nothing; images, and what \
             `ADD` names, are fetched by the engine all the same",
        )
        .such_as("default"),
    Key::new("extra_hosts", Shape::Map { name: rule::host_name, value: &Shape::Text(rule::host) }, Effect::Replace)
        .says("names that the main container finds at an address, or with `host-gateway` at the engine's machine")
        .such_as("{db.test: 10.0.0.7}")
        .also(&["hosts", "add_host"]),
];

pub(super) const HEALTHCHECK: &[Key] = &[
    Key::new("command", COMMAND, Effect::Replace)
        .required("command: curl -f localhost:3000")
        .says("what is run: a shell's command line, or a program with its arguments")
        .such_as("[pg_isready]")
        .also(&["test", "cmd"]),
    Key::new("interval", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`30s`")
        .says("between two checks of a container that is well")
        .such_as("10s"),
    Key::new("timeout", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`10s`")
        .says("a check that takes longer has failed")
        .such_as("5s"),
    Key::new("start_period", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`60s`")
        .says("how long it may take to get ready; failures do not count until then")
        .such_as("2m"),
    Key::new("retries", Shape::Scalar(rule::count), Effect::Replace)
        .default("`3`")
        .says("how many failures in a row make it unhealthy")
        .such_as("5"),
];

pub(super) const HOOKS: &[Key] = &[
    Key::new("post_build_root", SCRIPT, Effect::Replace)
        .says("run as root, at the end of making the image; a list is run line by line, up to the first that fails")
        .such_as("apt-get update"),
    Key::new("post_build", SCRIPT, Effect::Replace)
        .says("run as the user `agent`, after that")
        .such_as("[npm ci, npm run build]"),
    Key::new("pre_run", SCRIPT, Effect::Replace)
        .says("run in the main container at each start, before its command; what fails there ends it")
        .such_as("./prepare.sh"),
];

pub(super) const SERVICE: &[Key] = &[
    Key::new("image", Shape::Text(rule::image), Effect::Sidecar)
        .required("image: postgres:17")
        .says("its image")
        .such_as("postgres:17"),
    Key::new("env", ENV, Effect::Sidecar)
        .says("its environment variables")
        .such_as("{POSTGRES_PASSWORD: '${DB_PASSWORD}'}")
        .also(&["environment", "variables"]),
    Key::new("command", COMMAND, Effect::Sidecar)
        .default("the image's own")
        .says("what it runs: a shell's command line, or a program with its arguments")
        .such_as("[postgres, -c, fsync=off]")
        .also(&["cmd", "run"]),
    Key::new("volumes", SERVICE_VOLUMES, Effect::Sidecar)
        .says(
            "named volumes of its own, kept when the sandbox is destroyed: `NAME:TARGET`, `NAME:TARGET:ro`, or a mapping",
        )
        .such_as("['data:/var/lib/postgresql/data']"),
    Key::new("resources", Shape::Keys(RESOURCES), Effect::Sidecar)
        .says("its limits")
        .such_as("{memory: 1g}")
        .also(&["limits", "container"]),
    Key::new("ports", SERVICE_PORTS, Effect::Sidecar)
        .says("its ports that the Docker host reaches, written as a list or names as `ports` are")
        .such_as("['5432']"),
    Key::new("depends_on", DEPENDS_ON, Effect::Nothing)
        .says("services, and those that dependencies bring, that are ready before it starts")
        .such_as("[db]"),
    Key::new("logging", Shape::Keys(SIDECAR_LOGGING), Effect::Sidecar)
        .default("as `container.logging`")
        .says("as `container.logging`")
        .such_as("{driver: local}")
        .also(&["log"]),
    Key::new("wait", WAIT, Effect::Sidecar)
        .default("it is waited for until it runs")
        .says("a command in it that exits 0 once it is ready, and for as long as it is well, or a mapping")
        .such_as("pg_isready")
        .also(&["healthcheck", "health", "ready"]),
];

const SERVICE_PORTS: Shape = Shape::Either(&[
    Shape::Map { name: rule::port_name, value: &Shape::Scalar(rule::port) },
    Shape::List { item: &Shape::Scalar(rule::port), if_empty: None, unique: true },
]);

const DEPENDS_ON: Shape = Shape::List { item: &Shape::Text(rule::argument), if_empty: None, unique: true };

const SERVICE_VOLUMES: Shape = Shape::List {
    item: &Shape::Either(&[
        Shape::Text(rule::volume),
        Shape::Keys(&[
            Key::new("name", Shape::Text(rule::volume_name), Effect::Sidecar)
                .required("name: data")
                .says("its name within the service")
                .such_as("data"),
            Key::new("target", Shape::Text(rule::place), Effect::Sidecar)
                .required("target: /var/lib/postgresql/data")
                .says("where it is in the service's container")
                .such_as("/var/lib/postgresql/data"),
            Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Sidecar)
                .default("`rw`")
                .says("`ro`: the container can only read it")
                .such_as("ro"),
        ]),
    ]),
    if_empty: None,
    unique: true,
};

const WAIT: Shape = Shape::Either(&[
    Shape::Text(rule::argument),
    Shape::List { item: &Shape::Scalar(rule::argument), if_empty: Some("write a program"), unique: false },
    Shape::Keys(&[
        Key::new("command", COMMAND, Effect::Sidecar)
            .required("command: pg_isready")
            .says("what is run: a shell's command line, or a program with its arguments")
            .such_as("[pg_isready]")
            .also(&["test", "cmd"]),
        Key::new("timeout", Shape::Scalar(rule::duration), Effect::Nothing)
            .default("`60s`")
            .says("how long it may say no after the start")
            .such_as("2m"),
    ]),
]);

pub(super) const BUILDKIT: &[Key] = &[
    Key::new("image", Shape::Text(rule::image), Effect::Sidecar)
        .default("a BuildKit of a version that this moat was tested with")
        .says("the image of the sidecar")
        .such_as("moby/buildkit:latest"),
    Key::new("cache", Shape::Choice(&["keep", "discard"]), Effect::Nothing)
        .default("`keep`")
        .says("whether `moat destroy` keeps the build cache")
        .such_as("discard"),
    Key::new("cache_limit", Shape::Scalar(rule::cache_limit), Effect::Sidecar)
        .default("`20g`")
        .says("how large the build cache may grow, written as `container.memory` is")
        .such_as("50g"),
    Key::new("config", Shape::Text(rule::argument), Effect::Sidecar)
        .default("moat's own")
        .says("the text of a `buildkitd.toml` in place of moat's")
        .such_as("\"[worker.oci]\\n  max-parallelism = 4\\n\""),
    Key::new("resources", Shape::Keys(RESOURCES), Effect::Sidecar)
        .says("limits of the sidecar")
        .such_as("{memory: 4g}"),
    Key::new("logging", Shape::Keys(SIDECAR_LOGGING), Effect::Sidecar)
        .default("as `container.logging`")
        .says("as `container.logging`")
        .such_as("{driver: local}")
        .also(&["log"]),
];

const RESOURCES: &[Key] = &[
    Key::new("memory", Shape::Scalar(rule::memory), Effect::SidecarLimit)
        .default("75 % of the Docker host's")
        .says("as `container.memory`")
        .such_as("4g"),
    Key::new("cpus", Shape::Scalar(rule::cpus), Effect::SidecarLimit)
        .default("no limit")
        .says("as `container.cpus`")
        .such_as("2"),
    Key::new("pids", Shape::Scalar(rule::pids), Effect::SidecarLimit)
        .default("`4096`")
        .says("as `container.pids`")
        .such_as("1000"),
    Key::new("oom_score_adj", Shape::Scalar(rule::oom_score_adj), Effect::Sidecar)
        .default("`500`")
        .says("as `container.oom_score_adj`")
        .such_as("200"),
];
