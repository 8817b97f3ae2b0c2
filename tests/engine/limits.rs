//! Limits: the defaults, limits changed with docker, and the errors for limits that are too low.

use std::fs;

use serde_json::Value;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// A container's limits in `docker inspect`.
const LIMITS: &str = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.OomScoreAdj}} \
                      {{json .HostConfig.LogConfig}}";

/// The default limits.
fn by_default() -> String {
    let total: u64 = engine().docker(&["info", "--format", "{{.MemTotal}}"]).parse().expect("a number");
    let memory = (total >> 20) * 75 / 100 * (1 << 20);
    format!(r#"{memory} 4096 500 {{"Type":"json-file","Config":{{"max-file":"3","max-size":"10m"}}}}"#)
}

fn nothing_to_do(sandbox: &Sandbox) {
    let ran = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn every_container_has_limits_by_default() {
    let sandbox = Sandbox::new(&format!("{PLAIN}services: {{db: {{image: lab/silent}}}}\n"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(!plan.contains("4096") && !plan.contains("max-size"), "they are part of no configuration: {plan}");
    sandbox.apply();
    for container in ["main", "db"] {
        assert_eq!(sandbox.inspect(container, LIMITS), by_default(), "{container}");
        assert_eq!(sandbox.docker_exec(container, &["cat", "/proc/1/oom_score_adj"]), "500", "{container}");
        let noted: Value =
            serde_json::from_str(&sandbox.inspect(container, "{{index .Config.Labels \"moat.defaults\"}}"))
                .expect("JSON");
        assert_eq!(noted["pids"], 4096, "{noted}");
        let config = sandbox.inspect(container, "{{index .Config.Labels \"moat.config\"}}");
        assert!(!config.contains("4096"), "{config}");
    }
    nothing_to_do(&sandbox);
}

#[test]
fn the_build_sidecar_has_limits_and_builds() {
    let sandbox = Sandbox::applied(DIND);
    for container in ["main", "buildkit"] {
        assert_eq!(sandbox.inspect(container, LIMITS), by_default(), "{container}");
    }
    let build = "mkdir -p /tmp/b && cd /tmp/b && printf 'FROM busybox\\nRUN echo a >/a\\n' >Dockerfile && \
                 docker build -q -t x . && docker run --rm x cat /a";
    assert!(sandbox.sh_ok(build).ends_with('a'));
}

#[test]
fn explicit_limits_apply_and_change_in_place() {
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    sandbox.rewrite(&format!("{PLAIN}container: {{memory: 512m, pids: 200}}\n"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("limits.memory unset -> \"512m\"") && plan.contains("limits.pids unset -> 200"), "{plan}");
    sandbox.apply();
    assert_eq!(sandbox.main(), main, "in place");
    assert!(sandbox.inspect("main", LIMITS).starts_with("536870912 200 500 "));
    nothing_to_do(&sandbox);
    // Without a value the default applies again.
    sandbox.rewrite(PLAIN);
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", LIMITS), by_default());
    nothing_to_do(&sandbox);
}

// `docker update` by an administrator.
#[test]
fn limits_changed_by_hand_are_reported() {
    let sandbox = Sandbox::applied(PLAIN);
    engine().docker(&["update", "--memory", "100m", "--memory-swap", "200m", &sandbox.main()]);
    let reported = "limits.memory \"100m\" -> unset";
    assert!(sandbox.moat(&["plan"]).ok().stdout.contains(reported), "{}", sandbox.moat(&["plan"]).ok());
    let why = sandbox.moat(&["why", "main"]).run();
    assert!(why.stdout.contains("limits.memory"), "{why}");
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", LIMITS), by_default());
    // A change in place does not cause a later replacement.
    sandbox.rewrite(&format!("{PLAIN}container: {{memory: 64m}}\n"));
    sandbox.apply();
    sandbox.rewrite(&format!("{PLAIN}container: {{memory: 64m}}\nenv: {{A: b}}\n"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("env.A unset -> \"b\"") && !plan.contains("limits"), "{plan}");
}

#[test]
fn out_of_memory_is_reported() {
    for spec in [
        "image: busybox\ncontainer: {memory: 20m}\ncommand: sleep 1; tail /dev/zero\n",
        "image: busybox\ncontainer: {memory: 20m}\ncommand: [sh, -c, 'sleep 1; exec tail /dev/zero']\nrestart: 'no'\n",
    ] {
        let sandbox = Sandbox::new(spec);
        // Whether it has ended before the apply looked or later, it stays.
        sandbox.moat(&["apply", "--keep-on-failure"]).run();
        let main = sandbox.main();
        let ended = || engine().docker(&["inspect", "--format", "{{.State.Status}}", &main]) == "exited";
        assert!(until(ended), "{spec}");
        let text = sandbox.moat(&["status"]).ok().stdout;
        assert!(text.contains("exited with code 137, out of memory"), "{text}");
        assert!(text.contains("last error: `moat-") && text.contains("ran out of memory"), "{text}");
        let status = sandbox.status();
        let error = status["last_error"].as_str().unwrap_or_default();
        assert!(error.ends_with("ran out of memory and was killed"), "{status:#}");
        assert!(status.to_string().contains("exited with code 137, out of memory"), "{status:#}");
    }
    // Killed by a user is another reason.
    let sandbox = Sandbox::applied("image: busybox\ncommand: sleep 1000\nrestart: 'no'\n");
    engine().docker(&["kill", &sandbox.main()]);
    let text = sandbox.moat(&["status"]).ok().stdout;
    assert!(text.contains("exited with code 137") && !text.contains("memory"), "{text}");
}

#[test]
fn an_image_without_sleep_is_reported() {
    let sandbox = Sandbox::new("build: .\n");
    let dockerfile =
        "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /busybox\nCMD [\"/busybox\", \"true\"]\n";
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    let ran = sandbox.moat(&["apply", "--keep-on-failure"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("moat keeps an idle sandbox running with `sleep`, which the image `moat/"), "{ran}");
    assert!(ran.stderr.contains("= help: set `command`"), "{ran}");
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    sandbox.rewrite("build: .\ncommand: [/busybox, sleep, '1000']\n");
    sandbox.apply();
    // For the user's command this is the user's mistake.
    sandbox.rewrite("build: .\ncommand: [nosuch]\n");
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 1 && !ran.stderr.contains("moat keeps"), "{ran}");
    sandbox.moat(&["destroy", "--yes"]).ok();
    engine().try_docker(&["rmi", "-f", &image]);
}
