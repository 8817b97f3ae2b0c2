//! Missing and invalid specs: exit code 65, with or without an engine.

use expect_test::{Expect, expect};
use testkit::hermetic::Place;

/// Every command reports an invalid spec in the same way.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &Expect) {
    let first = place.run(&[&["plan"], arguments].concat());
    expected.assert_eq(&first.err);
    let rest: [(&str, &[&str]); 4] = [("apply", &[]), ("destroy", &[]), ("status", &[]), ("exec", &["--", "true"])];
    for (command, more) in rest {
        let ran = place.run(&[&[command], arguments, more].concat());
        assert_eq!((ran.code, ran.out.as_str(), &ran.err), (Some(65), "", &first.err), "{command}");
    }
    assert_eq!((first.code, first.out.as_str()), (Some(65), ""));
}

#[test]
fn a_missing_file() {
    refused(
        &Place::new(),
        &[],
        &expect![[r#"
        error: spec file not found: `agent.yaml`
          = help: change to its directory, give its path, or create one with `moat init`
    "#]],
    );
}

#[test]
fn a_missing_file_that_was_named() {
    refused(
        &Place::new(),
        &["other.yaml"],
        &expect![[r#"
        error: spec file not found: `other.yaml`
          = help: check the path
    "#]],
    );
}

#[test]
fn a_folder_without_one() {
    refused(
        &Place::new().file("sub/x", ""),
        &["sub"],
        &expect![[r#"
        error: spec file not found: `sub/agent.yaml`
          = help: check the path
    "#]],
    );
}

#[test]
fn a_file_that_is_no_text() {
    refused(
        &Place::with(b"agent: \xff\n"),
        &[],
        &expect![[r#"
            error: cannot read the spec file `agent.yaml`: not UTF-8 text (byte 7)
              = help: it must be a readable text file
        "#]],
    );
}

#[test]
fn a_path_through_a_file() {
    refused(
        &Place::with("agent: a\n"),
        &["agent.yaml/x"],
        &expect![[r#"
            error: cannot read the spec file `agent.yaml/x`: not a directory
              = help: it must be a readable text file
        "#]],
    );
}

#[test]
fn an_empty_file() {
    refused(
        &Place::with(""),
        &[],
        &expect![[r#"
            error: the file is empty
             --> agent.yaml:1:1
              |
            1 |
              | ^
              |
              = help: start with a line such as `agent: builder`
        "#]],
    );
}

#[test]
fn no_yaml() {
    refused(
        &Place::with("agent: [builder\nimage: busybox\n"),
        &[],
        &expect![[r#"
            error: not valid YAML: unexpected `:` in brackets
             --> agent.yaml:2:6
              |
            2 | image: busybox
              |      ^
              |
              = help: is a `]` missing on the line above?
        "#]],
    );
}

#[test]
fn an_unknown_key() {
    refused(
        &Place::with("agent: builder\nimgae: busybox\n"),
        &[],
        &expect![[r#"
        error: unknown key `imgae`
         --> agent.yaml:2:1
          |
        2 | imgae: busybox
          | ^^^^^
          |
          = help: did you mean `image`?
    "#]],
    );
}

#[test]
fn an_unknown_dependency() {
    refused(
        &Place::with("agent: builder\ndependencies: [docker:dnd]\n"),
        &[],
        &expect![[r#"
        error: unknown dependency `docker:dnd`
         --> agent.yaml:2:16
          |
        2 | dependencies: [docker:dnd]
          |                ^^^^^^^^^^
          |
          = help: did you mean `docker:dind`?
    "#]],
    );
}

#[test]
fn a_duplicate_key() {
    refused(
        &Place::with("agent: builder\nimage: busybox\nimage: alpine\n"),
        &[],
        &expect![[r#"
        error: `image` is given twice
         --> agent.yaml:3:1
          |
        3 | image: alpine
          | ^^^^^
          |
          = help: it is already on line 2; keep one of them
    "#]],
    );
}

#[test]
fn everything_at_once() {
    refused(
        &Place::with("agent: Builder\nimage: a b\nenv: [x]\nnope: 1\ndependencies: [docker:dnd]\n"),
        &[],
        &expect![[r#"
            error: `Builder` is not a valid agent name
             --> agent.yaml:1:8
              |
            1 | agent: Builder
              |        ^^^^^^^
              |
              = help: use lowercase letters, digits, `-`, `_` and `.`, and start with a letter or digit, as in `builder`

            error: `a b` is not an image reference
             --> agent.yaml:2:8
              |
            2 | image: a b
              |        ^^^
              |
              = help: write it as `NAME:TAG` or `REGISTRY/NAME:TAG`, as in `debian:13`

            error: `env` must be a mapping, not a list
             --> agent.yaml:3:6
              |
            3 | env: [x]
              |      ^^^
              |
              = help: write `NAME: VALUE` lines, without dashes

            error: unknown key `nope`
             --> agent.yaml:4:1
              |
            4 | nope: 1
              | ^^^^
              |
              = help: `moat explain` lists all keys

            error: unknown dependency `docker:dnd`
             --> agent.yaml:5:16
              |
            5 | dependencies: [docker:dnd]
              |                ^^^^^^^^^^
              |
              = help: did you mean `docker:dind`?
        "#]],
    );
}

#[test]
fn a_file_in_a_folder_that_is_named() {
    refused(
        &Place::new().file("sub/agent.yaml", "agnt: a\n"),
        &["sub"],
        &expect![[r#"
        error: unknown key `agnt`
         --> sub/agent.yaml:1:1
          |
        1 | agnt: a
          | ^^^^
          |
          = help: did you mean `agent`?
    "#]],
    );
}

#[test]
fn colours_when_asked() {
    let ran = Place::with("agnt: a\n").run(&["plan", "--color", "always"]);
    assert!(ran.err.contains("\u{1b}["), "{}", ran.err);
}

/// With `--json`, errors are also printed on standard output.
#[test]
fn for_scripts_as_a_document() {
    let ran = Place::with("agnt: a\n").run(&["plan", "--json"]);
    assert_eq!(ran.code, Some(65));
    expect![[r#"
        {
          "error": {
            "code": "spec-invalid",
            "message": "the spec `agent.yaml` is invalid",
            "findings": [
              {
                "file": "agent.yaml",
                "line": 1,
                "col": 1,
                "end": {
                  "line": 1,
                  "col": 5
                },
                "severity": "error",
                "message": "unknown key `agnt`",
                "hint": "did you mean `agent`?"
              }
            ]
          },
          "exit_code": 65
        }
    "#]]
    .assert_eq(&ran.out);
    assert!(ran.err.contains("unknown key `agnt`"), "{}", ran.err);
}

#[test]
fn for_scripts_as_the_last_line_of_a_stream() {
    let ran = Place::new().run(&["apply", "--json"]);
    assert_eq!(ran.code, Some(65));
    expect![[r#"
        {"time":"TIME","event":"done","outcome":"error","exit_code":65,"code":"spec-invalid","state":null,"error":{"code":"spec-invalid","message":"spec file not found: `agent.yaml`","hint":"change to its directory, give its path, or create one with `moat init`"}}
    "#]].assert_eq(&ran.out);
}
