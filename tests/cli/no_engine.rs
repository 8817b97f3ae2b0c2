//! Without an engine: exit code 69, with the address and its origin.

use expect_test::{Expect, expect};
use testkit::hermetic::Place;

const SPEC: &str = "agent: builder\nimage: busybox\n";

#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &Expect) {
    let ran = place.run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{}", ran.err);
    expected.assert_eq(&ran.err);
}

#[test]
fn docker_host_is_unreachable() {
    let place = Place::with(SPEC);
    refused(
        &place,
        &["plan"],
        &expect![[r#"
        error: cannot use docker at `unix:///here/nobody.sock` (from DOCKER_HOST): no such file or directory
          = help: start Docker, or set its address with --host or DOCKER_HOST
    "#]],
    );
    let first = place.run(&["plan"]).err;
    for arguments in [&["apply"] as &[&str], &["destroy", "--yes"], &["status"], &["exec", "--", "true"]] {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.out.as_str(), &ran.err), (Some(69), "", &first), "{arguments:?}");
    }
}

#[test]
fn the_given_host_is_unreachable() {
    refused(
        &Place::with(SPEC),
        &["plan", "--host", "unix:///nowhere/docker.sock"],
        &expect![[r#"
        error: cannot use docker at `unix:///nowhere/docker.sock` (from --host): no such file or directory
          = help: start Docker, or set its address with --host or DOCKER_HOST
    "#]],
    );
}

#[test]
fn an_unsupported_address_is_refused() {
    refused(
        &Place::with(SPEC),
        &["plan", "--host", "https://box"],
        &expect![[r#"
        error: cannot use docker at `https://box` (from --host): unknown scheme `https`; use unix, tcp or ssh
          = help: use unix:///path, tcp://host:port or ssh://user@host
    "#]],
    );
}

#[test]
fn a_missing_context_is_reported() {
    let ran = Place::with(SPEC).command(["plan"]).env_remove("DOCKER_HOST").env("DOCKER_CONTEXT", "nope").output();
    let ran = ran.expect("moat runs");
    assert_eq!(ran.status.code(), Some(69));
    expect![[r#"
        error: cannot use docker at `nope` (from the docker context `nope`): no such context
          = help: `docker context ls` lists the contexts
    "#]]
    .assert_eq(&String::from_utf8(ran.stderr).expect("UTF-8"));
}

#[test]
fn for_scripts() {
    let place = Place::with(SPEC);
    let ran = place.run(&["status", "--json"]);
    assert_eq!(ran.code, Some(69));
    expect![[r#"
        {
          "error": {
            "code": "engine-unreachable",
            "message": "cannot use docker at `unix:///here/nobody.sock` (from DOCKER_HOST): no such file or directory",
            "hint": "start Docker, or set its address with --host or DOCKER_HOST"
          },
          "exit_code": 69
        }
    "#]]
    .assert_eq(&ran.out);
}
