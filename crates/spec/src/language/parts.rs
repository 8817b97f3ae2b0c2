//! The nested keys.

use super::{COMMAND, ENV, PATHS, SCRIPT};
use crate::build;
use crate::rule;
use crate::shape::{Effect, Key, Shape};

const EXCLUDE: Shape = Shape::List { item: &Shape::Text(rule::excluded), if_empty: None, unique: true };

pub(super) const WORKSPACE: &[Key] = &[
    Key::new("path", Shape::Text(rule::folder), Effect::Replace)
        .default("`.`")
        .summary("the folder on this host, relative to the file; only with `mode: bind`")
        .example("./app"),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .default("`/workspace`")
        .summary("its path in the main container")
        .example("/src"),
    Key::new("mode", Shape::Choice(&["bind", "volume"]), Effect::Replace)
        .default("`bind`")
        .summary("`bind`: the folder itself; `volume`: a volume of the sandbox, initially empty, kept on destroy")
        .example("volume"),
    Key::new("exclude", EXCLUDE, Effect::Replace)
        .summary("folders in it to hide behind empty in-memory folders, which are lost when the container stops")
        .example("[node_modules]"),
];

const BUILD_SECRETS: Shape = Shape::Either(&[
    Shape::List { item: &Shape::Text(build::secret_id), if_empty: None, unique: true },
    Shape::Map { name: build::secret_id, value: &Shape::Text(rule::secret) },
]);

pub(super) const BUILD: &[Key] = &[
    Key::new("context", Shape::Text(rule::path), Effect::Replace)
        .default("`.`")
        .summary("the folder whose files the Dockerfile can copy, without those listed in its `.dockerignore`")
        .example("./image"),
    Key::new("dockerfile", Shape::Text(rule::path), Effect::Replace)
        .default("`Dockerfile`")
        .summary("the Dockerfile, relative to the context and inside it")
        .example("docker/Dockerfile")
        .also(&["file"]),
    Key::new("target", Shape::Text(rule::argument), Effect::Replace)
        .default("the last stage")
        .summary("the stage of the Dockerfile to build")
        .example("dev"),
    Key::new("args", ENV, Effect::Replace)
        .summary("values of the Dockerfile's `ARG`; never put secrets here: the image history shows them")
        .example("{VERSION: 1.2}")
        .also(&["build_args"]),
    Key::new("secrets", BUILD_SECRETS, Effect::Replace)
        .summary(
            "files for `RUN --mount=type=secret,id=NAME`: names from `secrets`, or names with sources as there, which \
             the sandbox does not get; not part of the image, and a new value rebuilds nothing",
        )
        .example("{npm: file://~/.npmrc}"),
];

pub(super) const MOUNT: &[Key] = &[
    Key::new("source", Shape::Text(rule::mount_source), Effect::Replace)
        .required("source: ./data")
        .summary(
            "a path that starts with `/`, `./`, `../` or `~/`, relative to the file; any other word is the name of \
             an existing volume",
        )
        .example("./data")
        .also(&["src", "path"]),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .required("target: /data")
        .summary("its path in the main container")
        .example("/data")
        .also(&["dst", "destination"]),
    Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Replace)
        .default("`rw`")
        .summary("`ro`: read-only in the container")
        .example("ro"),
    Key::new("exclude", EXCLUDE, Effect::Replace).summary("as `workspace.exclude`").example("[target]"),
];

pub(super) const VOLUME: &[Key] = &[
    Key::new("name", Shape::Text(rule::volume_name), Effect::Replace)
        .required("name: cache")
        .summary("its name within the sandbox")
        .example("cache"),
    Key::new("target", Shape::Text(rule::place), Effect::Replace)
        .required("target: /var/cache/app")
        .summary("its path in the main container")
        .example("/var/cache/app"),
    Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Replace)
        .default("`rw`")
        .summary("`ro`: read-only in the container")
        .example("ro"),
];

pub(super) const PORT: &[Key] = &[
    Key::new("target", Shape::Scalar(rule::port_number), Effect::Replace)
        .required("target: 80")
        .summary("the port of the main container")
        .example("80"),
    Key::new("published", Shape::Scalar(rule::port_number), Effect::Replace)
        .default("a free one that is kept")
        .summary("the port of the Docker host")
        .example("8080")
        .also(&["host", "host_port"]),
    Key::new("host_ip", Shape::Text(rule::port_address), Effect::Replace)
        .default("`127.0.0.1`")
        .summary("the address of the Docker host on which it is published")
        .example("0.0.0.0")
        .also(&["address", "ip"]),
    Key::new("protocol", Shape::Choice(&["tcp", "udp"]), Effect::Replace)
        .default("`tcp`")
        .summary("its protocol")
        .example("udp"),
    Key::new("name", Shape::Text(rule::port_name), Effect::Nothing)
        .summary("the name that `moat status` shows")
        .example("web"),
];

pub(super) const CONTAINER: &[Key] = &[
    Key::new("memory", Shape::Scalar(rule::memory), Effect::Limit)
        .default("75 % of the Docker host's")
        .summary("its maximum memory: `512m`, `2g`, in powers of 1024; a number without a unit is in MB")
        .example("512m")
        .also(&["mem", "mem_limit"]),
    Key::new("cpus", Shape::Scalar(rule::cpus), Effect::Limit)
        .default("no limit")
        .summary("its maximum number of CPUs; fractions are allowed: `1.5`")
        .example("1.5")
        .also(&["cpu"]),
    Key::new("pids", Shape::Scalar(rule::pids), Effect::Limit)
        .default("`4096`")
        .summary("its maximum number of processes and threads")
        .example("512")
        .also(&["pids_limit"]),
    Key::new("dns", Shape::List { item: &Shape::Text(rule::address), if_empty: None, unique: true }, Effect::Replace)
        .default("the engine's own")
        .summary("addresses of name servers")
        .example("[1.1.1.1]"),
    Key::new("ulimits", Shape::Map { name: rule::ulimit_name, value: &Shape::Scalar(rule::ulimit) }, Effect::Replace)
        .default("the engine's own")
        .summary("limits of each process: `SOFT:HARD`, or one number for both; -1 is unlimited")
        .example("{nofile: 1024:4096}"),
    Key::new("shm", Shape::Scalar(rule::memory), Effect::Replace)
        .default("the engine's own: 64m")
        .summary("the size of `/dev/shm`, in the format of `memory`")
        .example("256m")
        .also(&["shm_size"]),
    Key::new("runtime", Shape::Text(rule::runtime), Effect::Replace)
        .default("the engine's own: `runc`")
        .summary(
            "the OCI runtime of main, by its name in the engine's settings, such as `runsc` (gVisor), `kata` or \
             `sysbox-runc`; sidecars and services keep the engine's default",
        )
        .example("runsc"),
    Key::new("oom_score_adj", Shape::Scalar(rule::oom_score_adj), Effect::Replace)
        .default("`500`")
        .summary(
            "the priority with which the kernel kills its processes when the Docker host is out of memory: from \
             -1000 (never) to 1000 (first)",
        )
        .example("200")
        .also(&["oom_score"]),
    Key::new("logging", Shape::Keys(LOGGING), Effect::Replace)
        .default("the engine's driver; `json-file` and `local` with `max-size: 10m` and `max-file: 3`")
        .summary("the container's log driver; replaces the whole default")
        .example("{driver: local}")
        .also(&["log", "log_config"]),
];

const LOGGING: &[Key] = &[
    Key::new("driver", Shape::Text(rule::log_driver), Effect::Replace)
        .default("the engine's own")
        .summary("a log driver of the engine; `moat logs` needs one that supports reading")
        .example("local"),
    Key::new("options", LOG_OPTIONS, Effect::Replace)
        .summary("options of the driver; never put secrets here: they are shown")
        .example("{max-size: 50m}")
        .also(&["opts"]),
];

const LOG_OPTIONS: Shape = Shape::Map { name: rule::log_option, value: &Shape::Scalar(rule::argument) };

const SIDECAR_LOGGING: &[Key] = &[
    Key::new("driver", Shape::Text(rule::log_driver), Effect::Sidecar)
        .default("the engine's own")
        .summary("as `container.logging.driver`")
        .example("local"),
    Key::new("options", LOG_OPTIONS, Effect::Sidecar)
        .summary("as `container.logging.options`")
        .example("{max-size: 50m}")
        .also(&["opts"]),
];

pub(super) const HEALTHCHECK: &[Key] = &[
    Key::new("command", COMMAND, Effect::Replace)
        .required("command: curl -f localhost:3000")
        .summary("the check: a shell command line, or a program with arguments")
        .example("[pg_isready]")
        .also(&["test", "cmd"]),
    Key::new("interval", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`30s`")
        .summary("the time between two checks of a healthy container")
        .example("10s"),
    Key::new("timeout", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`10s`")
        .summary("a check that takes longer fails")
        .example("5s"),
    Key::new("start_period", Shape::Scalar(rule::duration), Effect::Replace)
        .default("`60s`")
        .summary("the time to become ready; failures do not count until then")
        .example("2m"),
    Key::new("retries", Shape::Scalar(rule::count), Effect::Replace)
        .default("`3`")
        .summary("the number of consecutive failures that make it unhealthy")
        .example("5"),
];

pub(super) const HOOKS: &[Key] = &[
    Key::new("post_build_root", SCRIPT, Effect::Replace)
        .summary("runs as root at the end of the image build; a list runs line by line, up to the first failure")
        .example("apt-get update"),
    Key::new("post_build", SCRIPT, Effect::Replace)
        .summary("runs as the user `agent`, after `post_build_root`")
        .example("[npm ci, npm run build]"),
    Key::new("pre_run", SCRIPT, Effect::Replace)
        .summary("runs in the main container at each start, before its command; a failure stops the container")
        .example("./prepare.sh"),
];

pub(super) const SERVICE: &[Key] = &[
    Key::new("image", Shape::Text(rule::image), Effect::Sidecar)
        .required("image: postgres:17")
        .summary("its image")
        .example("postgres:17"),
    Key::new("platform", Shape::Scalar(rule::platform), Effect::Sidecar)
        .default("the Docker host's, or that of an image that the engine already has")
        .summary("the platform of its image: `linux/ARCHITECTURE`")
        .example("linux/arm64"),
    Key::new("env", ENV, Effect::Sidecar)
        .summary("its environment variables")
        .example("{POSTGRES_PASSWORD: '${DB_PASSWORD}'}")
        .also(&["environment", "variables"]),
    Key::new("command", COMMAND, Effect::Sidecar)
        .default("the image's own")
        .summary("its command: a shell command line, or a program with arguments")
        .example("[postgres, -c, fsync=off]")
        .also(&["cmd", "run"]),
    Key::new("volumes", SERVICE_VOLUMES, Effect::Sidecar)
        .summary("its named volumes, kept on destroy: `NAME:TARGET`, `NAME:TARGET:ro`, or a mapping")
        .example("['data:/var/lib/postgresql/data']"),
    Key::new("resources", Shape::Keys(RESOURCES), Effect::Sidecar)
        .summary("its limits")
        .example("{memory: 1g}")
        .also(&["limits", "container"]),
    Key::new("ports", SERVICE_PORTS, Effect::Sidecar)
        .summary("its ports to publish on the Docker host, as a list or by name as in `ports`")
        .example("['5432']"),
    Key::new("depends_on", DEPENDS_ON, Effect::Nothing)
        .summary("services, including those of dependencies, that must be ready before it starts")
        .example("[db]"),
    Key::new("logging", Shape::Keys(SIDECAR_LOGGING), Effect::Sidecar)
        .default("as `container.logging`")
        .summary("as `container.logging`")
        .example("{driver: local}")
        .also(&["log"]),
    Key::new("wait", WAIT, Effect::Sidecar)
        .default("ready when it runs")
        .summary("a command in it that exits 0 when it is ready and while it is healthy, or a mapping")
        .example("pg_isready")
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
                .summary("its name within the service")
                .example("data"),
            Key::new("target", Shape::Text(rule::place), Effect::Sidecar)
                .required("target: /var/lib/postgresql/data")
                .summary("its path in the service's container")
                .example("/var/lib/postgresql/data"),
            Key::new("mode", Shape::Choice(&["ro", "rw"]), Effect::Sidecar)
                .default("`rw`")
                .summary("`ro`: read-only in the container")
                .example("ro"),
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
            .summary("the check: a shell command line, or a program with arguments")
            .example("[pg_isready]")
            .also(&["test", "cmd"]),
        Key::new("timeout", Shape::Scalar(rule::duration), Effect::Nothing)
            .default("`60s`")
            .summary("the time to become ready after the start")
            .example("2m"),
    ]),
]);

pub(super) const BUILDKIT: &[Key] = &[
    Key::new("image", Shape::Text(rule::image), Effect::Sidecar)
        .default("the BuildKit version that this moat was tested with")
        .summary("the image of the sidecar")
        .example("moby/buildkit:latest"),
    Key::new("cache", Shape::Choice(&["keep", "discard", "run"]), Effect::Sidecar)
        .default("`keep`")
        .summary(
            "`keep`: `moat destroy` keeps the build cache; `discard`: it removes the cache; `run`: the same, and the \
             cache starts empty",
        )
        .example("discard"),
    Key::new("cache_limit", Shape::Scalar(rule::cache_limit), Effect::Sidecar)
        .default("`20g`")
        .summary("the maximum size of the build cache, in the format of `container.memory`")
        .example("50g"),
    Key::new("config", Shape::Text(rule::builder_config), Effect::Sidecar)
        .default("moat's own")
        .summary("the text of a `buildkitd.toml` that is merged into moat's, and overrides it key by key")
        .example("\"[worker.oci]\\n  max-parallelism = 4\\n\""),
    Key::new("env", ENV, Effect::Sidecar)
        .summary("environment variables of the sidecar; it also has main's proxy variables, such as `HTTPS_PROXY`")
        .example("{BUILDKIT_STEP_LOG_MAX_SIZE: 10485760}")
        .also(&["environment", "variables"]),
    Key::new("resources", Shape::Keys(RESOURCES), Effect::Sidecar)
        .summary("limits of the sidecar")
        .example("{memory: 4g}"),
    Key::new("logging", Shape::Keys(SIDECAR_LOGGING), Effect::Sidecar)
        .default("as `container.logging`")
        .summary("as `container.logging`")
        .example("{driver: local}")
        .also(&["log"]),
];

const MIRRORS: Shape = Shape::Map {
    name: rule::registry,
    value: &Shape::Either(&[
        Shape::Text(rule::mirror),
        Shape::List {
            item: &Shape::Text(rule::mirror),
            if_empty: Some("write a mirror, or remove the registry"),
            unique: true,
        },
    ]),
};

pub(super) const REGISTRIES: &[Key] = &[
    Key::new("mirrors", MIRRORS, Effect::Docker)
        .summary(
            "mirrors of a registry, tried before it, such as `https://HOST:PORT`; the inner daemon supports mirrors of \
             `docker.io` only",
        )
        .example("{docker.io: 'https://mirror.example'}"),
    Key::new("ca_certificates", PATHS, Effect::Docker)
        .summary(
            "files with certificates in PEM format, relative to this file, of CAs that Docker, the sidecar and programs \
             of the main container trust",
        )
        .example("./ca.pem")
        .also(&["ca", "certificates"]),
];

const RESOURCES: &[Key] = &[
    Key::new("memory", Shape::Scalar(rule::memory), Effect::SidecarLimit)
        .default("75 % of the Docker host's")
        .summary("as `container.memory`")
        .example("4g"),
    Key::new("cpus", Shape::Scalar(rule::cpus), Effect::SidecarLimit)
        .default("no limit")
        .summary("as `container.cpus`")
        .example("2"),
    Key::new("pids", Shape::Scalar(rule::pids), Effect::SidecarLimit)
        .default("`4096`")
        .summary("as `container.pids`")
        .example("1000"),
    Key::new("oom_score_adj", Shape::Scalar(rule::oom_score_adj), Effect::Sidecar)
        .default("`500`")
        .summary("as `container.oom_score_adj`")
        .example("200"),
];
