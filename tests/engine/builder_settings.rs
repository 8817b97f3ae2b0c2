//! Settings that concern the whole sandbox reach the build sidecar and the containers inside, without replacing moat's own.

use testkit::sandbox::{DIND, Sandbox};

#[test]
fn the_sidecar_has_its_environment_and_the_proxies() {
    let spec = "env: {http_proxy: 'http://192.0.2.1:3128', NO_PROXY: '10.213.213.1', HTTPS_PROXY: 'http://main', OTHER: x}\n\
                env_file: proxy.env\n\
                buildkit:\n  env: {HTTPS_PROXY: 'http://${PROXY_HOST:-sidecar}', BUILDKIT_STEP_LOG_MAX_SIZE: '1'}\n  \
                config: |\n    [worker.oci]\n      max-parallelism = 2\n";
    let sandbox = Sandbox::new(&format!("{DIND}{spec}"));
    std::fs::write(sandbox.path().join("proxy.env"), "ALL_PROXY=socks5://user:hunter2@192.0.2.2\n").expect("a file");
    sandbox.apply();
    sandbox.assert_ready();

    let env = sandbox.inspect("buildkit", "{{range .Config.Env}}{{println .}}{{end}}");
    let mut env: Vec<&str> = env.lines().filter(|line| !line.is_empty() && !line.starts_with("PATH=")).collect();
    env.sort_unstable();
    let expected = [
        "ALL_PROXY=socks5://user:hunter2@192.0.2.2",
        "BUILDKIT_STEP_LOG_MAX_SIZE=1",
        "HTTPS_PROXY=http://sidecar",
        "NO_PROXY=10.213.213.1",
        "http_proxy=http://192.0.2.1:3128",
    ];
    assert_eq!(env, expected);
    let labels = sandbox.inspect("buildkit", "{{json .Config.Labels}}");
    assert!(!labels.contains("hunter2") && !labels.contains("http://sidecar"), "{labels}");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);

    // The resolver and the limit of the cache are still moat's.
    let config = sandbox.docker_exec("buildkit", &["cat", "/etc/buildkit/buildkitd.toml"]);
    for part in ["nameservers = [\"127.0.0.11\"]", "maxUsedSpace = \"20GB\"", "max-parallelism = 2"] {
        assert!(config.contains(part), "{part}: {config}");
    }
    sandbox.sh_ok("printf 'FROM busybox\\nRUN nslookup buildkit\\n' | docker build -q -");

    // Containers inside and build steps have main's proxies, as with plain Docker.
    let inner = sandbox.sh_ok("docker run --rm busybox env");
    let built = "printf 'FROM busybox\\nRUN env; env >/seen\\nFROM scratch\\nCOPY --from=0 /seen /\\n' | docker build -q -o /tmp/out - >&2";
    sandbox.sh_ok(built);
    let built = sandbox.sh_ok("cat /tmp/out/seen");
    for line in ["http_proxy=http://192.0.2.1:3128", "HTTPS_PROXY=http://main", "NO_PROXY=10.213.213.1"] {
        for seen in [&inner, &built] {
            assert!(seen.lines().any(|it| it == line), "{line}: {seen}");
        }
    }
    // buildx does not know this one.
    assert!(inner.contains("ALL_PROXY=socks5://user:hunter2@192.0.2.2\n"), "{inner}");
    let labels = sandbox.inspect("main", "{{json .Config.Labels}}");
    assert!(!labels.contains("hunter2"), "{labels}");
}

#[test]
fn proxies_of_dockers_configuration_reach_build_steps_only() {
    let sandbox = Sandbox::new("build: {context: ., args: {NO_PROXY: own}}\n");
    std::fs::write(sandbox.path().join("Dockerfile"), "FROM busybox\nRUN env | grep -i proxy | sort >/seen\n")
        .expect("a file");
    let folder = sandbox.home().join(".docker");
    std::fs::create_dir_all(&folder).expect("a folder");
    let config = r#"{"proxies": {"default": {"httpProxy": "http://192.0.2.1:3128", "noProxy": "docker",
        "httpsProxy": "http://user:hunter2@192.0.2.1:3128"}}}"#;
    std::fs::write(folder.join("config.json"), config).expect("a file");
    let applied = sandbox.apply();
    // A proxy with credentials is left out, and the arguments of the spec win.
    assert_eq!(
        sandbox.sh_ok("cat /seen"),
        "HTTP_PROXY=http://192.0.2.1:3128\nNO_PROXY=own\nhttp_proxy=http://192.0.2.1:3128\nno_proxy=own"
    );
    assert!(!applied.stderr.contains("hunter2"), "{}", applied.stderr);
    // No container has them, and other proxies are no other image.
    assert_eq!(sandbox.sh("env | grep -i proxy").stdout, "");
    std::fs::remove_file(folder.join("config.json")).expect("removed");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
}
