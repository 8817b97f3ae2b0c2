//! Settings that concern the whole sandbox reach the build sidecar, without replacing moat's own.

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
}
