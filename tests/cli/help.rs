//! The help texts.

use expect_test::{Expect, expect};

use crate::moat::Place;

#[track_caller]
fn helps(arguments: &[&str], expected: &Expect) {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    expected.assert_eq(&ran.out);
}

#[test]
fn of_moat() {
    helps(&["--help"], &expect![[""]]);
}

#[test]
fn of_apply() {
    helps(&["apply", "--help"], &expect![[""]]);
}

#[test]
fn of_plan() {
    helps(&["plan", "--help"], &expect![[""]]);
}

#[test]
fn of_destroy() {
    helps(&["destroy", "--help"], &expect![[""]]);
}

#[test]
fn of_status() {
    helps(&["status", "--help"], &expect![[""]]);
}

#[test]
fn of_exec() {
    helps(&["exec", "--help"], &expect![[""]]);
}

#[test]
fn the_version() {
    let ran = Place::new().run(&["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("moat {}\n", env!("CARGO_PKG_VERSION"))));
}
