//! The help texts.

use expect_test::{Expect, expect};

use crate::moat::Place;

#[track_caller]
fn helps(arguments: &[&str], expected: &Expect) {
    let ran = Place::new().run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    // clap pads some empty lines.
    let lines: Vec<_> = ran.out.lines().map(str::trim_end).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn of_moat() {
    helps(
        &["--help"],
        &expect![[r#"
            Keeps the Docker sandboxes of coding agents as a file says.

            SPEC is the file, or a directory that has an `agent.yaml` or else a `moat.yaml`; by default such a
            file here. Of several, and of a directory with several other YAML files, all are worked on at once.

            Usage: moat [OPTIONS] <COMMAND>

            Commands:
              apply     Bring the sandbox to what the spec says, and return when it is proven ready
              plan      Show what `apply` would do, and why, without doing it
              destroy   Remove the sandbox; what it built and what the spec declares as volumes is kept
              status    Show how the sandbox is: absent, converging, degraded or ready
              exec      Run a command in the sandbox, with this terminal and its exit code
              list      Show every sandbox on this engine, whichever file it is from
              clean     Remove every sandbox on this engine whose spec file is gone, or names another agent now
              init      Write an `agent.yaml` to begin with: commented, and right as it is
              validate  Say whether specs are right, and everything that is wrong with them; no engine is needed
              explain   Explain a key of `agent.yaml`: what it may be, its default, and what changing it does to
                        a running sandbox
              schema    Write the JSON Schema of `agent.yaml`, with which an editor completes and explains keys
              help      Print this message or the help of the given subcommand(s)

            Options:
              -h, --help
                      Print help (see a summary with '-h')

              -V, --version
                      Print version

            Global options:
                  --host <ADDRESS>
                      Docker's address, as in `unix:///path`, `tcp://host:port` or `ssh://user@host`; by default
                      as docker finds it

              -v, --verbose...
                      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)

              -q, --quiet
                      Tell only what goes wrong

                  --color <WHEN>
                      When to use colours; by default on a terminal, unless `NO_COLOR` is set

                      [default: auto]
                      [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_apply() {
    helps(
        &["apply", "--help"],
        &expect![[r#"
            Bring the sandbox to what the spec says, and return when it is proven ready

            Usage: moat apply [OPTIONS] [SPEC]...

            Arguments:
              [SPEC]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files [default:
                         agent.yaml]

            Options:
                  --wait-timeout <SECONDS>  How long a container may take to get ready, in place of its own
                                            limit
                  --keep-on-failure         Leave what was created when something fails, to be looked at
                  --subnets <RANGE>         The address range that networks are cut from [env: MOAT_SUBNETS=]
                                            [default: 10.83.0.0/16]
                  --lock-timeout <SECONDS>  How long to wait for another moat that changes the same sandbox
                                            [default: 0]
                  --json                    Tell on standard output what happens, one JSON object a line
              -h, --help                    Print help

            Global options:
                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_plan() {
    helps(
        &["plan", "--help"],
        &expect![[r#"
            Show what `apply` would do, and why, without doing it

            Usage: moat plan [OPTIONS] [SPEC]...

            Arguments:
              [SPEC]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files [default:
                         agent.yaml]

            Options:
                  --detailed-exitcode  Exit with 2 if there is something to change
                  --subnets <RANGE>    The address range that networks are cut from [env: MOAT_SUBNETS=]
                                       [default: 10.83.0.0/16]
                  --json               One JSON document in place of text
              -h, --help               Print help

            Global options:
                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_destroy() {
    helps(
        &["destroy", "--help"],
        &expect![[r#"
            Remove the sandbox; what it built and what the spec declares as volumes is kept

            Usage: moat destroy [OPTIONS] [SPEC]...

            Arguments:
              [SPEC]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files [default:
                         agent.yaml]

            Options:
                  --volumes                 Remove the volumes too that would be kept, and the data in them
              -y, --yes                     Do not ask
                  --lock-timeout <SECONDS>  How long to wait for another moat that changes the same sandbox
                                            [default: 0]
                  --json                    Tell on standard output what happens, one JSON object a line
              -h, --help                    Print help

            Global options:
                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_status() {
    helps(
        &["status", "--help"],
        &expect![[r#"
            Show how the sandbox is: absent, converging, degraded or ready

            Usage: moat status [OPTIONS] [SPEC]...

            Arguments:
              [SPEC]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files [default:
                         agent.yaml]

            Options:
                  --json  One JSON document in place of text
              -h, --help  Print help

            Global options:
                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_exec() {
    helps(
        &["exec", "--help"],
        &expect![[r#"
            Run a command in the sandbox, with this terminal and its exit code

            Usage: moat exec [OPTIONS] [SPEC] -- <COMMAND>...

            Arguments:
              [SPEC]        The spec file, or its directory [default: agent.yaml]
              <COMMAND>...  The command and its arguments

            Options:
                  --agent <NAME>        Which agent, of a file that has several
              -w, --workdir <DIR>       The directory to run it in
              -u, --user <USER>         Whom to run it as: a name or a number, with a group after a colon
              -e, --env <NAME[=VALUE]>  Set an environment variable; without a value it is passed on from here
              -h, --help                Print help

            Global options:
                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_list() {
    helps(
        &["list", "--help"],
        &expect![[r#"
            Show every sandbox on this engine, whichever file it is from

            `file is gone`: there is no such file on this machine any more. A sandbox that was applied from
            another machine to the same engine looks like that too.

            Usage: moat list [OPTIONS]

            Options:
                  --json
                      One JSON document in place of text

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker's address, as in `unix:///path`, `tcp://host:port` or `ssh://user@host`; by default
                      as docker finds it

              -v, --verbose...
                      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)

              -q, --quiet
                      Tell only what goes wrong

                  --color <WHEN>
                      When to use colours; by default on a terminal, unless `NO_COLOR` is set

                      [default: auto]
                      [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn of_clean() {
    helps(
        &["clean", "--help"],
        &expect![[r#"
            Remove every sandbox on this engine whose spec file is gone, or names another agent now

            Shows what will be removed, and asks. Only files of this machine can be looked at: a sandbox that
            was applied from another machine to the same engine looks as if its file were gone.

            Usage: moat clean [OPTIONS] [RUN]...

            Arguments:
              [RUN]...
                      Only these of them: ids as `moat list` shows them

            Options:
                  --volumes
                      Remove the volumes too that would be kept, and the data in them

              -y, --yes
                      Do not ask

                  --lock-timeout <SECONDS>
                      How long to wait for another moat that changes the same sandbox

                      [default: 0]

                  --json
                      Tell on standard output what happens, one JSON object a line

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker's address, as in `unix:///path`, `tcp://host:port` or `ssh://user@host`; by default
                      as docker finds it

              -v, --verbose...
                      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)

              -q, --quiet
                      Tell only what goes wrong

                  --color <WHEN>
                      When to use colours; by default on a terminal, unless `NO_COLOR` is set

                      [default: auto]
                      [possible values: auto, always, never]
        "#]],
    );
}

#[test]
fn the_version() {
    let ran = Place::new().run(&["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("moat {}\n", env!("CARGO_PKG_VERSION"))));
}
