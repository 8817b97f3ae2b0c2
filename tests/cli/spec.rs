//! Specs that cannot be used: exit code 65, whether or not there is an engine.

use expect_test::{Expect, expect};

use crate::moat::Place;

/// Every command that needs a spec says the same of one that cannot be used.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &Expect) {
    for command in ["apply", "plan", "destroy", "status"] {
        let ran = place.run(&[&[command], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(65), ""), "{command}: {}", ran.err);
        expected.assert_eq(&ran.err);
    }
    let ran = place.run(&[&["exec"], arguments, &["--", "true"]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (Some(65), ""), "exec: {}", ran.err);
    expected.assert_eq(&ran.err);
}

#[test]
fn a_missing_file() {
    refused(&Place::new(), &[], &expect![[""]]);
}

#[test]
fn a_missing_file_that_was_named() {
    refused(&Place::new(), &["other.yaml"], &expect![[""]]);
}

#[test]
fn a_folder_without_one() {
    refused(&Place::new().file("sub/x", ""), &["sub"], &expect![[""]]);
}

#[test]
fn a_file_that_is_no_text() {
    refused(&Place::with(b"agent: \xff\n"), &[], &expect![[""]]);
}

#[test]
fn a_path_through_a_file() {
    refused(&Place::with("agent: a\n"), &["agent.yaml/x"], &expect![[""]]);
}

#[test]
fn an_empty_file() {
    refused(&Place::with(""), &[], &expect![[""]]);
}

#[test]
fn no_yaml() {
    refused(&Place::with("agent: [builder\nimage: busybox\n"), &[], &expect![[""]]);
}

#[test]
fn an_unknown_key() {
    refused(&Place::with("agent: builder\nimgae: busybox\n"), &[], &expect![[""]]);
}

#[test]
fn an_unknown_dependency() {
    refused(&Place::with("agent: builder\ndependencies: [docker:dnd]\n"), &[], &expect![[""]]);
}

#[test]
fn a_duplicate_key() {
    refused(&Place::with("agent: builder\nimage: busybox\nimage: alpine\n"), &[], &expect![[""]]);
}

#[test]
fn no_image() {
    refused(&Place::with("agent: builder\n"), &[], &expect![[""]]);
}

#[test]
fn everything_at_once() {
    refused(&Place::with("agent: Builder\nimage: a b\nenv: [x]\nnope: 1\n"), &[], &expect![[""]]);
}

#[test]
fn a_file_in_a_folder_that_is_named() {
    refused(&Place::new().file("sub/agent.yaml", "agnt: a\n"), &["sub"], &expect![[""]]);
}

#[test]
fn colours_when_asked() {
    let ran = Place::with("agnt: a\n").run(&["plan", "--color", "always"]);
    assert!(ran.err.contains("\u{1b}["), "{}", ran.err);
}

/// A script gets on standard output what people get on standard error.
#[test]
fn for_scripts_as_a_document() {
    let ran = Place::with("agnt: a\n").run(&["plan", "--json"]);
    assert_eq!(ran.code, Some(65));
    expect![[""]].assert_eq(&ran.out);
    assert!(ran.err.contains("unknown key `agnt`"), "{}", ran.err);
}

#[test]
fn for_scripts_as_the_last_line_of_a_stream() {
    let ran = Place::new().run(&["apply", "--json"]);
    assert_eq!(ran.code, Some(65));
    expect![[""]].assert_eq(&ran.out);
}
