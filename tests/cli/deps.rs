//! `moat deps`, and `moat image` for generated images.

use expect_test::expect;
use testkit::hermetic::{Place, prints};

const OWN: &str = "capability: tool\nsummary: ours\ninstall:\n  packages: [tool]\n";

#[test]
fn the_list_includes_user_defined_dependencies() {
    prints(
        &Place::new().file("specs/tool.yaml", OWN),
        &["deps"],
        &expect![[r#"
            exit 0
            == stdout
            DEPENDENCY      VERSIONS        SUMMARY
            aider                           Aider, started by `moat aider`
            aws                             the command line of AWS
            bat                             bat
            black                           Black
            cargo:                          a program of crates.io, as `cargo:NAME@VERSION`
            claude-code                     Claude Code, started by `moat claude`
            cli-essentials                  jq, fzf, ripgrep, fd and bat
            codex                           Codex of OpenAI, started by `moat codex`
            codex-cli                       another name of `codex`
            curl                            curl
            delta                           delta, a viewer of differences for Git
            docker:dind                     the agent's own Docker daemon, with builds on a BuildKit sidecar
            docker:host                     the Docker daemon of the host, which gives full control over the host
            eslint                          ESLint
            fd                              fd
            fzf                             fzf
            gcc                             a C compiler with Make
            gemini-cli                      Gemini CLI, started by `moat gemini`
            gh                              GitHub's command line
            git                             Git
            go              1.21 to 1.26    Go
            go-extras                       Go with gofumpt, govulncheck, GoReleaser and golangci-lint
            go:                             a program of a Go module, as `go:PATH@VERSION`
            gofumpt                         gofumpt
            golangci-lint                   golangci-lint
            gopls                           the language server of Go
            goreleaser                      GoReleaser
            govulncheck                     govulncheck
            ipython                         IPython
            jq                              jq
            kubectl                         the command line of Kubernetes
            lazygit                         lazygit
            make                            Make
            mypy                            mypy
            mysql           8               a MySQL database, reached by `MOAT_MYSQL_URL`
            node            18 to 24        Node.js with npm
            node-dev                        Node.js with TypeScript, Prettier and ESLint
            npm:                            a package of the npm registry, as `npm:NAME@VERSION`
            opencode                        opencode, started by `moat opencode`
            pi-cli                          Pi, started by `moat pi`
            pip:                            a package of PyPI, as `pip:NAME@VERSION`
            playwright                      Playwright, with Chromium of Debian
            pnpm                            pnpm
            postgres        16 to 17        a PostgreSQL database, reached by `MOAT_POSTGRES_URL`
            prettier                        Prettier
            protoc                          the compiler of Protocol Buffers
            psql                            PostgreSQL's client programs
            pyright                         Pyright, a type checker and the language server of Python
            pytest                          pytest
            python          3.9 to 3.14     Python with pip
            python-dev                      Python with uv, Ruff, Black, mypy and pytest
            redis           7               a Redis server, reached by `MOAT_REDIS_URL`
            redis-cli                       Redis's client program
            ripgrep                         ripgrep
            ruff                            Ruff
            rust            1.70 and newer  Rust with cargo
            sqlite                          SQLite's client program
            tool                            ours (your own)
            typescript                      the TypeScript compiler
            uv                              uv
            yarn                            Yarn
        "#]],
    );
}

#[test]
fn one_dependency_is_described() {
    prints(
        &Place::new(),
        &["deps", "postgres@16"],
        &expect![[r#"
        exit 0
        == stdout
        postgres: a PostgreSQL database, reached by `MOAT_POSTGRES_URL`
          versions   16 to 17
          services   postgres
          variables  MOAT_POSTGRES_DATABASE, MOAT_POSTGRES_HOST, MOAT_POSTGRES_PORT, MOAT_POSTGRES_USER, MOAT_POSTGRES_PASSWORD, MOAT_POSTGRES_URL
          volumes    postgres-data
    "#]],
    );
    prints(
        &Place::new(),
        &["deps", "node@22", "--json"],
        &expect![[r#"
            exit 0
            == stdout
            {
              "dependencies": [
                {
                  "name": "node",
                  "summary": "Node.js with npm",
                  "versions": "18 to 24",
                  "file": null,
                  "services": [],
                  "image": null,
                  "base": "node:22-trixie-slim",
                  "packages": [
                    "libatomic1"
                  ],
                  "variables": [],
                  "volumes": [],
                  "presets": [
                    "@npm"
                  ],
                  "needs": [],
                  "privileged": false
                }
              ]
            }
        "#]],
    );
}

#[test]
fn packages_and_their_dependencies_are_described() {
    prints(
        &Place::new(),
        &["deps", "npm:"],
        &expect![[r#"
            exit 0
            == stdout
            npm: a package of the npm registry, as `npm:NAME@VERSION`
              presets    @npm
              needs      node
        "#]],
    );
    prints(
        &Place::new(),
        &["deps", "npm:@openai/codex@0.171.0"],
        &expect![[r#"
            exit 0
            == stdout
            npm:@openai/codex: a package of the npm registry, as `npm:NAME@VERSION`
              presets    @npm
              needs      node
        "#]],
    );
    prints(
        &Place::new(),
        &["deps", "python-dev"],
        &expect![[r#"
        exit 0
        == stdout
        python-dev: Python with uv, Ruff, Black, mypy and pytest
          needs      python, uv, ruff, black, mypy, pytest
    "#]],
    );
}

#[test]
fn an_unknown_dependency_is_reported() {
    prints(
        &Place::new(),
        &["deps", "postgress"],
        &expect![[r#"
        exit 64
        == stderr
        error: unknown dependency `postgress`
          = help: did you mean `postgres`?
    "#]],
    );
    prints(
        &Place::new(),
        &["deps", "node@2"],
        &expect![[r#"
            exit 64
            == stderr
            error: `node` has no version `2`
              = help: available versions: 18 to 24
        "#]],
    );
}

#[test]
fn the_dockerfile_of_a_generated_image() {
    prints(
        &Place::with("agent: builder\ndependencies: [git]\n"),
        &["image"],
        &expect![[r#"
            exit 0
            == stdout
            # Made by moat from the dependencies of the spec; `moat image` shows it.
            FROM debian:trixie-slim
            ARG DEBIAN_FRONTEND=noninteractive
            RUN ["/bin/sh", "-ec", "apt-get update && apt-get install --yes --no-install-recommends ca-certificates git openssh-client && rm -rf /var/lib/apt/lists/*"]
            RUN ["/bin/sh", "-ec", "id agent >/dev/null 2>&1 || if other=$(id -nu 1000 2>/dev/null); then usermod --login agent --home /home/agent --shell /bin/bash \"$other\" && cp -a /etc/skel /home/agent && chown -R \"1000:$(id -g 1000)\" /home/agent; else useradd --create-home --uid 1000 --shell /bin/bash agent; fi"]
            RUN ["/bin/sh", "-ec", "git --version"]
            USER agent
            ENTRYPOINT []
            CMD ["sleep", "infinity"]
            == stderr
            moat/builder:0e16b4469713
        "#]],
    );
    prints(
        &Place::with("agent: builder\nimage: debian:13\n"),
        &["image"],
        &expect![[r#"
        exit 0
        == stderr
        builder has no built image: its spec uses an existing one
    "#]],
    );
}

/// A grant alone is enough for the programs that use it.
#[test]
fn an_image_that_moat_makes_has_the_programs_of_the_grants() {
    let packages = |spec: &str| {
        let ran = Place::with(spec).run(&["image"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let line = ran.out.lines().find(|line| line.contains("apt-get install"));
        let names = line.and_then(|line| line.split("--no-install-recommends ").nth(1)?.split(" &&").next());
        names.unwrap_or_default().to_owned()
    };
    assert_eq!(packages("agent: a\ngrants: [github]\n"), "ca-certificates gh git openssh-client");
    assert_eq!(packages("agent: a\ngrants: [openai]\n"), "");
    let node = Place::with("agent: a\ngrants: [npm]\ndependencies: [node@20]\n").run(&["image"]);
    assert!(node.out.contains("FROM node:20-trixie-slim\n"), "{}", node.out);
    for own in ["image: debian:13", "build: ."] {
        let place = Place::with(format!("agent: a\ngrants: [github]\n{own}\n")).file("Dockerfile", "FROM scratch\n");
        let ran = place.run(&["validate"]);
        assert_eq!(ran.code, Some(0), "{own}: {}", ran.err);
    }
}

#[test]
fn installed_dependencies_need_a_generated_image() {
    let spec = "agent: builder\nimage: debian:13\ndependencies: [git]\nhooks: {post_build: make, pre_run: ./prepare}\n";
    prints(
        &Place::with(format!("{spec}command: [x]\n")),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `git` cannot be installed in an image that is used as is
             --> agent.yaml:2:1
              |
            2 | image: debian:13
              | ^^^^^
              |
              = help: use `base_image` instead of `image`: moat builds an image on top of it

            error: build hooks cannot run in an image that is used as is
             --> agent.yaml:4:1
              |
            4 | hooks: {post_build: make, pre_run: ./prepare}
              | ^^^^^
              |
              = help: use `base_image` instead of `image`: moat builds an image on top of it

            error: `hooks.pre_run` would replace the image's entrypoint
             --> agent.yaml:4:27
              |
            4 | hooks: {post_build: make, pre_run: ./prepare}
              |                           ^^^^^^^
              |
              = help: set `entrypoint` to it, such as `[tini, --]`, or to `[]` if the image has none; `docker image inspect -f '{{.Config.Entrypoint}}' IMAGE` shows it
        "#]],
    );
}

#[test]
fn a_dependency_with_its_own_image_is_not_installed() {
    let own = "capability: whole\nsummary: ours\nimage: whole:1\n";
    prints(
        &Place::with("agent: builder\ndependencies: [whole, git]\n").file("specs/whole.yaml", own),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `whole` uses its own image and cannot be installed in another one
             --> agent.yaml:2:1
              |
            2 | dependencies: [whole, git]
              | ^^^^^^^^^^^^
              |
              = help: set `image` to one that contains both, or remove one of the two
        "#]],
    );
}

#[test]
fn an_invalid_user_defined_capability_is_reported() {
    let own = format!("{OWN}sidecar: []\n");
    prints(
        &Place::with("agent: builder\nimage: x\n").file("specs/tool.yaml", own),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: unknown field `sidecar`, expected one of `capability`, `summary`, `versions`, `default`, `needs`, `package`, `presets`, `grants`, `agent`, `image`, `install`, `sidecars`, `main`, `builds`, `variants`, `tag_suffix`
             --> specs/tool.yaml:5:1
              |
            5 | sidecar: []
              | ^
              |
              = help: for the format, see the built-in capabilities in `specs/` in moat's sources
        "#]],
    );
}

#[test]
fn an_unknown_preset_of_a_user_defined_capability_is_reported() {
    let own = format!("{OWN}presets: [npn]\n");
    prints(
        &Place::with("agent: builder\nimage: x\n").file("specs/tool.yaml", own),
        &["validate"],
        &expect![[r#"
        exit 65
        == stderr
        error: unknown preset `@npn`: did you mean `@npm`?
         --> specs/tool.yaml:1:1
          |
        1 | capability: tool
          | ^
          |
          = help: for the format, see the built-in capabilities in `specs/` in moat's sources
    "#]],
    );
}

#[test]
fn services_and_their_names() {
    let spec = "agent: builder\nimage: x\ndependencies: [redis, 'postgres@16', 'postgres@17']\nservices:\n  redis: {image: y}\n";
    prints(
        &Place::with(spec),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: duplicate dependency `postgres`
             --> agent.yaml:3:38
              |
            3 | dependencies: [redis, 'postgres@16', 'postgres@17']
              |                                      ^^^^^^^^^^^^^
              |
              = help: keep one version
        "#]],
    );
    let spec = "agent: builder\nimage: x\ndependencies: [redis]\nservices:\n  redis: {image: y}\n  Main: {image: y}\n";
    prints(
        &Place::with(spec),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `Main` is not a valid service name
             --> agent.yaml:6:3
              |
            6 |   Main: {image: y}
              |   ^^^^
              |
              = help: names consist of lowercase letters and digits with `-` in between, at most 32, such as `db` or `search-1`
        "#]],
    );
    let spec = "agent: builder\nimage: x\ndependencies: [redis]\nservices:\n  redis: {image: y}\n";
    prints(
        &Place::with(spec),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: the service name `redis` is already used by the dependency `redis`
             --> agent.yaml:5:3
              |
            5 |   redis: {image: y}
              |   ^^^^^
              |
              = help: rename the service, or remove one of the two
        "#]],
    );
}
