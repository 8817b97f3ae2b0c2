//! The meaning of valid specs: every key, with its exact value.

use std::collections::BTreeMap;

use expect_test::expect;
use moat_model::resource::{ImageRef, Mount, RestartPolicy};
use moat_policy::Mode;
use moat_spec::{BuilderSettings, CacheRetention, Source, Spec, agent};

fn parse(text: &str) -> Spec {
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    agent::parse(source).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn env(text: &str) -> BTreeMap<String, String> {
    parse(&format!("agent: a\nenv:\n{text}")).env
}

fn command(value: &str) -> Vec<String> {
    parse(&format!("agent: a\ncommand: {value}\n")).command.expect("there is one")
}

#[test]
fn only_the_name_is_required() {
    let spec = parse("agent: builder\n");
    assert_eq!(spec.agent.as_str(), "builder");
    assert_eq!((spec.image, spec.command), (None, None));
    assert_eq!((spec.dependencies, spec.env), (Vec::new(), BTreeMap::new()));
    assert_eq!(spec.buildkit, BuilderSettings::default());
}

#[test]
fn a_file_with_the_other_name_has_its_folder_as_the_workspace() {
    let mounts = |name: &str, text: &str| -> Vec<String> {
        let source = Source::new(name, format!("/p/{name}"), text);
        let spec = agent::parse(source).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let shown = |it: &Mount| format!("{:?} {}", it.source, it.target);
        let workspace = spec.workspace().map(shown);
        let first = spec.mounts.first().map(shown);
        assert_eq!(workspace, first, "{name}: {text}");
        assert_eq!(spec.workdir.is_some(), workspace.is_some(), "{name}: {text}");
        workspace.into_iter().collect()
    };
    let here = "Path(\"/p\") /workspace";
    assert_eq!(mounts("moat.yaml", "name: a\nimage: x\n"), [here]);
    assert_eq!(mounts("agent.yaml", "name: a\nworkspace: .\n"), [here]);
    assert_eq!(mounts("moat.yaml", "name: a\nworkspace: {path: x, target: /w}\n"), ["Path(\"/p/x\") /w"]);
    assert_eq!(mounts("agent.yaml", "name: a\nimage: x\n"), [""; 0]);
    assert_eq!(mounts("other.moat.yaml", "name: a\nimage: x\n"), [""; 0]);
}

#[test]
fn grants_bring_a_policy_unless_the_spec_has_one() {
    let mode = |network: &str| {
        let spec = parse(&format!("agent: a\nimage: x\n{network}"));
        spec.network.egress.map(|policy| policy.mode())
    };
    assert_eq!(mode("grants: [github]\n"), Some(Mode::Learn));
    assert_eq!(mode("network: {host: [8080]}\ngrants: [github, npm]\n"), Some(Mode::Learn));
    assert_eq!(mode("network: {policy: strict}\ngrants: [github]\n"), Some(Mode::Strict));
    assert_eq!(mode("grants: []\n"), None);
    assert_eq!(mode(""), None);
}

#[test]
fn every_key_is_read() {
    let text = "agent: builder\nimage: debian:13\ndependencies: [docker:dind, node@22]\ncommand: [a, b]\n\
                env: { A: x }\nbuildkit: { image: moby/buildkit:v1, cache: discard }\n";
    let spec = parse(text);
    assert_eq!(spec.image.as_ref().map(ImageRef::as_str), Some("debian:13"));
    assert_eq!(spec.command.as_deref(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
    assert_eq!(spec.env, BTreeMap::from([("A".to_owned(), "x".to_owned())]));
    assert_eq!(spec.buildkit.image.as_ref().map(ImageRef::as_str), Some("moby/buildkit:v1"));
    assert_eq!(spec.buildkit.cache, CacheRetention::Discard);
    let dependencies: Vec<_> = spec.dependencies.iter().map(|d| (d.value.as_str(), &text[d.span.clone()])).collect();
    assert_eq!(dependencies, [("docker:dind", "docker:dind"), ("node@22", "node@22")]);
}

#[test]
fn values_of_env_are_literal() {
    let table = [
        ("8080", "8080"),
        ("1.10", "1.10"),
        ("0x1F", "0x1F"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("-0", "-0"),
        ("99999999999999999999999999", "99999999999999999999999999"),
        (".inf", ".inf"),
        ("true", "true"),
        ("True", "True"),
        ("no", "no"),
        ("22:22", "22:22"),
        ("2026-01-01", "2026-01-01"),
        ("---", "---"),
        ("'~'", "~"),
        ("\"\"", ""),
        ("''", ""),
        ("'8080'", "8080"),
        ("\"a\\tb\\u2028\"", "a\tb\u{2028}"),
        ("a b  # comment", "a b"),
        ("http://x?y=1#z", "http://x?y=1#z"),
        ("größer 日本", "größer 日本"),
        ("|\n    one\n    two", "one\ntwo\n"),
        (">-\n    one\n    two", "one two"),
        ("plain\n    over lines", "plain over lines"),
    ];
    for (written, meant) in table {
        assert_eq!(env(&format!("  A: {written}\n"))["A"], meant, "{written}");
    }
}

#[test]
fn names_of_env_are_literal() {
    for name in ["A", "true", "Null", "y", "no", "\"A\"", "e1", "_1.2-3"] {
        let meant = name.trim_matches('"');
        assert_eq!(env(&format!("  {name}: x\n")).keys().collect::<Vec<_>>(), [meant]);
    }
}

#[test]
fn a_command_line_uses_a_shell_and_a_list_does_not() {
    assert_eq!(command("echo $HOME; sleep 1"), ["sh", "-c", "echo $HOME; sleep 1"]);
    assert_eq!(command("'true'"), ["sh", "-c", "true"]);
    assert_eq!(command("|\n  a\n  b"), ["sh", "-c", "a\nb\n"]);
    assert_eq!(command("[sleep, 5]"), ["sleep", "5"]);
    assert_eq!(command("[printf, '', 1.10, true]"), ["printf", "", "1.10", "true"]);
}

#[test]
fn an_alias_has_the_value_of_its_anchor() {
    let spec = parse("agent: a\nenv: { A: &v 1.10, B: *v }\ncommand: &c [ls, -l]\n");
    assert_eq!(spec.env["B"], "1.10");
    assert_eq!(
        parse("agent: a\nimage: &i debian:13\nbuildkit: { image: *i }\n").buildkit.image,
        spec_image("debian:13")
    );
}

fn spec_image(text: &str) -> Option<ImageRef> {
    ImageRef::parse(text).ok()
}

#[test]
fn equivalent_yaml_gives_the_same_spec() {
    let plain = parse("agent: a\nenv:\n  A: x\n");
    for text in [
        "\u{feff}agent: a\nenv:\n  A: x\n",
        "agent: a\r\nenv:\r\n  A: x\r\n",
        "---\nagent: a\nenv: {A: x}\n...\n",
        "%YAML 1.2\n---\nenv: { \"A\": 'x' }\nagent: \"a\"",
        "{ \"agent\": \"a\", \"env\": { \"A\": \"x\" } }",
        "# comment\n\nagent:   a   # comment\nenv:\n\n      A:\n        x",
    ] {
        let spec = parse(text);
        assert_eq!((&spec.agent, &spec.env), (&plain.agent, &plain.env), "{text:?}");
    }
}

#[test]
fn locations_point_to_the_written_values() {
    let text = "# ü\nagent: a\ndependencies:\n  - docker:dind\nbuildkit:\n  cache: keep\n";
    let spec = parse(text);
    let at = |path: &str| (&text[spec.place_of_key(path)], &text[spec.place(path)]);
    assert_eq!(at("agent"), ("agent", "a"));
    assert_eq!(at("dependencies.0"), ("docker:dind", "docker:dind"));
    assert_eq!(at("buildkit.cache"), ("cache", "keep"));
    assert_eq!(at("buildkit"), ("buildkit", "cache: keep"));
    // A value that was not written has the location of the enclosing one.
    assert_eq!(at("buildkit.image"), ("buildkit", "cache: keep"));
    assert_eq!(at("image"), ("agent", "a"));
}

/// Every key of the main container, with its meaning.
#[test]
fn every_key_of_the_container_is_read() {
    let spec = parse(
        "name: builder\nversion: 1.10\nentrypoint: [tini, --]\nuser: 1000:1000\ninteractive: true\nrestart: on-failure\n\
         workspace: {path: ../app, target: /src/, exclude: [node_modules, target/]}\n\
         mounts: ['./data:/data:ro', '/etc/hosts:/hosts', {source: shared, target: /shared, mode: ro, exclude: [tmp]}]\n\
         volumes: ['cache:/cache', {name: state, target: /state}]\n\
         ports: {web: 3000, api: 0.0.0.0:8080:80}\n\
         container: {memory: 512, cpus: 1.5, pids: 100, dns: [1.1.1.1, 10.0.0.1], ulimits: {nofile: 1024:4096}, shm: 64m}\n\
         network: {subnet: 10.99.0.0/24, extra_hosts: {db.test: 10.0.0.7}}\n\
         healthcheck: {command: [ok], interval: 5s, timeout: 500ms, start_period: 2m, retries: 4}\n\
         labels: {team: blue}\n\
         buildkit: {cache_limit: 50g, resources: {memory: 4g}}\n",
    );
    let mounts: Vec<String> =
        spec.mounts.iter().map(|it| format!("{:?} {} {}", it.source, it.target, it.read_only)).collect();
    let mounts = mounts.join("\n");
    expect![[r#"
        Path("/app") /src false
        Empty /src/node_modules false
        Empty /src/target false
        Path("/data") /data true
        Path("/etc/hosts") /hosts false
        Foreign("shared") /shared true
        Empty /shared/tmp false"#]]
    .assert_eq(&mounts);
    let volumes: Vec<String> = spec.volumes.iter().map(|it| format!("{}:{}", it.name, it.target)).collect();
    assert_eq!(volumes, ["cache:/cache", "state:/state"]);
    let ports: Vec<String> =
        spec.ports.iter().map(|it| format!("{:?} {} {}", it.name, it.container, it.published())).collect();
    assert_eq!(ports, [r#"Some("web") 3000/tcp 127.0.0.1:free"#, r#"Some("api") 80/tcp 0.0.0.0:8080"#]);
    let limits = spec.limits;
    assert_eq!((limits.memory.map(|it| it.0), limits.cpus.map(|it| it.0)), (Some(512 << 20), Some(1_500_000_000)));
    assert_eq!((limits.pids, spec.shm.map(|it| it.0)), (Some(100), Some(64 << 20)));
    assert_eq!(spec.dns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.1.1.1", "10.0.0.1"]);
    assert_eq!((spec.ulimits["nofile"].soft, spec.ulimits["nofile"].hard), (1024, 4096));
    assert_eq!(spec.network.subnet.map(|it| it.to_string()).as_deref(), Some("10.99.0.0/24"));
    assert_eq!(spec.network.extra_hosts["db.test"], "10.0.0.7");
    let health = spec.healthcheck.expect("there is one");
    let times = (health.interval_ms, health.timeout_ms, health.start_period_ms, health.retries);
    assert_eq!(times, (Some(5_000), Some(500), Some(120_000), Some(4)));
    assert_eq!((spec.version.as_deref(), spec.user.as_deref()), (Some("1.10"), Some("1000:1000")));
    assert_eq!((spec.workdir.as_deref(), spec.interactive), (Some("/src"), true));
    assert_eq!(spec.restart, Some(RestartPolicy::OnFailure));
    assert_eq!(spec.buildkit.cache_limit.map(|it| it.0), Some(50 << 30));
    assert_eq!(spec.buildkit.limits.memory.map(|it| it.0), Some(4 << 30));
}

#[test]
fn the_short_forms_mean_the_same_as_the_long_ones() {
    let same = |short: &str, long: &str| {
        let of = |text: &str| {
            let spec = parse(&format!("agent: a\n{text}\n"));
            (spec.mounts, spec.volumes, spec.ports, spec.healthcheck, spec.workdir)
        };
        assert_eq!(of(short), of(long), "{short}");
    };
    same("workspace: ./app", "workspace: {path: app, target: /workspace, mode: bind}");
    same("mounts: ['./a:/b:ro']", "mounts: [{source: ./a, target: /b, mode: ro}]");
    same("volumes: ['cache:/c']", "volumes: [{name: cache, target: /c}]");
    same("ports: ['8080:80']", "ports: ['127.0.0.1:8080:80/tcp']");
    same("healthcheck: ls", "healthcheck: {command: [sh, -c, ls]}");
    same("healthcheck: [ls]", "healthcheck: {command: [ls]}");
}

// In YAML 1.2, a tab after the indentation is part of the text.
#[test]
fn a_tab_in_a_block_is_text() {
    assert_eq!(command("|\n \tls\n"), ["sh", "-c", "\tls\n"]);
}
