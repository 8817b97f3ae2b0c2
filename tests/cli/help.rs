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
            Keep coding agents' Docker sandboxes in the state a file declares

            Usage: moat [OPTIONS] <COMMAND>

            Lifecycle:
              apply                 Create or update the sandbox and wait until it is ready
              plan                  Show what `apply` would change, and why
              watch                 Keep the sandbox in sync with its spec until stopped
              approve               Approve the extra privileges a spec asks for
              stop, start, restart  Stop, start or restart the sandbox
              destroy               Remove the sandbox
              clean                 Remove sandboxes whose spec no longer exists

            Inspect:
              status                Show the state of the sandbox and its resources
              why                   Explain why each resource is in sync or would change
              list                  List all sandboxes on this Docker host
              logs                  Show the logs of the sandbox's containers
              events                Follow Docker's events about the sandbox
              net                   Show and explain what the sandbox's network can reach
              grants                Show, revoke and restore the sandbox's credentials
              history               Show past commands with causes, results and durations
              graph                 Show the sandbox's resources and their dependencies

            Use:
              agent, run            Apply the spec, then start a coding agent or a command
              shell, exec           Open a shell or run a command in the sandbox
              attach, sessions      Attach to a session or the main command; list sessions
              cp                    Copy files into or out of the sandbox
              ports, open           Show the published ports, or open one in a browser

            Maintain:
              init, validate        Create a commented `agent.yaml`, or check specs
              explain, schema       Describe the keys of `agent.yaml`
              deps                  List the available dependencies, or describe one
              image                 Show the tag and Dockerfile of the sandbox's built image
              cache                 Show the size of the sandbox's build cache, or prune it
              doctor                Check Docker and this host, and suggest fixes
              audit                 Show, verify, export or rotate the audit log
              completions, man      Print a shell completion script or a man page

            Options: --host ADDRESS, --context NAME, --color WHEN, -v, -q, --version
            AGENT is an agent's name, a run's id or a spec (default: the nearest agent.yaml)
            See `moat help COMMAND` for the options of a command
        "#]],
    );
}

#[test]
fn of_apply() {
    helps(
        &["apply", "--help"],
        &expect![[r#"
            Create or update the sandbox and wait until it is ready

            Usage: moat apply [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Agent names, run ids, spec files or directories of specs [default:
                          agent.yaml]

            Options:
              -f, --file <FILE>             Spec file, same as AGENT (repeatable)
                  --wait-timeout <SECONDS>  Override how long a container may take to become
                                            ready
                  --keep-on-failure         Do not roll back on failure, for inspection
              -y, --yes                     End sessions without asking if a container is
                                            replaced
                  --approve <DIGEST>        Approve the spec with this digest, from `moat
                                            plan`
                  --approve-all             Approve everything the specs ask for
                  --subnets <RANGE>         Address range for networks [env: MOAT_SUBNETS=]
                                            [default: 10.83.0.0/16]
                  --lock-timeout <SECONDS>  How long to wait for another moat process
                                            [default: 0]
                  --pull                    Pull images whose tag has moved and replace
                                            containers
              -w, --watch                   Keep the sandbox in sync afterwards, like `moat
                                            watch`
                  --dry-run                 Show the plan and change nothing, like `moat
                                            plan`
                  --json                    Print events as JSON lines
              -h, --help                    Print help

            Global options:
                  --host <ADDRESS>  Docker address (unix://, tcp:// or ssh://)
                  --context <NAME>  Docker context; some commands take several: `a,b`
              -v, --verbose...      Log to standard error; repeat for more (see `MOAT_LOG`)
              -q, --quiet           Print only warnings and errors
                  --color <WHEN>    Use colors: auto, always or never [default: auto]
        "#]],
    );
}

#[test]
fn of_plan() {
    helps(
        &["plan", "--help"],
        &expect![[r#"
            Show what `apply` would change, and why

            Usage: moat plan [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...  Agent names, run ids, spec files or directories of specs [default:
                          agent.yaml]

            Options:
              -f, --file <FILE>        Spec file, same as AGENT (repeatable)
              -o, --out <FILE>         Save the plan for `moat apply FILE`
                  --detailed-exitcode  Exit with 2 if there are changes
                  --pull               Ask registries for moved tags, like `moat apply
                                       --pull`
                  --subnets <RANGE>    Address range for networks [env: MOAT_SUBNETS=]
                                       [default: 10.83.0.0/16]
                  --json               Print a JSON document
              -h, --help               Print help

            Global options:
                  --host <ADDRESS>  Docker address (unix://, tcp:// or ssh://)
                  --context <NAME>  Docker context; some commands take several: `a,b`
              -v, --verbose...      Log to standard error; repeat for more (see `MOAT_LOG`)
              -q, --quiet           Print only warnings and errors
                  --color <WHEN>    Use colors: auto, always or never [default: auto]
        "#]],
    );
}

#[test]
fn of_destroy() {
    helps(
        &["destroy", "--help"],
        &expect![[r#"
            Remove the sandbox

            Built images, and volumes that the spec declares, are kept.

            Usage: moat destroy [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...
                      Agent names, run ids, spec files or directories of specs

                      [default: agent.yaml]

            Options:
              -f, --file <FILE>
                      Spec file, same as AGENT (repeatable)

                  --volumes
                      Also delete the volumes that are normally kept

              -t, --timeout <SECONDS>
                      Seconds to wait for a container before killing it

                      [alias: --time]

              -y, --yes
                      Do not ask for confirmation

                  --lock-timeout <SECONDS>
                      How long to wait for another moat process

                      [default: 0]

                  --json
                      Print events as JSON lines

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker address (unix://, tcp:// or ssh://)

                  --context <NAME>
                      Docker context; some commands take several: `a,b`

              -v, --verbose...
                      Log to standard error; repeat for more (see `MOAT_LOG`)

              -q, --quiet
                      Print only warnings and errors

                  --color <WHEN>
                      Use colors: auto, always or never

                      [default: auto]
        "#]],
    );
}

#[test]
fn of_status() {
    helps(
        &["status", "--help"],
        &expect![[r#"
            Show the state of the sandbox and its resources

            The state is one of absent, converging, degraded, stopped, failed, completed and
            ready. With `--context a,b` each sandbox is looked up on several Docker
            contexts.

            Usage: moat status [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...
                      Agent names, run ids, spec files or directories of specs

                      [default: agent.yaml]

            Options:
              -f, --file <FILE>
                      Spec file, same as AGENT (repeatable)

                  --json
                      Print a JSON document

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker address (unix://, tcp:// or ssh://)

                  --context <NAME>
                      Docker context; some commands take several: `a,b`

              -v, --verbose...
                      Log to standard error; repeat for more (see `MOAT_LOG`)

              -q, --quiet
                      Print only warnings and errors

                  --color <WHEN>
                      Use colors: auto, always or never

                      [default: auto]
        "#]],
    );
}

#[test]
fn of_exec() {
    helps(
        &["exec", "--help"],
        &expect![[r#"
            Run a command in the sandbox

            Standard input is passed to the command, and a terminal is allocated if moat has
            one. The exit code is the command's: 126 if it cannot be executed, 127 if it
            does not exist. The command keeps running when moat is killed or its terminal is
            closed, unless `--kill-on-exit` is given, which needs `sh` and `/tmp` in the
            container.

            Usage: moat exec [OPTIONS] [AGENT] -- <COMMAND>...

            Arguments:
              [AGENT]
                      Agent name, run id, or spec file or directory

                      [default: agent.yaml]

              <COMMAND>...
                      Command and its arguments

            Options:
              -c, --container <NAME>
                      Container of the sandbox

                      [default: main]

              -w, --workdir <DIR>
                      Working directory of the command

              -u, --user <USER>
                      User name or id, optionally with `:GROUP`

              -e, --env <NAME[=VALUE]>
                      Set a variable; without a value, pass the current one

                  --detach-keys <KEYS>
                      Keys that detach, as in `ctrl-p,ctrl-q` [default: none]

              -d, --detach
                      Run in the background and discard the output

                  --kill-on-exit
                      Kill the command when moat exits or its terminal closes

                  --json
                      Print the end of the output and the exit code as JSON

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker address (unix://, tcp:// or ssh://)

                  --context <NAME>
                      Docker context; some commands take several: `a,b`

              -v, --verbose...
                      Log to standard error; repeat for more (see `MOAT_LOG`)

              -q, --quiet
                      Print only warnings and errors

                  --color <WHEN>
                      Use colors: auto, always or never

                      [default: auto]
        "#]],
    );
}

#[test]
fn of_list() {
    helps(
        &["list", "--help"],
        &expect![[r#"
            List all sandboxes on this Docker host

            `file is gone` means that the spec does not exist on this host: it was deleted,
            or the sandbox was applied from another host. `--context a,b` lists the
            sandboxes of several Docker contexts. With `--quiet` only run ids are printed,
            one per line.

            Usage: moat list [OPTIONS]

            Options:
                  --json
                      Print a JSON document

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker address (unix://, tcp:// or ssh://)

                  --context <NAME>
                      Docker context; some commands take several: `a,b`

              -v, --verbose...
                      Log to standard error; repeat for more (see `MOAT_LOG`)

              -q, --quiet
                      Print only warnings and errors

                  --color <WHEN>
                      Use colors: auto, always or never

                      [default: auto]
        "#]],
    );
}

#[test]
fn of_clean() {
    helps(
        &["clean", "--help"],
        &expect![[r#"
            Remove sandboxes whose spec no longer exists

            Lists the sandboxes and asks for confirmation. A spec that names another agent
            counts as missing. Only files on this host are checked, so a sandbox that was
            applied to the same engine from another host is listed as well.

            Usage: moat clean [OPTIONS] [AGENT]...

            Arguments:
              [AGENT]...
                      Limit to these agent names, run ids or spec paths

            Options:
                  --volumes
                      Also delete the volumes that are normally kept

              -y, --yes
                      Do not ask for confirmation

                  --lock-timeout <SECONDS>
                      How long to wait for another moat process

                      [default: 0]

                  --json
                      Print events as JSON lines

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --host <ADDRESS>
                      Docker address (unix://, tcp:// or ssh://)

                  --context <NAME>
                      Docker context; some commands take several: `a,b`

              -v, --verbose...
                      Log to standard error; repeat for more (see `MOAT_LOG`)

              -q, --quiet
                      Print only warnings and errors

                  --color <WHEN>
                      Use colors: auto, always or never

                      [default: auto]
        "#]],
    );
}

#[test]
fn the_version() {
    let ran = Place::new().run(&["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("moat {}\n", env!("CARGO_PKG_VERSION"))));
}
