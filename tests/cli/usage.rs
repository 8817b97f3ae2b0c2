//! Wrong usage: exit code 64, and nothing on standard output.

use expect_test::{Expect, expect};

use crate::moat::Place;

#[track_caller]
fn refused(arguments: &[&str], expected: &Expect) {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""));
    expected.assert_eq(&ran.err);
}

#[test]
fn nothing_at_all() {
    let ran = Place::new().run(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""));
    assert!(ran.err.contains("Usage: moat"), "{}", ran.err);
}

#[test]
fn an_unknown_command() {
    refused(&["aply"], &expect![[""]]);
}

#[test]
fn an_unknown_option() {
    refused(&["apply", "--jsn"], &expect![[""]]);
}

#[test]
fn exec_without_a_command() {
    refused(&["exec"], &expect![[""]]);
}

#[test]
fn exec_without_the_dashes() {
    refused(&["exec", "docker", "build", "."], &expect![[""]]);
}

#[test]
fn no_time_to_wait() {
    refused(&["apply", "--wait-timeout", "0"], &expect![[""]]);
}

#[test]
fn quiet_and_verbose() {
    refused(&["apply", "-q", "-v"], &expect![[""]]);
}

#[test]
fn a_variable_that_is_not_set() {
    refused(&["exec", "-e", "NOPE", "--", "true"], &expect![[""]]);
}

#[test]
fn wrong_usage_comes_before_a_wrong_spec() {
    let ran = Place::with("agnt: a\n").run(&["apply", "--nope"]);
    assert_eq!(ran.code, Some(64));
}
