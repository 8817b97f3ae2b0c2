//! The example of the README, from apply to destroy, with each promise checked from outside.

use expect_test::expect;
use serde_json::{Value, json};
use testkit::engine::{Inventory, engine};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

#[test]
fn a_sandbox_that_builds_and_runs_images() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(DIND);
    assert_eq!(sandbox.status()["state"], "absent");

    sandbox.apply();
    sandbox.assert_ready();
    // Ready means that it works at once, without a retry.
    sandbox.sh_ok("mkdir /work && cd /work && printf 'FROM busybox\\nCMD echo hello from x\\n' >Dockerfile");
    sandbox.sh_ok("cd /work && docker build -t x .");
    assert_eq!(sandbox.moat(&["exec", "--", "docker", "run", "--rm", "x"]).ok().stdout, "hello from x\n");

    let ids = (sandbox.main(), sandbox.sidecar());
    sandbox.apply();
    assert_eq!((sandbox.main(), sandbox.sidecar()), ids);

    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    before.assert_unchanged(&sandbox.agent);
    assert_eq!(sandbox.status()["state"], "absent");
}

#[test]
fn status_lists_the_resources() {
    let sandbox = Sandbox::applied(DIND);
    let mut status = sandbox.status();
    assert_eq!(status["run"], sandbox.run_id());
    assert_eq!(status["agent"], sandbox.agent);
    let cache = status["builds"]["cache_bytes"].take();
    assert!(cache.is_u64(), "{cache}");
    assert_eq!(
        status["builds"],
        json!({"routed": true, "builder": "moat", "reason": null, "hint": null, "cache_bytes": null})
    );
    assert_eq!(resources(&sandbox, &status), objects_on_engine(&sandbox));
    expect![[r#"
        exit 0
        == stdout
        builder: ready
        isolation: privileged
        builds: routed to moat (cache 0 B)

        RESOURCE  NAME  STATE  READY
        image  docker:dind  present  yes
        image  moby/buildkit:v0.32.2  present  yes
        network/agent  moat-R  present  yes
        volume/buildkit-cache  moat-R-buildkit-cache  present  yes
        volume/buildkit-socket  moat-R-buildkit-socket  present  yes
        volume/docker  moat-R-docker  present  yes
        container/buildkit  moat-buildkit-R  running  yes
        container/main  moat-R  running  yes
    "#]]
    .assert_eq(&sandbox.moat(&["status"]).transcript());
}

#[test]
fn a_sandbox_without_dependencies_is_a_network_and_a_container() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(PLAIN);
    let status = sandbox.status();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["builds"], Value::Null);
    assert_eq!(resources(&sandbox, &status), ["container main moat-R running", "network support moat-R"]);
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "false");
    sandbox.moat(&["destroy"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_missing_image_is_pulled() {
    let sandbox = Sandbox::new(PLAIN);
    let image = format!("127.0.0.1:5000/{}:1", sandbox.agent);
    engine().docker(&["pull", "--quiet", "busybox"]);
    engine().docker(&["tag", "busybox", &image]);
    engine().docker(&["push", "--quiet", &image]);
    engine().docker(&["rmi", &image]);
    sandbox.rewrite(&format!("image: {image}\n"));
    expect![[r#"
        exit 0
        == stdout
        1.  pull image 127.0.0.1:5000/builder:1: missing
        2.  create network moat-R: missing
        3.  create container moat-R after 1, 2: missing
        4.  start container moat-R after 3: missing
        5.  await container moat-R after 4: missing

        Plan: 5 to do (1 pull, 2 create, 1 start, 1 await)
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript().replace(&image, "IMAGE"));
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", "{{.Config.Image}}"), image);
    sandbox.moat(&["destroy"]).ok();
    engine().docker(&["rmi", &image]);
}

/// The resources of a status, one a line; fails unless the ids are the engine's.
fn resources(sandbox: &Sandbox, status: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["resources"].as_array().expect("a list");
    let mut lines = Vec::new();
    for it in all.iter().filter(|it| it["kind"] != "image") {
        assert_eq!(it["ready"], true, "{it}");
        let (kind, name, id) = (text(&it["kind"]), text(&it["name"]), text(&it["id"]));
        if kind != "volume" {
            let actual = engine().docker(&[&kind, "inspect", "--format", "{{.Id}}", &name]);
            assert_eq!(actual, id, "{it}");
        }
        let state = if kind == "container" { format!(" {}", text(&it["state"])) } else { String::new() };
        lines.push(format!("{kind} {} {}{state}", text(&it["role"]), name.replace(&sandbox.run_id(), "R")));
    }
    lines.sort();
    lines
}

/// The expected objects, by name.
fn objects_on_engine(sandbox: &Sandbox) -> Vec<String> {
    let run = sandbox.run_id();
    assert_eq!(sandbox.inspect("main", "{{.Name}}"), format!("/moat-{run}"));
    assert_eq!(sandbox.inspect("buildkit", "{{.Name}} {{.Config.Hostname}}"), format!("/moat-buildkit-{run} buildkit"));
    [
        "container main moat-R running",
        "container sidecar moat-buildkit-R running",
        "network support moat-R",
        "volume support moat-R-buildkit-cache",
        "volume support moat-R-buildkit-socket",
        "volume support moat-R-docker",
    ]
    .map(str::to_owned)
    .to_vec()
}
