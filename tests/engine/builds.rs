//! All builds in the main container run on the sidecar, for all users and tools, and fail if it is unreachable.
//!
//! The output of a build is the same on both builders. The tests therefore compare their state: the sidecar's cache and
//! history, and the build cache of the inner Docker.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

/// A sandbox shared by the tests that only build, in sequence: they count the records of each build.
pub fn shared() -> MutexGuard<'static, Sandbox> {
    static SHARED: OnceLock<Mutex<Sandbox>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(Sandbox::applied(DIND)));
    // A failed test leaves the sandbox usable.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of both builders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub sidecar_builds: usize,
    sidecar_bytes: u64,
    /// Records, and their size as Docker prints it.
    inside: String,
}

impl Kept {
    pub fn now(sandbox: &Sandbox) -> Self {
        let histories = sandbox.docker_exec("buildkit", &["buildctl", "debug", "histories"]);
        let records = sandbox.docker_exec("buildkit", &["buildctl", "du", "--format", "{{json .}}"]);
        let records: Option<Vec<serde_json::Value>> = serde_json::from_str(&records).expect("records as JSON");
        let sizes = records.iter().flatten().map(|it| it["size"].as_u64().unwrap_or_default());
        let format = "{{.Type}}: {{.TotalCount}} of {{.Size}}";
        let inside = sandbox.docker_exec("main", &["docker", "system", "df", "--format", format]);
        let inside = inside.lines().find(|line| line.starts_with("Build Cache")).unwrap_or("none at all").to_owned();
        // The first line is the table header.
        Self { sidecar_builds: histories.lines().skip(1).count(), sidecar_bytes: sizes.sum(), inside }
    }
}

/// Writes a build context to `/ctx/NAME`. The image prints the name, and cannot come from a cache.
fn context(sandbox: &Sandbox, name: &str) {
    let dockerfile = format!("FROM busybox\\nRUN echo {name} >/said && date >>/said\\nCMD head -n1 /said\\n");
    sandbox.sh_ok(&format!("mkdir -p /ctx/{name} && printf '{dockerfile}' >/ctx/{name}/Dockerfile"));
}

/// Checks that `script`, which builds the context NAME as the image NAME, uses the sidecar only.
pub fn builds_on_the_sidecar(sandbox: &Sandbox, name: &str, script: &str) {
    context(sandbox, name);
    let before = Kept::now(sandbox);
    sandbox.sh_ok(&format!("cd /ctx/{name} && {script}"));
    let after = Kept::now(sandbox);
    assert_eq!(after.sidecar_builds, before.sidecar_builds + 1, "builds in the sidecar's history: {script}");
    assert!(after.sidecar_bytes > before.sidecar_bytes, "{before:?} {after:?}");
    assert_eq!(after.inside, before.inside, "the cache of the Docker inside");
    assert_eq!(sandbox.sh_ok(&format!("docker run --rm {name}")), name);
}

#[test]
fn the_environment_names_the_builder() {
    let sandbox = shared();
    for (name, value) in [
        ("BUILDKIT_HOST", "unix:///run/buildkit/buildkitd.sock"),
        ("BUILDX_BUILDER", "moat"),
        ("DOCKER_HOST", "unix:///var/run/docker.sock"),
    ] {
        assert_eq!(sandbox.moat(&["exec", "--", "printenv", name]).ok().stdout, format!("{value}\n"));
    }
}

#[test]
fn docker_build() {
    builds_on_the_sidecar(&shared(), "plain", "docker build -t plain .");
}

#[test]
fn docker_buildx_build() {
    builds_on_the_sidecar(&shared(), "buildx", "docker buildx build -t buildx .");
}

#[test]
fn docker_buildx_bake() {
    let bake = "printf 'target \"default\" {\\n tags = [\"bake\"]\\n}\\n' >docker-bake.hcl && docker buildx bake";
    builds_on_the_sidecar(&shared(), "bake", bake);
}

#[test]
fn docker_compose_build() {
    let compose =
        "printf 'services:\\n  a:\\n    build: .\\n    image: compose\\n' >compose.yaml && docker compose build";
    builds_on_the_sidecar(&shared(), "compose", compose);
}

#[test]
fn a_login_shell_that_lost_the_environment() {
    let build = "env -i HOME=/root PATH=$PATH sh -lc 'docker build -t login .'";
    builds_on_the_sidecar(&shared(), "login", build);
}

#[test]
fn a_builder_of_an_earlier_version_is_replaced() {
    // A home directory may outlive the container, and tools copy it.
    let old = r#"{"Name":"moat","Driver":"remote","Nodes":[{"Name":"moat0","Endpoint":"tcp://buildkit:1234"}]}"#;
    let keep =
        format!("mkdir -p /tmp/old/.docker/buildx/instances && echo '{old}' >/tmp/old/.docker/buildx/instances/moat");
    builds_on_the_sidecar(&shared(), "old", &format!("{keep} && HOME=/tmp/old docker build -t old ."));
}

#[test]
fn a_process_that_lost_the_environment() {
    // No profile is read; only the files in the home directory select the builder.
    builds_on_the_sidecar(&shared(), "lost", "env -i HOME=/root PATH=$PATH docker build -t lost .");
    builds_on_the_sidecar(&shared(), "homeless", "env -i PATH=$PATH docker build -t homeless .");
}

#[test]
fn a_user_other_than_root() {
    let sandbox = shared();
    // A member of the socket's group.
    sandbox.sh_ok("useradd --create-home --gid $(stat -c %g /var/run/docker.sock) dev");
    // Home directories get their files at the start of the container.
    engine().docker(&["restart", &sandbox.main()]);
    sandbox.apply();
    let build = "su dev -c 'env -i HOME=/home/dev PATH=$PATH docker build -t dev .'";
    builds_on_the_sidecar(&sandbox, "dev", build);
    assert_eq!(sandbox.sh_ok("find /home/dev/.docker ! -user dev"), "", "files that are not their owner's");
}

#[test]
fn overriding_the_builder_builds_inside() {
    let sandbox = shared();
    context(&sandbox, "inside");
    let before = Kept::now(&sandbox);
    sandbox.sh_ok("docker build --builder default -t inside /ctx/inside");
    let after = Kept::now(&sandbox);
    assert_eq!(after.sidecar_builds, before.sidecar_builds);
    assert_ne!(after.inside, before.inside);
    assert_eq!(sandbox.sh_ok("docker run --rm inside"), "inside");
}

#[test]
fn a_cache_mount_persists_between_builds() {
    let sandbox = shared();
    let dockerfile = "FROM busybox\\nARG N\\nRUN --mount=type=cache,target=/c echo $N >>/c/seen && cp /c/seen /seen\\n\
         CMD cat /seen\\n";
    sandbox.sh_ok(&format!("mkdir -p /ctx/mount && printf '{dockerfile}' >/ctx/mount/Dockerfile"));
    let build = |n: u32| sandbox.sh_ok(&format!("docker build --build-arg N={n} -t mount /ctx/mount"));
    build(1);
    assert_eq!(sandbox.sh_ok("docker run --rm mount"), "1");
    build(2);
    assert_eq!(sandbox.sh_ok("docker run --rm mount"), "1\n2");
}

#[test]
fn names_resolve_in_run_steps() {
    let sandbox = shared();
    sandbox.sh_ok("mkdir -p /ctx/dns && printf 'FROM busybox\\nRUN nslookup buildkit\\n' >/ctx/dns/Dockerfile");
    sandbox.sh_ok("docker build -t dns /ctx/dns");
}

#[test]
fn without_the_sidecar_a_build_fails_instead_of_running_inside() {
    let sandbox = Sandbox::applied(DIND);
    context(&sandbox, "alone");
    let sidecar = sandbox.sidecar();
    engine().docker(&["stop", &sidecar]);
    let before = sandbox.docker_exec("main", &["docker", "system", "df"]);
    let build = sandbox.sh("docker build -t alone /ctx/alone");
    assert!(build.code != 0, "{build}");
    assert_eq!(sandbox.docker_exec("main", &["docker", "system", "df"]), before);
    assert_eq!(sandbox.docker_exec("main", &["docker", "images", "-q", "alone"]), "");
    let builds = &sandbox.status()["builds"];
    assert_eq!(builds["routed"], false, "{builds}");

    sandbox.apply();
    assert_eq!(sandbox.sidecar(), sidecar);
    builds_on_the_sidecar(&sandbox, "again", "docker build -t again .");
}

#[test]
fn a_cache_of_the_run_is_seen_by_no_other() {
    let sandbox = Sandbox::applied(DIND);
    let dockerfile = "FROM busybox\\nARG N\\nRUN --mount=type=cache,target=/c echo $N >>/c/seen && cp /c/seen /seen\\n\
         CMD cat /seen\\n";
    // What a build with this name in the cache mount finds there.
    let seen = |name: &str| {
        sandbox.sh_ok(&format!("mkdir -p /ctx/mount && printf '{dockerfile}' >/ctx/mount/Dockerfile"));
        sandbox.sh_ok(&format!("docker build -q --build-arg N={name} -t mount /ctx/mount >/dev/null"));
        sandbox.sh_ok("docker run --rm mount")
    };
    assert_eq!(seen("kept"), "kept");
    let own = format!("{DIND}buildkit: {{cache: run}}\n");
    sandbox.rewrite(&own);
    sandbox.moat(&["apply", "--approve-all"]).ok();
    // Neither what was kept before, nor what an earlier run has put there.
    for run in ["first", "second"] {
        assert_eq!(seen(run), run);
        assert_eq!(seen("again"), format!("{run}\nagain"));
        sandbox.moat(&["destroy"]).ok();
        assert_eq!(sandbox.volumes(), [format!("moat-{}-buildkit-cache", sandbox.run_id())]);
        sandbox.moat(&["apply", "--approve-all"]).ok();
    }
    // The kept one is there again.
    sandbox.rewrite(DIND);
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(seen("later"), "kept\nlater");
    sandbox.moat(&["destroy"]).ok();
    assert_eq!(sandbox.volumes(), [format!("moat-{}-buildkit-cache", sandbox.run_id())]);
}

#[test]
fn the_cache_outlives_the_sandbox() {
    let sandbox = Sandbox::applied(DIND);
    context(&sandbox, "kept");
    sandbox.sh_ok("docker build -t kept /ctx/kept");
    let kept = Kept::now(&sandbox);
    sandbox.moat(&["destroy"]).ok();
    sandbox.apply();
    assert!(until(|| Kept::now(&sandbox).sidecar_bytes == kept.sidecar_bytes), "{kept:?} {:?}", Kept::now(&sandbox));
    // The inner Docker is a new one with an empty volume.
    assert_eq!(sandbox.sh_ok("docker images -q"), "");
}
