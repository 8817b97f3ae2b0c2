//! A short suite for every kind of engine that the lab can start: the example of the README, repairs, limits, moved tags.
//!
//! What an engine cannot do is tested as well: the failure, and that it leaves nothing behind.

use crate::differences;
use crate::threats::breakouts;
use testkit::engine::{Inventory, engine};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// The lab's registry at an address that containers and rootless engines reach too.
const REGISTRY: &str = "10.213.213.1:5000";

/// Differences between engines that change what moat can do.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
struct Kind {
    /// Users are remapped, so no container can be privileged.
    remaps: bool,
    is_rootless: bool,
    limits_memory: bool,
    is_podman: bool,
}

impl Kind {
    fn of_engine() -> Self {
        let info = engine().docker(&["info", "--format", "{{.MemoryLimit}} {{json .SecurityOptions}}"]);
        let components = engine().docker(&["version", "--format", "{{json .Server.Components}}"]);
        Self {
            remaps: info.contains("name=userns"),
            is_rootless: info.contains("name=rootless"),
            limits_memory: info.starts_with("true"),
            is_podman: components.contains("Podman Engine"),
        }
    }
}

/// Checks that the sandbox is ready, and that neither a plan nor another apply has anything to do.
fn settled(sandbox: &Sandbox) {
    sandbox.assert_ready();
    let plan = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(plan.code, 0, "{plan}");
    let again = sandbox.apply();
    assert!(again.stderr.contains("nothing to do") || again.stdout.contains("nothing to do"), "{again}");
}

#[test]
fn the_story_of_the_readme() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(DIND);
    if Kind::of_engine().remaps {
        let ran = sandbox.moat(&["apply", "--approve-all"]).run();
        assert!(ran.code == 1 && ran.stderr.contains("moat doctor"), "{ran}");
    } else {
        sandbox.apply();
        // Immediately after the first apply: before the engine's first health check.
        settled(&sandbox);
        sandbox.sh_ok("mkdir /work && cd /work && printf 'FROM busybox\\nCMD echo hello from x\\n' >Dockerfile");
        sandbox.sh_ok("cd /work && docker build -t x .");
        assert_eq!(sandbox.moat(&["exec", "--", "docker", "run", "--rm", "x"]).ok().stdout, "hello from x\n");
        assert_eq!(sandbox.status()["builds"]["routed"], true);
        sandbox.moat(&["stop"]).ok();
        sandbox.moat(&["start"]).ok();
        settled(&sandbox);
        sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

// `auto` chooses what each engine supports, and never `privileged`.
#[test]
fn an_isolated_sandbox_builds_runs_and_is_confined() {
    const AUTO: &str = "isolation: auto\ndependencies: [docker:dind]\n";
    let kind = Kind::of_engine();
    let expected = if kind.remaps || kind.is_rootless { "mapped" } else { "rootless" };
    let planned = Sandbox::new(AUTO).moat(&["plan"]).ok().stdout.clone();
    assert!(planned.contains(&format!("Isolation: {expected}, chosen by `auto`: ")), "{planned}");
    assert!(!planned.contains("[privileged"), "{planned}");
    let sandbox = breakouts::assert_none(AUTO, !kind.is_podman);
    settled(&sandbox);
    sandbox.sh_ok(
        "mkdir -p /tmp/work && cd /tmp/work && printf 'FROM busybox\\nRUN echo hello >/f\\nCMD cat /f\\n' >Dockerfile",
    );
    assert_eq!(sandbox.sh_ok("cd /tmp/work && docker build -q -t x . >/dev/null && docker run --rm x"), "hello");
    assert_eq!(sandbox.status()["builds"]["routed"], true);
    if expected == "mapped" && !kind.is_podman {
        differences::assert_mapped(&sandbox);
    }
    sandbox.moat(&["stop"]).ok();
    sandbox.moat(&["start"]).ok();
    settled(&sandbox);
    // What the other one needs is not there.
    let other = if expected == "mapped" { "rootless" } else { "mapped" };
    sandbox.rewrite(&AUTO.replace("auto", other));
    let refused = sandbox.moat(&["apply", "--approve-all"]).run();
    assert!(refused.code == 65 && refused.stderr.contains(&format!("`isolation: {expected}`")), "{refused}");
    // A change to the same by name replaces nothing.
    let before = sandbox.main();
    sandbox.rewrite(&AUTO.replace("auto", expected));
    sandbox.apply();
    assert_eq!(sandbox.main(), before);
}

/// A policy is in force on every Docker, also for a Docker inside; Podman is refused.
#[test]
fn a_network_policy_is_proven_or_refused() {
    let kind = Kind::of_engine();
    let dind = if kind.remaps || kind.is_rootless { "isolation: mapped\ndependencies: [docker:dind]\n" } else { DIND };
    let sandbox = Sandbox::new(&format!("{dind}network: {{ policy: strict, rules: [allowed.example] }}\n"));
    if kind.is_podman {
        let sandbox = Sandbox::new("image: busybox\nnetwork: { policy: strict }\n");
        let ran = sandbox.moat(&["apply", "--approve-all"]).run();
        assert!(ran.code != 0 && ran.stderr.contains("network policy"), "{ran}");
        return;
    }
    let applied = sandbox.apply();
    assert!(!applied.stderr.contains("not proven"), "{applied}");
    settled(&sandbox);
    let verified = sandbox.moat(&["net", "verify"]).run();
    assert!(verified.code == 0 && !verified.stdout.contains("not tried"), "{verified}");
    // The gateway is killed, and comes back with its rules.
    engine().docker(&["kill", &sandbox.id("gateway")]);
    sandbox.apply();
    sandbox.assert_ready();
}

#[test]
fn drift_is_repaired() {
    let dind = if Kind::of_engine().remaps { PLAIN } else { DIND };
    let sandbox = Sandbox::applied(dind);
    let (main, network) = (format!("moat-{}", sandbox.run_id()), format!("moat-{}", sandbox.run_id()));
    let mut drifts =
        vec![vec!["pause", &main], vec!["network", "disconnect", &network, &main], vec!["rm", "-f", &main]];
    let sidecar = format!("moat-buildkit-{}", sandbox.run_id());
    if dind == DIND {
        drifts.extend([vec!["stop", &sidecar], vec!["rm", "-f", &sidecar]]);
    }
    for drift in drifts {
        engine().docker(&drift);
        assert_ne!(sandbox.status()["state"], "ready", "{drift:?}");
        sandbox.apply();
        settled(&sandbox);
    }
    if dind == DIND {
        sandbox.sh_ok("printf 'FROM busybox\\n' | docker build -t alive - && docker run --rm alive true");
    }
}

#[test]
fn a_changed_limit_takes_effect_or_is_reported() {
    let kind = Kind::of_engine();
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    sandbox.rewrite(&format!("{PLAIN}container: {{memory: 512m, pids: 200}}\nrestart: always\n"));
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    if kind.limits_memory {
        assert_eq!(ran.code, 0, "{ran}");
        let now = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}";
        assert_eq!((sandbox.main(), sandbox.inspect("main", now)), (main.clone(), "536870912 200 always".to_owned()));
        settled(&sandbox);
        // The policy outlasts an update of a limit.
        sandbox.rewrite(&format!("{PLAIN}container: {{memory: 600m, cpus: 0.75, pids: 200}}\nrestart: always\n"));
        sandbox.apply();
        let now = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}";
        assert_eq!((sandbox.main(), sandbox.inspect("main", now)), (main, "629145600 750000000 always".to_owned()));
        settled(&sandbox);
    } else {
        assert_eq!(ran.code, 0, "{ran}");
        settled(&sandbox);
        let fresh = Sandbox::new(&format!("{PLAIN}container: {{memory: 512m}}\n"));
        let ran = fresh.moat(&["apply", "--approve-all"]).run();
        if kind.is_podman {
            // Its runtime has no file to write the limit to.
            assert!(ran.code == 1 && ran.stderr.contains("moat doctor"), "{ran}");
            assert_eq!(fresh.status()["state"], "absent");
        } else {
            assert!(ran.stderr.contains("the engine drops limits of") && ran.stderr.contains("memory"), "{ran}");
            settled(&fresh);
        }
    }
}

#[test]
fn a_moved_tag_is_followed_with_pull() {
    let reference = format!("{REGISTRY}/smoke/a-{}:1", std::process::id());
    let push = |content: &str| {
        let container = engine().docker(&["create", "busybox", "true"]);
        engine().docker(&["commit", "--change", &format!("LABEL content={content}"), &container, &reference]);
        engine().docker(&["rm", &container]);
        engine().docker(&["push", "--quiet", &reference]);
    };
    engine().docker(&["pull", "--quiet", "busybox"]);
    push("one");
    let sandbox = Sandbox::applied(&format!("image: {reference}\ncommand: [sleep, infinity]\n"));
    let first = sandbox.main();
    let old = engine().docker(&["image", "inspect", "--format", "{{.Id}}", &reference]);
    push("two");
    // As if pushed from another host.
    engine().docker(&["tag", &old, &reference]);
    sandbox.apply();
    assert_eq!(sandbox.main(), first, "no change was asked for");
    sandbox.moat(&["apply", "--pull", "--approve-all"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.Config.Labels.content}}"), "two");
    let second = sandbox.main();
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.main(), second);
    settled(&sandbox);
}
