//! `moat net verify`: passes on a sandbox as it should be, and fails on one with a way out.

use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use super::drift::without_its_flags;
use super::strict;

/// The exit code, whether it is verified, and the checks as `FROM SUBJECT RESULT`.
fn verified(sandbox: &Sandbox) -> (i32, bool, Vec<String>) {
    let ran = sandbox.moat(&["net", "verify", "--json"]).run();
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    let word = |it: &Value| it.as_str().unwrap_or("-").to_owned();
    let row = |it: &Value| [&it["from"], &it["subject"], &it["result"]].map(word).join(" ");
    let mut rows: Vec<String> = found["checks"].as_array().expect("checks").iter().map(row).collect();
    rows.dedup();
    (ran.code, found["verified"].as_bool().expect("a verdict"), rows)
}

const SUBJECTS: [&str; 6] = ["allowed-name", "denied-name", "public-address", "metadata", "host", "other-sandbox"];

#[test]
fn a_sandbox_with_a_docker_is_verified_from_main_a_container_and_a_build() {
    let _other = Sandbox::applied("image: busybox\n");
    let sandbox = strict("allowed.example");
    let expected =
        ["main", "container", "build"].iter().flat_map(|from| SUBJECTS.map(|it| format!("{from} {it} passed")));
    assert_eq!(verified(&sandbox), (0, true, expected.collect()));
    assert_eq!(sandbox.sh_ok("docker images -q moat-net-verify; ls /tmp"), "", "nothing is left");
}

#[test]
fn untested_paths_are_reported() {
    let sandbox = Sandbox::applied("image: busybox\nnetwork: { policy: strict }\n");
    let ran = sandbox.moat(&["net", "verify"]).ok();
    for line in ["container inside  everything", "build             everything"] {
        let row = ran.stdout.lines().find(|it| it.starts_with(line)).unwrap_or_else(|| panic!("{ran}"));
        assert!(row.ends_with("not tried  main has no docker command"), "{ran}");
    }
}

#[test]
fn a_network_with_a_route_fails() {
    let sandbox = Sandbox::applied("image: busybox\nnetwork: { policy: strict }\n");
    let name = sandbox.inspect("main", "{{.Name}}");
    let labels = sandbox.inspect("main", "{{range $k, $v := .Config.Labels}}--label\n{{$k}}={{$v}}\n{{end}}");
    let network = without_its_flags(&sandbox, &["main", "gateway"]);
    // A container of a removed network can be on no other one.
    engine().docker(&["rm", "-f", &sandbox.main()]);
    let mut run = vec!["run", "-d", "--name", name.trim_start_matches('/'), "--network", &network];
    run.extend(labels.lines());
    run.extend(["busybox", "sleep", "infinity"]);
    engine().docker(&run);
    let (code, is_verified, rows) = verified(&sandbox);
    assert_eq!((code, is_verified), (1, false));
    assert!(rows.iter().any(|row| row == "main host failed"), "{rows:?}");
}

#[test]
fn another_network_of_main_fails() {
    let sandbox = Sandbox::applied("image: busybox\nnetwork: { policy: strict }\n");
    assert_eq!(verified(&sandbox).0, 0);
    engine().docker(&["network", "connect", "bridge", &sandbox.main()]);
    let (code, is_verified, rows) = verified(&sandbox);
    assert_eq!((code, is_verified), (1, false), "{rows:?}");
}

#[test]
fn a_gateway_without_an_answer_fails() {
    let sandbox = Sandbox::applied("image: busybox\nnetwork: { policy: strict }\n");
    engine().docker(&["stop", &sandbox.id("gateway")]);
    let (code, is_verified, rows) = verified(&sandbox);
    assert_eq!((code, is_verified), (1, false), "{rows:?}");
}
