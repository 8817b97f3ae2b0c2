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
    refused(
        &["aply"],
        &expect![[r#"
        error: unrecognized subcommand 'aply'

          tip: a similar subcommand exists: 'apply'

        Usage: moat [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn an_unknown_option() {
    refused(
        &["apply", "--jsn"],
        &expect![[r#"
            error: unexpected argument '--jsn' found

              tip: a similar argument exists: '--json'

            Usage: moat apply --json [AGENT]...

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn exec_without_a_command() {
    refused(
        &["exec"],
        &expect![[r#"
            error: the following required arguments were not provided:
              <COMMAND>...

            Usage: moat exec [AGENT] -- <COMMAND>...

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn exec_without_the_dashes() {
    refused(
        &["exec", "docker", "build", "."],
        &expect![[r#"
            error: unexpected argument 'build' found

            Usage: moat exec [OPTIONS] [AGENT] -- <COMMAND>...

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn no_time_to_wait() {
    refused(
        &["apply", "--wait-timeout", "0"],
        &expect![[r#"
            error: invalid value '0' for '--wait-timeout <SECONDS>': 0 is not in 1..=4294967295

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn quiet_and_verbose() {
    refused(
        &["apply", "-q", "-v"],
        &expect![[r#"
            error: the argument '--quiet' cannot be used with '--verbose...'

            Usage: moat apply --quiet [AGENT]...

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn a_variable_that_is_not_set() {
    refused(
        &["exec", "-e", "NOPE", "--", "true"],
        &expect![[r#"
        error: invalid value 'NOPE' for '--env <NAME[=VALUE]>': `NOPE` is not set here

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn wrong_usage_comes_before_a_wrong_spec() {
    let ran = Place::with("agnt: a\n").run(&["apply", "--nope"]);
    assert_eq!(ran.code, Some(64));
}
