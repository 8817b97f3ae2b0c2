//! Names and ports: allowed hosts answer with their own bytes, from wherever in the sandbox; denied ones do not.

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

use super::internet::{RESOLVER, internet};
use super::{decisions, get, load_busybox, spec, strict};

/// The page of a host in a container inside.
fn nested(host: &str) -> String {
    format!("wget -T 5 -qO- http://{host}/")
}

#[test]
fn allowed_hosts_answer_everywhere_and_denied_ones_nowhere() {
    let sandbox = strict("allowed.example");
    let hello = "hello from allowed.example";
    assert!(sandbox.sh_ok(&get("allowed.example")).contains(hello));
    assert!(sandbox.sh_ok(&get("denied.example")).starts_with("HTTP/1.1 403"), "main");

    load_busybox(&sandbox);
    sandbox.sh_ok("docker network create own");
    for how in ["--network bridge", "--network own", "--network host", "--privileged", "--privileged --network host"] {
        let run = |host: &str| format!("docker run --rm {how} busybox {}", nested(host));
        assert_eq!(sandbox.sh_ok(&run("allowed.example")), hello, "{how}");
        let denied = sandbox.sh(&run("denied.example"));
        assert!(denied.code != 0 && denied.stderr.contains("403"), "{how}: {denied}");
    }
    // A step of a build on the sidecar, without its cache.
    let build = |host: &str| {
        let step = format!("RUN {} >/page && cat /page", nested(host));
        format!("printf 'FROM busybox\\n{step}\\n' | docker build --no-cache --progress plain - 2>&1")
    };
    assert!(sandbox.sh_ok(&build("allowed.example")).contains(hello), "build");
    let denied = sandbox.sh(&build("denied.example"));
    assert!(denied.code != 0 && denied.stdout.contains("403"), "build: {denied}");

    assert!(internet().was_asked("allowed.example"));
    assert!(!internet().was_asked("denied.example"), "a denied name reached a name server");
    let log = decisions(&sandbox);
    let has = |plane: &str, name: &str, decision: &str| {
        log.iter().any(|it| it["plane"] == plane && it["name"] == name && it["decision"] == decision)
    };
    assert!(has("http", "allowed.example", "allow") && has("http", "denied.example", "deny"), "{log:#?}");
    assert!(has("dns", "denied.example", "deny"), "{log:#?}");
}

#[test]
fn the_certificate_is_the_servers_own() {
    let sandbox = strict("allowed.example");
    let handshake = |name: &str| {
        format!(
            "openssl s_client -connect {name}:443 -servername {name} </dev/null 2>&1 | openssl x509 -noout -fingerprint -sha256"
        )
    };
    assert_eq!(sandbox.sh_ok(&handshake("allowed.example")), internet().fingerprint);
    let denied = sandbox.sh("openssl s_client -connect denied.example:443 -servername denied.example </dev/null 2>&1");
    assert!(denied.code != 0 && denied.stdout.contains("alert access denied"), "{denied}");
    // The name in the hello counts, not the one that was resolved.
    let other = sandbox.sh("openssl s_client -connect allowed.example:443 -servername denied.example </dev/null 2>&1");
    assert!(other.code != 0 && other.stdout.contains("alert access denied"), "{other}");
    let none = sandbox.sh("openssl s_client -connect allowed.example:443 -noservername </dev/null 2>&1");
    assert!(none.code != 0 && none.stdout.contains("unrecognized name"), "{none}");
}

#[test]
fn learn_allows_and_records_names() {
    internet();
    let text = format!("image: docker:dind\ncontainer: {{ dns: [{RESOLVER}] }}\nnetwork: {{ policy: learn }}\n");
    let sandbox = Sandbox::applied(&text);
    assert!(sandbox.sh_ok(&get("www.allowed.example")).contains("hello from www.allowed.example"));
    for name in ["metadata.example", "private.example", "loopback.example"] {
        let page = sandbox.sh_ok(&get(name));
        assert!(page.starts_with("HTTP/1.1 403"), "{name}: {page}");
    }
    let log = decisions(&sandbox);
    let learned = log.iter().any(|it| it["name"] == "www.allowed.example" && it["decision"] == "learn");
    assert!(learned, "{log:#?}");
    let refused = log.iter().filter(|it| it["decision"] == "deny" && it["reason"] == "address").count();
    assert_eq!(refused, 3, "{log:#?}");
}

#[test]
fn new_rules_apply_without_a_restart_and_cut_connections() {
    let sandbox = strict("allowed.example, 'drip.example:9000'");
    let started = || ["main", "gateway"].map(|name| sandbox.inspect(name, "{{.Id}} {{.State.StartedAt}}"));
    let before = started();
    let drip = "use IO::Socket::INET; my $s = IO::Socket::INET->new(\"drip.example:9000\") or die; \
                open my $out, q(>>), q(/drip); $out->autoflush; print $out $_ while <$s>; print $out \"end\\n\"";
    sandbox.sh_ok(&format!("setsid perl -e '{drip}' </dev/null >/dev/null 2>&1 &"));
    assert!(until(|| sandbox.sh("grep -q drip /drip").code == 0), "the connection flows");

    sandbox.rewrite(&spec("www.allowed.example"));
    let planned = sandbox.moat(&["plan"]).run();
    assert!(planned.stdout.contains("set policy gateway: changed"), "{planned}");
    let refused = sandbox.moat(&["apply"]).run();
    assert_eq!(refused.code, 77, "another host is asked about: {refused}");
    sandbox.apply();
    assert!(until(|| sandbox.sh("grep -q end /drip").code == 0), "the connection is cut");
    assert!(sandbox.sh_ok(&get("allowed.example")).starts_with("HTTP/1.1 403"));
    assert!(sandbox.sh_ok(&get("www.allowed.example")).contains("hello from"));
    assert_eq!(started(), before);

    // Fewer hosts need no approval.
    sandbox.rewrite(&spec(""));
    sandbox.moat(&["apply"]).ok();
    assert!(sandbox.sh_ok(&get("www.allowed.example")).starts_with("HTTP/1.1 403"));
}

#[test]
fn published_ports_and_services_are_reached() {
    let text =
        "image: docker:dind\ndependencies: [docker:dind, redis]\nports: { web: 3000 }\nnetwork: { policy: strict }\n";
    let sandbox = Sandbox::applied(text);
    let serve = "use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalPort => 3000, Listen => 5, ReuseAddr => 1); \
                 while (my $c = $l->accept) { print $c \"from main\\n\"; close $c }";
    sandbox.sh_ok(&format!("setsid perl -e '{serve}' </dev/null >/dev/null 2>&1 &"));
    let status = sandbox.status();
    let web = &status["ports"][0];
    assert_eq!((&web["name"], &web["container"]), (&"web".into(), &"3000/tcp".into()), "{status:#}");
    let (address, port) = (web["address"].as_str().expect("an address"), &web["host"]);
    // From the engine's host: the port is on its loopback.
    let ask = format!("perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(\"{address}:{port}\")->getline'");
    let from_host =
        || engine().try_docker(&["run", "--rm", "--network", "host", "--entrypoint", "sh", "docker:dind", "-c", &ask]);
    assert!(until(|| from_host().stdout.contains("from main")), "main answers");
    let ping = "use IO::Socket::INET; my $s = IO::Socket::INET->new(\"redis:6379\") or die; print $s \"PING\\r\\n\"; print scalar <$s>";
    assert!(sandbox.sh_ok(&format!("perl -e '{ping}'")).contains("NOAUTH"));
    load_busybox(&sandbox);
    let ping = "printf 'PING\\r\\nQUIT\\r\\n' | nc redis 6379";
    assert!(
        sandbox.sh_ok(&format!("docker run --rm busybox sh -c \"{ping}\"")).contains("NOAUTH"),
        "in a container inside"
    );
}
