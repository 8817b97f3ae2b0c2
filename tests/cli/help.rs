//! The help texts.

use expect_test::{Expect, expect};
use testkit::hermetic::Place;

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
            Keeps the Docker sandboxes of coding agents as a file says

            Usage: moat [OPTIONS] <COMMAND>

            Bring it about:
              apply        Bring the sandbox to what the spec says, and return when it is proven ready
              plan         Show what `apply` would do, and why, without doing it
              watch        Keep the sandbox as the spec says when files or Docker change, until it is stopped
              approve      Approve what the spec asks for, for `moat watch` and for later commands
              stop         Stop the sandbox and keep all of it, until `start`
              start        Start a stopped sandbox, and return when it is as its spec says and proven ready
              restart      Restart the sandbox's containers, and return when they are proven ready
              destroy      Remove the sandbox; what it built and what the spec declares as volumes is kept
              clean        Remove every sandbox on this engine whose spec file is gone, or names another agent now

            See how it is:
              status       Show how the sandbox is: absent, converging, degraded, stopped, failed, completed or ready
              why          Say why each resource is as it is, or what an apply would do about it
              list         Show every sandbox on this engine, whichever file it is from
              logs         Show what the sandbox's containers wrote
              events       Show what happens to the sandbox on the engine, until interrupted
              history      Show what moat did with a sandbox: when, why, what came of it, and how long each step took
              ports        Show the sandbox's ports, and where the host publishes them
              graph        Show the sandbox as a graph: its resources, how they are, and what they wait for

            Work in it:
              run          Bring the sandbox about, and run a command in it, with this terminal and its exit code
              shell        Open a shell in the sandbox: bash where there is one, otherwise sh
              exec         Run a command in the sandbox, with this terminal and its exit code
              attach       Attach to the main command of the sandbox, with this terminal and its exit code
              cp           Copy files and directories into the sandbox, or out of it
              open         Open a port of the sandbox in a browser
              cache        Show how large the sandbox's build cache is, or empty it

            Write a spec:
              init         Write an `agent.yaml` to begin with: commented, and right as it is
              validate     Say whether specs are right, and everything that is wrong with them; no engine is needed
              explain      Explain a key of `agent.yaml`: what it may be, its default, and what changing it does to a running sandbox
              schema       Write the JSON Schema of `agent.yaml`, with which an editor completes and explains keys
              deps         List what can stand under `dependencies`, or explain one of them; no engine is needed
              image        Show the Dockerfile of the image that is built for the sandbox, and its tag; no engine is needed

            Look after moat:
              doctor       Check the engine and this machine, and say what to do about what is wrong
              audit        Show what moat changed on any engine, as its audit log has it
              completions  Write a script that completes commands and options in a shell
              man          Write a page of the manual, for `man -l -`
              help         Print this message or the help of a command

                  --host <ADDRESS>  Docker's address, as in `unix:///path`, `tcp://host:port` or
                                    `ssh://user@host`; by default as docker finds it
              -v, --verbose...      Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
              -q, --quiet           Tell only what goes wrong
                  --color <WHEN>    When to use colours; by default on a terminal, unless `NO_COLOR` is set
                                    [default: auto] [possible values: auto, always, never]
              -h, --help            Print help
              -V, --version         Print version

            A sandbox is named by its agent, by the id of its run, or by its spec: a file, or a directory that
            has an `agent.yaml`. By default it is that of the nearest `agent.yaml`, here or in a directory
            above.
        "#]],
    );
}

#[test]
fn of_apply() {
    helps(
        &["apply", "--help"],
        &expect![[r#"
            Bring the sandbox to what the spec says, and return when it is proven ready

            Usage: moat apply [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names
                          of agents, or ids of runs [default: agent.yaml]

            Options:
              -f, --file <FILE>             A spec file, as AGENT; may be given several times
                  --wait-timeout <SECONDS>  How long a container may take to get ready, in place of its own
                                            limit
                  --keep-on-failure         Leave what was created when something fails, to be looked at
              -y, --yes                     End sessions in the sandbox without asking, where something has to
                                            be replaced
                  --approve <DIGEST>        Approve the spec with this digest, as `moat plan` shows it
                  --approve-all             Approve whatever the specs ask for
                  --subnets <RANGE>         The address range that networks are cut from [env: MOAT_SUBNETS=]
                                            [default: 10.83.0.0/16]
                  --lock-timeout <SECONDS>  How long to wait for another moat that changes the same sandbox
                                            [default: 0]
                  --pull                    Ask the registries whether a tag means another image by now, and if
                                            so pull it and replace the containers made from the older one;
                                            without this, images that are there are used as they are
              -w, --watch                   Go on and keep the sandbox as the spec says, as `moat watch` does
                  --dry-run                 Show the plan and change nothing, as `moat plan` does
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

            Usage: moat plan [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names
                          of agents, or ids of runs [default: agent.yaml]

            Options:
              -f, --file <FILE>        A spec file, as AGENT; may be given several times
              -o, --out <FILE>         Save the plan too, for `moat apply FILE`
                  --detailed-exitcode  Exit with 2 if there is something to change
                  --pull               Ask the registries whether a tag means another image by now, as `apply
                                       --pull` does
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

            Usage: moat destroy [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names
                          of agents, or ids of runs [default: agent.yaml]

            Options:
              -f, --file <FILE>             A spec file, as AGENT; may be given several times
                  --volumes                 Remove the volumes too that would be kept, and the data in them
              -t, --timeout <SECONDS>       Seconds a container has to end before it is killed [alias: --time]
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
            Show how the sandbox is: absent, converging, degraded, stopped, failed, completed or ready

            Usage: moat status [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names
                          of agents, or ids of runs [default: agent.yaml]

            Options:
              -f, --file <FILE>  A spec file, as AGENT; may be given several times
                  --json         One JSON document in place of text
              -h, --help         Print help

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

            It has a terminal where there is one here, and reads standard input. What cannot be run gives 126,
            what is not there 127. A command goes on when moat is killed or its terminal is closed, unless
            `--kill-on-exit` is given, which needs `sh` and `/tmp` in the container.

            Usage: moat exec [OPTIONS] [AGENT] -- <COMMAND>...

            Arguments:
              [AGENT]
                      The sandbox: its agent's name, the id of its run, or its spec file or directory

                      [default: agent.yaml]

              <COMMAND>...
                      The command and its arguments

            Options:
              -c, --container <NAME>
                      The container, by its name in the sandbox

                      [default: main]

              -w, --workdir <DIR>
                      The directory to run it in

              -u, --user <USER>
                      Whom to run it as: a name or a number, with a group after a colon

              -e, --env <NAME[=VALUE]>
                      Set an environment variable; without a value it is passed on from here

                  --detach-keys <KEYS>
                      Keys that leave the command running and come back here, as in `ctrl-p,ctrl-q`; by default
                      there are none

              -d, --detach
                      Start it and come back at once; nobody sees its output

                  --kill-on-exit
                      End it when moat ends, also by a signal or a closed terminal

                  --json
                      Give the end of its output and its exit code as one JSON document; it reads no input then

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
fn of_list() {
    helps(
        &["list", "--help"],
        &expect![[r#"
            Show every sandbox on this engine, whichever file it is from

            `file is gone`: there is no such file on this machine any more. A sandbox that was applied from
            another machine to the same engine looks like that too. With `--quiet` only the ids of the runs are
            shown, one a line.

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

            Usage: moat clean [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...
                      Only these of them: names of agents, ids of runs, or where their specs were

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
