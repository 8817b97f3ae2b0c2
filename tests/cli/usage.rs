//! Wrong usage: exit code 64, and nothing on standard output.

use expect_test::{Expect, expect};
use testkit::hermetic::Place;

#[track_caller]
fn refused(arguments: &[&str], expected: &Expect) {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""));
    expected.assert_eq(&ran.err);
}

#[test]
fn no_arguments() {
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

              tip: put `--` before the command, as in `moat exec -- ls /` or `moat exec AGENT -- ls /`

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

              tip: put `--` before the command, as in `moat exec -- ls /` or `moat exec AGENT -- ls /`

            Usage: moat exec [OPTIONS] [AGENT] -- <COMMAND>...

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn a_zero_wait_timeout_is_refused() {
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
        error: invalid value 'NOPE' for '--env <NAME[=VALUE]>': `NOPE` is not set

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn wrong_usage_comes_before_a_wrong_spec() {
    let ran = Place::with("agnt: a\n").run(&["apply", "--nope"]);
    assert_eq!(ran.code, Some(64));
}

/// Commands and flags of other tools get a tip.
#[test]
fn commands_and_flags_of_other_tools_have_a_tip() {
    let table: &[(&[&str], &str)] = &[
        (&["up"], "`moat apply` creates or updates the sandbox"),
        (&["up", "-d", "--build"], "`moat apply` creates or updates the sandbox"),
        (&["--quiet", "down", "-v"], "`moat destroy` removes the sandbox, `moat destroy --volumes` its volumes too"),
        (&["ps", "-a"], "`moat status` shows this sandbox, `moat list` all of them"),
        (&["rm", "-f", "builder"], "`moat destroy` removes the sandbox, `moat destroy --volumes` its volumes too"),
        (&["build"], "`moat apply` builds the sandbox's image when it changes"),
        (&["pull"], "`moat apply --pull` pulls newer images of the sandbox"),
        (&["diff"], "`moat plan` shows what an apply would change"),
        (&["version"], "`moat --version` prints the version"),
        (&["config"], "`moat validate` checks a spec"),
        (&["stop", "-y"], "omit it"),
        (&["apply", "--auto-approve"], "use `--yes`"),
        (&["apply", "--force-recreate"], "`moat restart` restarts the sandbox"),
        (&["apply", "--build"], "images are rebuilt automatically when"),
        (&["apply", "-d"], "omit it: sandboxes always run in the background"),
        (&["stop", "-f", "agent.yaml"], "give the spec as an argument: `moat COMMAND FILE`"),
        (&["stop", "--dry-run"], "`moat plan` shows what an apply would change"),
        (&["destroy", "--dry-run"], "`moat status` shows the resources"),
        (&["restart", "-t", "5"], "`moat stop -t SECONDS`, then `moat start`"),
        (&["list", "-a"], "omit it: all sandboxes are listed"),
        (&["status", "-o", "json"], "use `--json`"),
        (&["status", "--format=json"], "use `--json`"),
        (&["exec", "builder", "ls", "/"], "put `--` before the command"),
        (&["exec", "-u", "root", "builder", "ls"], "put `--` before the command"),
        (&["exec", "builder"], "put `--` before the command"),
        (&["run", "agent.yaml", "make"], "put `--` before the command"),
        (&["exec", "-it", "builder", "--", "sh"], "omit it: a terminal is used if there is one"),
    ];
    for (arguments, tip) in table {
        let ran = Place::new().run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{arguments:?}: {}", ran.err);
        let tips: Vec<&str> = ran.err.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
        assert!(tips.len() == 1 && tips[0].starts_with(tip), "{arguments:?}: {}", ran.err);
    }
}

/// Arguments after `--` belong to another command.
#[test]
fn arguments_after_the_dashes_get_no_tip() {
    let ran = Place::with("agent: a\nimage: busybox\n").run(&["exec", "--", "up", "-y"]);
    assert_eq!((ran.code, ran.err.contains("tip")), (Some(69), false), "{}", ran.err);
}

#[test]
fn destroy_warns_that_v_means_verbose() {
    let place = Place::with("agent: a\nimage: busybox\n");
    let warning = "warning: `-v` means `--verbose`: volumes are kept\n  = help: `--volumes` deletes them\n";
    assert!(place.run(&["destroy", "-v"]).err.contains(warning));
    assert!(!place.run(&["destroy", "-v", "--volumes"]).err.contains(warning));
    assert!(!place.run(&["destroy"]).err.contains(warning));
    assert!(!place.run(&["status", "-v"]).err.contains(warning));
}

/// As in kubectl and compose.
#[test]
fn a_spec_can_be_given_by_a_flag() {
    let place = Place::with("agnt: x\n")
        .file("sub/my.yaml", "agent: a\nimage: busybox\n")
        .file("b.yaml", "agent: b\nimage: busybox\n");
    for command in ["apply", "plan", "destroy", "watch", "status", "approve"] {
        let ran = place.run(&[command, "-f", "sub/my.yaml", "--file", "b.yaml"]);
        // The default spec is invalid and must not be read.
        assert_eq!(ran.code, Some(69), "{command}: {}", ran.err);
    }
    let ran = place.run(&["validate", "-f", "sub/my.yaml", "b.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "a is valid\nb is valid\n"), "{}", ran.err);
    assert_eq!(place.run(&["validate"]).code, Some(65));
}

#[test]
fn the_stop_timeout_can_be_given() {
    let place = Place::with("agent: a\nimage: busybox\n");
    for arguments in [&["stop", "-t", "5"][..], &["stop", "--time=5"], &["destroy", "--timeout", "0"]] {
        assert_eq!(place.run(arguments).code, Some(69), "{arguments:?}");
    }
    assert_eq!(place.run(&["stop", "-t", "541"]).code, Some(64));
}
