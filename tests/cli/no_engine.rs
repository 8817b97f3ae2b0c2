//! No engine: exit code 69, which address it was, and where that came from.

use expect_test::{Expect, expect};

use crate::moat::Place;

const SPEC: &str = "agent: builder\nimage: busybox\n";

#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &Expect) {
    let ran = place.run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{}", ran.err);
    expected.assert_eq(&ran.err);
}

#[test]
fn nobody_at_docker_host() {
    let place = Place::with(SPEC);
    let expected = expect![[""]];
    for arguments in [&["apply"] as &[&str], &["plan"], &["destroy", "--yes"], &["status"], &["exec", "--", "true"]] {
        refused(&place, arguments, &expected);
    }
}

#[test]
fn nobody_at_the_host_that_was_named() {
    refused(&Place::with(SPEC), &["plan", "--host", "unix:///nowhere/docker.sock"], &expect![[""]]);
}

#[test]
fn no_address() {
    refused(&Place::with(SPEC), &["plan", "--host", "https://box"], &expect![[""]]);
}

#[test]
fn a_context_that_is_not_there() {
    let ran = Place::with(SPEC).command(["plan"]).env_remove("DOCKER_HOST").env("DOCKER_CONTEXT", "nope").output();
    let ran = ran.expect("moat runs");
    assert_eq!(ran.status.code(), Some(69));
    expect![[""]].assert_eq(&String::from_utf8(ran.stderr).expect("UTF-8").replace("/tmp", "/tmp"));
}

#[test]
fn for_scripts() {
    let place = Place::with(SPEC);
    let ran = place.run(&["status", "--json"]);
    assert_eq!(ran.code, Some(69));
    expect![[""]].assert_eq(&ran.out);
}
