//! Pulls from a registry whose files are at another host: one rule is enough, for the inner daemon and for builds.

use std::sync::OnceLock;

use serde_json::Value;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

use super::decisions;
use super::internet::{RESOLVER, internet};

/// Addresses of the registry and of its files, and the names in the lab's name server.
const ADDRESSES: [&str; 2] = ["198.51.100.11", "198.51.100.12"];
const CONTAINER: &str = "moat-lab-pulls";
const IMAGE: &str = "registry.example/own/app";

/// Makes answers of the files of all images.
const ANSWERS: &str = "cd /srv/registry && find docker/registry/v2/blobs -name data | while read -r file; do \
                       mkdir -p \"/srv/files/${file%/data}\" && { \
                       printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n' \
                       \"$(stat -c %s \"$file\")\"; cat \"$file\"; } >\"/srv/files/$file\"; done";

/// Starts the registry with an image, and returns the certificate of its authority.
fn registry() -> &'static str {
    static ROOT: OnceLock<String> = OnceLock::new();
    ROOT.get_or_init(|| {
        internet();
        engine().try_docker(&["rm", "-fv", CONTAINER]);
        let mut args = vec!["run", "-d", "--name", CONTAINER, "--network", "host", "--cap-add", "NET_ADMIN"];
        args.extend(["--entrypoint", "sh", "docker:dind", "-c", include_str!("registry.sh"), "registry"]);
        args.extend(ADDRESSES);
        engine().docker(&args);
        assert!(until(|| engine().docker(&["logs", CONTAINER]).contains("ready")), "the registry is up");
        let pushed = "127.0.0.1:5080/own/app";
        engine().docker(&["pull", "-q", "busybox"]);
        engine().docker(&["tag", "busybox", pushed]);
        engine().docker(&["push", "-q", pushed]);
        engine().docker(&["rmi", pushed]);
        engine().docker(&["exec", CONTAINER, "sh", "-c", ANSWERS]);
        engine().docker(&["exec", CONTAINER, "cat", "/root.crt"])
    })
}

fn spec(rule: &str) -> String {
    let root: String = registry().lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    format!(
        "image: docker:dind\ndependencies: [docker:dind]\ncontainer: {{ dns: [{RESOLVER}] }}\n\
         network:\n  policy: strict\n  rules: ['{rule}']\n  roots: |\n{root}"
    )
}

/// Pulls the image by the daemon, and by a build.
fn pulls(sandbox: &Sandbox, mark: &str) {
    sandbox.sh_ok(&format!("docker rmi -f {IMAGE} >/dev/null 2>&1; docker pull -q {IMAGE}"));
    assert_eq!(sandbox.sh_ok(&format!("docker run --rm {IMAGE} echo {mark}")).trim(), mark);
    // The daemon has no image that the build could take.
    sandbox.sh_ok(&format!(
        "docker rmi -f {IMAGE} >/dev/null; printf 'FROM {IMAGE}\\nRUN echo {mark} >/mark\\n' | docker build --pull -q -t built-{mark} -"
    ));
    assert_eq!(sandbox.sh_ok(&format!("docker run --rm built-{mark} cat /mark")).trim(), mark);
}

#[test]
fn a_rule_for_a_registry_is_enough() {
    let sandbox = Sandbox::applied(&spec("registry registry.example"));
    pulls(&sandbox, "one");
    let log = decisions(&sandbox);
    for host in ["registry.example", "files.example"] {
        let allowed = |it: &Value| it["name"] == host && it["rule"] == "registry registry.example";
        assert!(log.iter().any(allowed), "{host}: {log:#?}");
    }

    // The rule is for pulls.
    let files = sandbox.sh("openssl s_client -brief -connect files.example:443 -servername files.example </dev/null");
    assert!(files.code != 0, "{files}");
    let push = sandbox.sh(&format!("docker tag built-one {IMAGE}:changed; docker push {IMAGE}:changed"));
    assert!(push.code != 0, "{push}");
    assert!(decisions(&sandbox).iter().any(|it| it["method"] == "POST" && it["decision"] == "deny"), "{push}");

    // A gateway that is started again has other certificates.
    engine().docker(&["restart", &sandbox.id("gateway")]);
    sandbox.apply();
    pulls(&sandbox, "two");

    // Another registry is another rule, and changes no container.
    let before = (sandbox.id("main"), sandbox.id("buildkit"));
    sandbox.rewrite(&spec("registry other.example"));
    sandbox.apply();
    assert_eq!((sandbox.id("main"), sandbox.id("buildkit")), before);
    let denied = sandbox.sh(&format!("docker rmi -f {IMAGE} >/dev/null 2>&1; docker pull -q {IMAGE}"));
    assert!(denied.code != 0, "{denied}");
}

#[test]
fn without_the_rule_the_host_alone_is_not_enough() {
    let sandbox = Sandbox::applied(&spec("registry.example"));
    let pull = sandbox.sh(&format!("docker pull -q {IMAGE}"));
    assert!(pull.code != 0, "its files are elsewhere: {pull}");
}
