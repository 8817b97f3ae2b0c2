//! `validate`, `explain`, `schema` and `init`, all without an engine.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use expect_test::expect;
use testkit::hermetic::{Place, prints};

const TUNED: &str = "agent: builder\nimage: debian:13\ntracing: {all: true}\nbuildkit: {cache: keep}\n";

#[test]
fn a_valid_spec() {
    prints(
        &Place::with("agent: builder\nimage: debian:13\n"),
        &["validate"],
        &expect![[r#"
        exit 0
        == stdout
        builder is valid
    "#]],
    );
}

#[test]
fn keys_without_effect_cause_a_warning() {
    prints(
        &Place::with(TUNED),
        &["validate"],
        &expect![[r#"
            exit 0
            == stdout
            builder is valid
            == stderr
            warning: `tracing` is ignored: moat does not trace programs in the sandbox
             --> agent.yaml:3:1
              |
            3 | tracing: {all: true}
              | ^^^^^^^
              |
              = help: remove it, or leave it for the tool that reads it

            warning: `buildkit` has no effect without a build sidecar
             --> agent.yaml:4:1
              |
            4 | buildkit: {cache: keep}
              | ^^^^^^^^
              |
              = help: add `docker:dind` to `dependencies`, or remove it

        "#]],
    );
    prints(
        &Place::with(TUNED),
        &["validate", "--quiet"],
        &expect![[r#"
        exit 0
        == stdout
        builder is valid
    "#]],
    );
}

#[test]
fn several_specs_and_agents() {
    let place = Place::new()
        .file("one/agent.yaml", "agent: builder\nimage: x\n---\nagent: tester\nimage: x\n")
        .file("two/moat.yaml", "name: reviewer\nimage: x\n")
        .file("three.yaml", "agent: builder\nimagee: x\n");
    prints(
        &place,
        &["validate", "one", "two"],
        &expect![[r#"
        exit 0
        == stdout
        builder is valid
        tester is valid
        reviewer is valid
    "#]],
    );
    prints(
        &place,
        &["validate", "one", "three.yaml", "two", "four.yaml"],
        &expect![[r#"
        exit 65
        == stderr
        error: unknown key `imagee`
         --> three.yaml:2:1
          |
        2 | imagee: x
          | ^^^^^^
          |
          = help: did you mean `image`?

        error: spec file not found: `four.yaml`
          = help: check the path
    "#]],
    );
}

#[test]
fn from_standard_input() {
    let place = Place::new().file("base.yaml", "image: debian:13\n");
    let of = |text: &str| {
        let mut command = place.command(["validate", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("moat runs");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("its end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        format!("{:?}\n{}{}", output.status.code(), text(output.stdout), text(output.stderr))
    };
    expect![[r#"
        Some(0)
        builder is valid
    "#]]
    .assert_eq(&of("agent: builder\nextends: base.yaml\n"));
    expect![[r#"
        Some(65)
        error: `image` must be a string, not a list
         --> standard input:2:8
          |
        2 | image: [x]
          |        ^^^
          |
          = help: write a single value, without `-` or brackets
    "#]]
    .assert_eq(&of("agent: builder\nimage: [x]\n"));
}

#[test]
fn for_scripts() {
    let place = Place::with(TUNED).file("bad.yaml", "agent: builder\nmcp: []\nenv_file: gone.env\n");
    prints(
        &place,
        &["validate", "--json"],
        &expect![[r#"
            exit 0
            == stdout
            {
              "valid": true,
              "agents": [
                {
                  "run": "builder-1f2e3d4c",
                  "agent": "builder",
                  "spec": "/here/agent.yaml"
                }
              ],
              "warnings": [
                {
                  "file": "agent.yaml",
                  "line": 3,
                  "col": 1,
                  "end": {
                    "line": 3,
                    "col": 8
                  },
                  "severity": "warning",
                  "message": "`tracing` is ignored: moat does not trace programs in the sandbox",
                  "hint": "remove it, or leave it for the tool that reads it"
                },
                {
                  "file": "agent.yaml",
                  "line": 4,
                  "col": 1,
                  "end": {
                    "line": 4,
                    "col": 9
                  },
                  "severity": "warning",
                  "message": "`buildkit` has no effect without a build sidecar",
                  "hint": "add `docker:dind` to `dependencies`, or remove it"
                }
              ],
              "files": [
                "/here/agent.yaml"
              ],
              "missing": []
            }
        "#]],
    );
    prints(
        &place,
        &["validate", "--json", "bad.yaml"],
        &expect![[r#"
            exit 65
            == stdout
            {
              "valid": false,
              "agents": [],
              "warnings": [],
              "files": [
                "/here/bad.yaml"
              ],
              "missing": [],
              "error": {
                "code": "spec-invalid",
                "message": "the spec `bad.yaml` is invalid",
                "findings": [
                  {
                    "file": "bad.yaml",
                    "line": 2,
                    "col": 1,
                    "end": {
                      "line": 2,
                      "col": 4
                    },
                    "severity": "error",
                    "message": "`mcp` is not supported: moat does not run or relay MCP servers",
                    "hint": "name them in the agent's own settings, such as `.mcp.json` in the workspace; a remote one needs a rule in `network.rules`, and a grant with its `host` for its credential"
                  }
                ]
              }
            }
            == stderr
            error: `mcp` is not supported: moat does not run or relay MCP servers
             --> bad.yaml:2:1
              |
            2 | mcp: []
              | ^^^
              |
              = help: name them in the agent's own settings, such as `.mcp.json` in the workspace; a remote one needs a rule in `network.rules`, and a grant with its `host` for its credential
        "#]],
    );
}

#[test]
fn keys_are_explained() {
    prints(
        &Place::new(),
        &["explain", "container.memory"],
        &expect![[r#"
            exit 0
            == stdout
            container.memory: single value

              its maximum memory: `512m`, `2g`, in powers of 1024; a number without a unit is in MB

              default  75 % of the Docker host's
              change   in place; replaces when removed
              example  memory: 512m
        "#]],
    );
    prints(
        &Place::new(),
        &["explain", "name"],
        &expect![[r#"
            exit 0
            == stdout
            agent: string

              the agent's name; together with the file's path it identifies the sandbox; `name` is an alias

              default  required
              change   another sandbox
              example  agent: builder
              aliases  name
        "#]],
    );
    prints(
        &Place::new(),
        &["explain", "memory"],
        &expect![[r#"
            exit 64
            == stderr
            error: unknown key `memory`
              = help: did you mean `container.memory`?
        "#]],
    );
    prints(
        &Place::new(),
        &["explain", "mcp"],
        &expect![[r#"
            exit 64
            == stderr
            error: unknown key `mcp`
              = help: moat does not run or relay MCP servers: name them in the agent's own settings, such as `.mcp.json` in the workspace; a remote one needs a rule in `network.rules`, and a grant with its `host` for its credential
        "#]],
    );
    prints(
        &Place::new(),
        &["explain", "workspace"],
        &expect![[r#"
            exit 0
            == stdout
            workspace: string, or mapping

              the folder that the agent works on: a path, or a mapping

              default  none; in a file called `moat.yaml` the folder of the file
              change   replaces
              example  workspace: .
              keys     path, target, mode, exclude
        "#]],
    );
    let all = Place::new().run(&["explain"]).out;
    assert!(all.lines().count() >= 20 && all.lines().all(|line| line.contains("  ")), "{all}");
}

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    let written = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/agent.schema.json")).expect("a file");
    assert_eq!(Place::new().run(&["schema"]).out, written);
}

#[test]
fn init_creates_a_valid_spec_and_overwrites_nothing() {
    let place = Place::new();
    prints(
        &place,
        &["init", "--agent", "builder"],
        &expect![[r#"
        exit 0
        == stderr
        created agent.yaml; next: `moat plan`, `moat apply`
    "#]],
    );
    prints(
        &place,
        &["validate"],
        &expect![[r#"
            exit 0
            == stdout
            builder is valid
        "#]],
    );
    prints(
        &place,
        &["init"],
        &expect![[r#"
            exit 1
            == stderr
            error: cannot write `agent.yaml`: file exists
              = help: choose another file, or edit the existing one
        "#]],
    );
    prints(
        &place,
        &["init", "--agent", "builder", "--image", "debian:13", "other.yaml"],
        &expect![[r#"
            exit 0
            == stderr
            created other.yaml; next: `moat plan`, `moat apply`
        "#]],
    );
    expect![[r##"
        # The sandbox of this agent. `moat apply` creates or updates it, `moat plan` shows the changes first.
        # `moat explain` lists all keys, `moat explain KEY` describes one.
        agent: builder

        # The image of the sandbox.
        image: debian:13

        # Its own Docker daemon, with builds on a BuildKit sidecar.
        # dependencies:
        #   - docker:dind

        # The folder to work on, mounted in the sandbox as /workspace.
        workspace: .

        # What the sandbox can reach; all else is denied. `moat net denied` shows that, `moat net suggest` gives rules for it.
        # A rule is a host, such as "*.example.com", or a preset of
        # @alpine, @anthropic, @crates, @debian, @docker-hub, @gemini, @github, @go, @npm, @openai, @opencode, @pypi, @ubuntu.
        network:
          policy: strict
          rules: []

        # The command to run. Without one, the sandbox is idle and waits for `moat exec -- …`.
        # command: npm run dev

        # env:
        #   PORT: 3000
        # secrets:
        #   TOKEN: env://TOKEN
        # ports:
        #   web: 3000
        # container:
        #   memory: 4g
        #   cpus: 2
    "##]]
    .assert_eq(&fs::read_to_string(place.path().join("other.yaml")).expect("a file"));
    // A directory name may be an invalid agent name.
    let folder = Place::new().file("My Agent/.keep", "");
    let mut command = folder.command(["init"]);
    command.current_dir(folder.path().join("My Agent"));
    assert!(command.output().expect("moat runs").status.success());
    let text = fs::read_to_string(folder.path().join("My Agent/agent.yaml")).expect("a file");
    assert!(text.contains("\nagent: my-agent\n"), "{text}");
}
