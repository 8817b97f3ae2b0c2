//! The proof of a policy: an apply fails if main does not reach the gateway by name, and says if it cannot be tried.

use std::fs;

use testkit::sandbox::Sandbox;

const STRICT: &str = "network: { policy: strict, rules: [allowed.example] }\n";

/// The gateway's decisions about the names of the proof.
fn logged(sandbox: &Sandbox) -> usize {
    sandbox.moat(&["net", "log", "--json"]).ok().stdout.matches("moat.internal").count()
}

#[test]
fn an_apply_proves_the_policy_from_images_with_different_tools() {
    for image in ["busybox", "debian:trixie-slim", "docker:dind"] {
        let sandbox = Sandbox::new(&format!("image: {image}\n{STRICT}"));
        let applied = sandbox.apply();
        assert!(!applied.stderr.contains("proven"), "{image}: {applied}");
        assert_eq!(logged(&sandbox), 0, "the names of the proof are no denials");
    }
}

#[test]
fn an_apply_fails_if_names_bypass_the_gateway() {
    for name in ["ready", "denied"] {
        let hosts = format!("extra_hosts: {{ {name}.moat.internal: 203.0.113.1 }}");
        let sandbox = Sandbox::new(&format!("image: busybox\nnetwork: {{ policy: strict, {hosts} }}\n"));
        let ran = sandbox.moat(&["apply", "--approve-all", "--json"]).run();
        assert!(ran.code == 1 && ran.stdout.contains("\"policy-unproven\""), "{ran}");
        assert!(sandbox.find("main").is_none(), "a first apply is rolled back");
    }
}

/// An answer that is not the gateway's is no proof, whatever its status is.
#[test]
fn an_answer_of_another_server_is_no_proof() {
    let sandbox = Sandbox::new(&format!("build: .\n{STRICT}"));
    let fake = "printf '#!/bin/sh\\necho HTTP/1.1 200 OK hello\\n' >/usr/bin/curl && chmod +x /usr/bin/curl";
    let dockerfile = format!("FROM debian:trixie-slim\nRUN {fake}\n");
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("is answered with 200, and not by the gateway"), "{ran}");
}

#[test]
fn without_tools_an_apply_reports_that_nothing_is_proven() {
    let sandbox = Sandbox::new(&format!("build: .\n{STRICT}"));
    let dockerfile = "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /bin/sleep\n";
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    let ran = sandbox.apply();
    let expected = "the network policy is not proven from the main container: its image has no shell";
    assert!(ran.stderr.contains(expected), "{ran}");
    sandbox.assert_ready();
}
