//! What is said about specs that are wrong: the exact text, row by row.
//!
//! Every diagnostic of the language so far is here at least once. `UPDATE_EXPECT=1 cargo test` writes the rows
//! anew; read the difference as a user would.

use expect_test::{Expect, expect};
use moat::ui::{Colour, diagnostic};
use moat_spec::compile;
use moat_spec::{Capabilities, Source, agent};

#[track_caller]
fn refused(text: &str, expected: &Expect) {
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    let diagnostics = agent::parse(source).expect_err("the spec is wrong");
    expected.assert_eq(&diagnostic::text(&diagnostics, Colour::Never));
}

/// As above, of what only shows when the parts are put together.
#[track_caller]
fn not_compiled(text: &str, expected: &Expect) {
    let spec = agent::parse(Source::new("agent.yaml", "/agent.yaml", text)).expect("the spec can be read");
    let diagnostics = compile::compile(&spec, &Capabilities::builtin()).expect_err("the parts do not fit");
    expected.assert_eq(&diagnostic::text(&diagnostics, Colour::Never));
}

#[test]
fn an_empty_file() {
    refused(
        "",
        &expect![[r#"
        error: the file is empty
         --> agent.yaml:1:1
          |
        1 |
          | ^
          |
          = help: begin with a line such as `agent: builder`
    "#]],
    );
}

#[test]
fn only_a_comment() {
    refused(
        "# nothing yet\n",
        &expect![[r#"
        error: the file is empty
         --> agent.yaml:1:1
          |
        1 | # nothing yet
          | ^
          |
          = help: begin with a line such as `agent: builder`
    "#]],
    );
}

#[test]
fn an_explicit_nothing() {
    refused(
        "---\n",
        &expect![[r#"
        error: the file is empty
         --> agent.yaml:2:1
          |
        2 |
          | ^
          |
          = help: begin with a line such as `agent: builder`
    "#]],
    );
}

#[test]
fn a_list_at_the_top() {
    refused(
        "- agent: builder\n",
        &expect![[r#"
            error: the file must be a mapping, not a list
             --> agent.yaml:1:1
              |
            1 | - agent: builder
              | ^^^^^^^^^^^^^^^^
              |
              = help: write `KEY: VALUE` lines; `moat explain` shows all keys
        "#]],
    );
}

#[test]
fn text_at_the_top() {
    refused(
        "just words\n",
        &expect![[r#"
            error: the file must be a mapping, not text
             --> agent.yaml:1:1
              |
            1 | just words
              | ^^^^^^^^^^
              |
              = help: write `KEY: VALUE` lines; `moat explain` shows all keys
        "#]],
    );
}

#[test]
fn no_space_after_the_colon() {
    refused(
        "agent:builder\n",
        &expect![[r#"
        error: the file must be a mapping, not text
         --> agent.yaml:1:1
          |
        1 | agent:builder
          | ^^^^^^^^^^^^^
          |
          = help: write a space after the colon: `agent: builder`
    "#]],
    );
}

#[test]
fn null_at_the_top() {
    refused(
        "~\n",
        &expect![[r#"
            error: the file must be a mapping, not null
             --> agent.yaml:1:1
              |
            1 | ~
              | ^
              |
              = help: write `KEY: VALUE` lines; `moat explain` shows all keys
        "#]],
    );
}

#[test]
fn two_documents() {
    refused(
        "agent: a\n---\nagent: b\n",
        &expect![[r#"
            error: a second agent
             --> agent.yaml:3:8
              |
            3 | agent: b
              |        ^
              |
              = help: write one
        "#]],
    );
}

#[test]
fn agent_is_missing() {
    refused(
        "image: debian:13\n",
        &expect![[r#"
        error: `agent` is missing
         --> agent.yaml:1:1
          |
        1 | image: debian:13
          | ^
          |
          = help: add a line such as `agent: builder`
    "#]],
    );
}

#[test]
fn an_agent_with_both_names() {
    refused(
        "name: builder\nagent: other\n",
        &expect![[r#"
        error: `agent` is given twice, once by another name
         --> agent.yaml:2:1
          |
        2 | agent: other
          | ^^^^^
          |
          = help: keep one of them
    "#]],
    );
}

#[test]
fn an_unknown_key_that_is_nearly_one() {
    refused(
        "agent: a\ndependancies: [docker:dind]\n",
        &expect![[r#"
        error: unknown key `dependancies`
         --> agent.yaml:2:1
          |
        2 | dependancies: [docker:dind]
          | ^^^^^^^^^^^^
          |
          = help: did you mean `dependencies`?
    "#]],
    );
}

#[test]
fn an_unknown_key_like_nothing_else() {
    refused(
        "agent: a\nfrobnicate: yes\n",
        &expect![[r#"
            error: unknown key `frobnicate`
             --> agent.yaml:2:1
              |
            2 | frobnicate: yes
              | ^^^^^^^^^^
              |
              = help: `moat explain` shows all keys
        "#]],
    );
}

#[test]
fn an_unknown_key_in_buildkit() {
    refused(
        "agent: a\nbuildkit:\n  cach: keep\n",
        &expect![[r#"
        error: unknown key `cach` in `buildkit`
         --> agent.yaml:3:3
          |
        3 |   cach: keep
          |   ^^^^
          |
          = help: did you mean `cache`?
    "#]],
    );
}

#[test]
fn a_key_that_belongs_below() {
    refused(
        "agent: a\ncache: keep\n",
        &expect![[r#"
        error: unknown key `cache`
         --> agent.yaml:2:1
          |
        2 | cache: keep
          | ^^^^^
          |
          = help: `cache` belongs in `buildkit`
    "#]],
    );
}

#[test]
fn a_key_that_belongs_above() {
    refused(
        "agent: a\nbuildkit: { env: {} }\n",
        &expect![[r#"
        error: unknown key `env` in `buildkit`
         --> agent.yaml:2:13
          |
        2 | buildkit: { env: {} }
          |             ^^^
          |
          = help: `env` belongs at the top level
    "#]],
    );
}

#[test]
fn a_key_as_compose_has_it() {
    refused(
        "agent: a\nenvironment:\n  A: 1\n",
        &expect![[r#"
            error: unknown key `environment`
             --> agent.yaml:2:1
              |
            2 | environment:
              | ^^^^^^^^^^^
              |
              = help: write `env` instead
        "#]],
    );
}

#[test]
fn a_duplicate_key() {
    refused(
        "agent: a\nimage: debian:12\nimage: debian:13\n",
        &expect![[r#"
            error: `image` is given twice
             --> agent.yaml:3:1
              |
            3 | image: debian:13
              | ^^^^^
              |
              = help: it is already on line 2; keep one of them
        "#]],
    );
}

#[test]
fn a_duplicate_key_deep_down() {
    refused(
        "agent: a\nenv: { A: 1, B: 2, A: 3 }\n",
        &expect![[r#"
        error: `A` is given twice
         --> agent.yaml:2:20
          |
        2 | env: { A: 1, B: 2, A: 3 }
          |                    ^
          |
          = help: it is already on this line; keep one of them
    "#]],
    );
}

#[test]
fn a_merge_key() {
    refused(
        "agent: a\nenv:\n  <<: { A: 1 }\n  B: 2\n",
        &expect![[r#"
        error: merge keys (`<<`) are not supported
         --> agent.yaml:3:3
          |
        3 |   <<: { A: 1 }
          |   ^^
          |
          = help: write out the keys that it would bring
    "#]],
    );
}

#[test]
fn a_list_as_a_key() {
    refused(
        "agent: a\n[x, y]: z\n",
        &expect![[r#"
        error: a key must be text
         --> agent.yaml:2:1
          |
        2 | [x, y]: z
          | ^^^^^^
          |
          = help: write `KEY: VALUE`, with a name as the key
    "#]],
    );
}

#[test]
fn nothing_as_a_key() {
    refused(
        "agent: a\n~: z\n: y\n",
        &expect![[r#"
            error: unknown key `~`
             --> agent.yaml:2:1
              |
            2 | ~: z
              | ^
              |
              = help: `moat explain` shows all keys

            error: a key must be text
             --> agent.yaml:3:1
              |
            3 | : y
              | ^
              |
              = help: write `KEY: VALUE`, with a name as the key
        "#]],
    );
}

#[test]
fn a_tag() {
    refused(
        "agent: !!str 5\nenv: !env\n  A: 1\n",
        &expect![[r#"
        error: tags (`!…`) have no meaning here
         --> agent.yaml:1:8
          |
        1 | agent: !!str 5
          |        ^^^^^
          |
          = help: remove the tag; quotes make a value text

        error: tags (`!…`) have no meaning here
         --> agent.yaml:2:6
          |
        2 | env: !env
          |      ^^^^
          |
          = help: remove the tag; quotes make a value text
    "#]],
    );
}

#[test]
fn an_alias_of_nothing() {
    refused(
        "agent: a\nimage: *base\n",
        &expect![[r#"
        error: not valid YAML: an alias (`*…`) without an anchor (`&…`) before it
         --> agent.yaml:2:8
          |
        2 | image: *base
          |        ^
          |
          = help: text that begins with `*` needs quotes
    "#]],
    );
}

#[test]
fn an_alias_within_itself() {
    refused(
        "agent: a\nenv: &e { A: *e }\n",
        &expect![[r#"
        error: an alias stands within the value that it means
         --> agent.yaml:2:14
          |
        2 | env: &e { A: *e }
          |              ^^
          |
          = help: write the value out
    "#]],
    );
}

#[test]
fn an_alias_is_wrong_where_it_stands() {
    refused(
        "agent: a\nbuildkit: { image: &i \"Not An Image\" }\nimage: *i\n",
        &expect![[r#"
        error: `Not An Image` is not an image reference
         --> agent.yaml:2:20
          |
        2 | buildkit: { image: &i "Not An Image" }
          |                    ^^^^^^^^^^^^^^^^^
          |
          = help: write it as `NAME:TAG` or `REGISTRY/NAME:TAG`, as in `debian:13`

        error: `Not An Image` is not an image reference
         --> agent.yaml:3:8
          |
        3 | image: *i
          |        ^^
          |
          = help: write it as `NAME:TAG` or `REGISTRY/NAME:TAG`, as in `debian:13`
    "#]],
    );
}

#[test]
fn a_key_without_a_value() {
    refused(
        "agent: a\nimage:\ncommand: ls\n",
        &expect![[r#"
        error: `image` has no value
         --> agent.yaml:2:1
          |
        2 | image:
          | ^^^^^
          |
          = help: write a value, or leave it out
    "#]],
    );
}

#[test]
fn a_null_by_name() {
    refused(
        "agent: a\nimage: null\nbuildkit: ~\n",
        &expect![[r#"
            error: `image` must be text, not null
             --> agent.yaml:2:8
              |
            2 | image: null
              |        ^^^^
              |
              = help: write a value, or leave it out

            error: `buildkit` must be a mapping, not null
             --> agent.yaml:3:11
              |
            3 | buildkit: ~
              |           ^
              |
              = help: write `KEY: VALUE` lines; the keys are `image`, `cache`, `cache_limit`, `config`, `resources`, `logging`
        "#]],
    );
}

#[test]
fn an_empty_text() {
    refused(
        "agent: a\nimage: ''\n",
        &expect![[r#"
        error: `image` is empty
         --> agent.yaml:2:8
          |
        2 | image: ''
          |        ^^
          |
          = help: write a value, or leave it out
    "#]],
    );
}

#[test]
fn a_number_where_text_is_expected() {
    refused(
        "agent: 42\n",
        &expect![[r#"
        error: `agent` must be text, not the number `42`
         --> agent.yaml:1:8
          |
        1 | agent: 42
          |        ^^
          |
          = help: put it in quotes: `"42"`
    "#]],
    );
}

#[test]
fn a_boolean_where_text_is_expected() {
    refused(
        "agent: a\ncommand: true\n",
        &expect![[r#"
        error: `command` must be text or a list, not the boolean `true`
         --> agent.yaml:2:10
          |
        2 | command: true
          |          ^^^^
          |
          = help: put it in quotes: `"true"`
    "#]],
    );
}

#[test]
fn a_list_where_text_is_expected() {
    refused(
        "agent: a\nimage: [debian:13]\n",
        &expect![[r#"
        error: `image` must be text, not a list
         --> agent.yaml:2:8
          |
        2 | image: [debian:13]
          |        ^^^^^^^^^^^
          |
          = help: write a single value, without `-` or brackets
    "#]],
    );
}

#[test]
fn an_agents_name_with_a_slug() {
    refused(
        "agent: My Agent\n",
        &expect![[r#"
        error: `My Agent` cannot be an agent's name
         --> agent.yaml:1:8
          |
        1 | agent: My Agent
          |        ^^^^^^^^
          |
          = help: use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit, as in `my-agent`
    "#]],
    );
}

#[test]
fn an_agents_name_beyond_help() {
    refused(
        "agent: '???'\n",
        &expect![[r#"
        error: `???` cannot be an agent's name
         --> agent.yaml:1:8
          |
        1 | agent: '???'
          |        ^^^^^
          |
          = help: use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit
    "#]],
    );
}

#[test]
fn an_agents_name_that_is_too_long() {
    refused(
        "agent: an-agent-whose-name-is-longer-than-a-dns-label-allows\n",
        &expect![[r#"
        error: an agent's name has at most 32 characters, not 53
         --> agent.yaml:1:8
          |
        1 | agent: an-agent-whose-name-is-longer-than-a-dns-label-allows
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit, as in `an-agent-whose-name-is-longer-th`
    "#]],
    );
}

#[test]
fn an_image_in_capitals() {
    refused(
        "agent: a\nimage: Docker:dind\n",
        &expect![[r#"
        error: `Docker:dind` is not an image reference
         --> agent.yaml:2:8
          |
        2 | image: Docker:dind
          |        ^^^^^^^^^^^
          |
          = help: write `docker:dind`: names of images are lowercase, without spaces
    "#]],
    );
}

#[test]
fn an_image_that_is_a_sentence() {
    refused(
        "agent: a\nimage: the newest one!\n",
        &expect![[r#"
        error: `the newest one!` is not an image reference
         --> agent.yaml:2:8
          |
        2 | image: the newest one!
          |        ^^^^^^^^^^^^^^^
          |
          = help: write it as `NAME:TAG` or `REGISTRY/NAME:TAG`, as in `debian:13`
    "#]],
    );
}

#[test]
fn one_dependency_without_a_list() {
    refused(
        "agent: a\ndependencies: docker:dind\n",
        &expect![[r#"
        error: `dependencies` must be a list, not text
         --> agent.yaml:2:15
          |
        2 | dependencies: docker:dind
          |               ^^^^^^^^^^^
          |
          = help: write it as an item of a list: `- docker:dind`
    "#]],
    );
}

#[test]
fn dependencies_as_a_mapping() {
    refused(
        "agent: a\ndependencies:\n  docker: dind\n",
        &expect![[r#"
        error: `dependencies` must be a list, not a mapping
         --> agent.yaml:3:3
          |
        3 |   docker: dind
          |   ^^^^^^^^^^^^
          |
          = help: write one item a line, each after `- `
    "#]],
    );
}

#[test]
fn a_dependency_with_a_space_after_its_colon() {
    refused(
        "agent: a\ndependencies:\n  - docker: dind\n",
        &expect![[r#"
        error: `dependencies[0]` must be text, not a mapping
         --> agent.yaml:3:5
          |
        3 |   - docker: dind
          |     ^^^^^^^^^^^^
          |
          = help: a space after the colon makes a mapping: write `docker:dind`
    "#]],
    );
}

#[test]
fn a_dependency_that_is_no_name() {
    refused(
        "agent: a\ndependencies:\n  - \"docker dind\"\n  - \n  - 5\n",
        &expect![[r#"
        error: `docker dind` cannot be the name of a dependency
         --> agent.yaml:3:5
          |
        3 |   - "docker dind"
          |     ^^^^^^^^^^^^^
          |
          = help: names have letters, digits and `:`, `@`, `-`, `.`, as in `docker:dind`

        error: `dependencies[1]` has no value
         --> agent.yaml:4:5
          |
        4 |   - 
          |     ^
          |
          = help: write a value, or leave it out

        error: `dependencies[2]` must be text, not the number `5`
         --> agent.yaml:5:5
          |
        5 |   - 5
          |     ^
          |
          = help: put it in quotes: `"5"`
    "#]],
    );
}

#[test]
fn a_dependency_twice() {
    refused(
        "agent: a\ndependencies:\n  - docker:dind\n  - docker:dind\n",
        &expect![[r#"
        error: `docker:dind` is listed twice
         --> agent.yaml:4:5
          |
        4 |   - docker:dind
          |     ^^^^^^^^^^^
          |
          = help: it is already on line 3; keep one of them
    "#]],
    );
}

#[test]
fn a_command_that_is_a_mapping() {
    refused(
        "agent: a\ncommand:\n  run: ls\n  in: /\n",
        &expect![[r#"
        error: `command` must be text or a list, not a mapping
         --> agent.yaml:3:3
          |
        3 |   run: ls
          |   ^^^^^^^
          |
          = help: write a single value
    "#]],
    );
}

#[test]
fn an_empty_command() {
    refused(
        "agent: a\ncommand: ''\n",
        &expect![[r#"
        error: `command` is empty
         --> agent.yaml:2:10
          |
        2 | command: ''
          |          ^^
          |
          = help: write a value, or leave it out
    "#]],
    );
}

#[test]
fn an_empty_list_as_command() {
    refused(
        "agent: a\ncommand: []\n",
        &expect![[r#"
            error: `command` is empty
             --> agent.yaml:2:10
              |
            2 | command: []
              |          ^^
              |
              = help: write a program, or remove the key
        "#]],
    );
}

#[test]
fn a_command_with_a_list_in_it() {
    refused(
        "agent: a\ncommand: [sh, [-c, ls], ~]\n",
        &expect![[r#"
        error: `command[1]` must be a single value, not a list
         --> agent.yaml:2:15
          |
        2 | command: [sh, [-c, ls], ~]
          |               ^^^^^^^^
          |
          = help: write a single value, without `-` or brackets

        error: `command[2]` must be a single value, not null
         --> agent.yaml:2:25
          |
        2 | command: [sh, [-c, ls], ~]
          |                         ^
          |
          = help: write `""` for an empty value
    "#]],
    );
}

#[test]
fn a_nul_in_a_command() {
    refused(
        "agent: a\ncommand: [\"a\\0b\"]\n",
        &expect![[r#"
        error: a NUL character cannot be passed to a program
         --> agent.yaml:2:11
          |
        2 | command: ["a\0b"]
          |           ^^^^^^
          |
          = help: remove the `\0`
    "#]],
    );
}

#[test]
fn env_as_a_list() {
    refused(
        "agent: a\nenv:\n  - A=1\n",
        &expect![[r#"
        error: `env` must be a mapping, not a list
         --> agent.yaml:3:3
          |
        3 |   - A=1
          |   ^^^^^
          |
          = help: write `NAME: VALUE` lines, without dashes
    "#]],
    );
}

#[test]
fn env_as_one_text() {
    refused(
        "agent: a\nenv: A=1\n",
        &expect![[r#"
        error: `env` must be a mapping, not text
         --> agent.yaml:2:6
          |
        2 | env: A=1
          |      ^^^
          |
          = help: write a space after the colon: `A: 1`
    "#]],
    );
}

#[test]
fn env_names_that_nobody_can_set() {
    refused(
        "agent: a\nenv:\n  1A: x\n  \"B C\": y\n  D=E: z\n",
        &expect![[r#"
        error: `1A` cannot be the name of an environment variable
         --> agent.yaml:3:3
          |
        3 |   1A: x
          |   ^^
          |
          = help: names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`

        error: `B C` cannot be the name of an environment variable
         --> agent.yaml:4:3
          |
        4 |   "B C": y
          |   ^^^^^
          |
          = help: names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`

        error: `D=E` cannot be the name of an environment variable
         --> agent.yaml:5:3
          |
        5 |   D=E: z
          |   ^^^
          |
          = help: write the value after a colon: `D: …`
    "#]],
    );
}

#[test]
fn env_values_that_are_not_single() {
    refused(
        "agent: a\nenv:\n  A: ~\n  B:\n  C: [1]\n  D: { E: 1 }\n",
        &expect![[r#"
        error: `env.A` must be a single value, not null
         --> agent.yaml:3:6
          |
        3 |   A: ~
          |      ^
          |
          = help: write `""` for an empty value

        error: `env.B` has no value
         --> agent.yaml:4:3
          |
        4 |   B:
          |   ^
          |
          = help: write `""` for an empty value

        error: `env.C` must be a single value, not a list
         --> agent.yaml:5:6
          |
        5 |   C: [1]
          |      ^^^
          |
          = help: write a single value, without `-` or brackets

        error: `env.D` must be a single value, not a mapping
         --> agent.yaml:6:6
          |
        6 |   D: { E: 1 }
          |      ^^^^^^^^
          |
          = help: a space after the colon makes a mapping: write `E:1`
    "#]],
    );
}

#[test]
fn buildkit_as_text() {
    refused(
        "agent: a\nbuildkit: keep\n",
        &expect![[r#"
            error: `buildkit` must be a mapping, not text
             --> agent.yaml:2:11
              |
            2 | buildkit: keep
              |           ^^^^
              |
              = help: write `KEY: VALUE` lines; the keys are `image`, `cache`, `cache_limit`, `config`, `resources`, `logging`
        "#]],
    );
}

#[test]
fn a_cache_that_is_nearly_kept() {
    refused(
        "agent: a\nbuildkit:\n  cache: kepp\n",
        &expect![[r#"
        error: `buildkit.cache` must be `keep` or `discard`, not `kepp`
         --> agent.yaml:3:10
          |
        3 |   cache: kepp
          |          ^^^^
          |
          = help: did you mean `keep`?
    "#]],
    );
}

#[test]
fn a_cache_of_another_sort() {
    refused(
        "agent: a\nbuildkit:\n  cache: shared\n",
        &expect![[r#"
        error: `buildkit.cache` must be `keep` or `discard`, not `shared`
         --> agent.yaml:3:10
          |
        3 |   cache: shared
          |          ^^^^^^
          |
          = help: write `keep` or `discard`
    "#]],
    );
}

#[test]
fn a_cache_that_is_a_boolean() {
    refused(
        "agent: a\nbuildkit:\n  cache: true\n",
        &expect![[r#"
        error: `buildkit.cache` must be `keep` or `discard`, not the boolean `true`
         --> agent.yaml:3:10
          |
        3 |   cache: true
          |          ^^^^
          |
          = help: write `keep` or `discard`
    "#]],
    );
}

#[test]
fn a_builder_image_in_capitals() {
    refused(
        "agent: a\nbuildkit:\n  image: Moby/BuildKit:latest\n",
        &expect![[r#"
        error: `Moby/BuildKit:latest` is not an image reference
         --> agent.yaml:3:10
          |
        3 |   image: Moby/BuildKit:latest
          |          ^^^^^^^^^^^^^^^^^^^^
          |
          = help: write `moby/buildkit:latest`: names of images are lowercase, without spaces
    "#]],
    );
}

#[test]
fn a_tab() {
    refused(
        "agent: a\nenv:\n\tA: 1\n",
        &expect![[r#"
        error: not valid YAML: a tab where YAML wants spaces
         --> agent.yaml:3:1
          |
        3 |     A: 1
          | ^^^^
          |
          = help: indent with spaces
    "#]],
    );
}

#[test]
fn a_colon_in_a_value() {
    refused(
        "agent: a\ncommand: echo: hello\n",
        &expect![[r#"
        error: not valid YAML: a second `: ` where a value is expected
         --> agent.yaml:2:14
          |
        2 | command: echo: hello
          |              ^
          |
          = help: text with `: ` in it needs quotes; a key begins on a line of its own, as far left as its neighbours
    "#]],
    );
}

#[test]
fn a_quote_that_is_never_closed() {
    refused(
        "agent: \"builder\nimage: debian:13\n",
        &expect![[r#"
        error: not valid YAML: a quote is opened here and not closed
         --> agent.yaml:1:8
          |
        1 | agent: "builder
          |        ^
          |
          = help: close it with the same sign
    "#]],
    );
}

#[test]
fn a_bracket_that_is_never_closed() {
    refused(
        "agent: a\ndependencies: [docker:dind\ncommand: ls\n",
        &expect![[r#"
        error: not valid YAML: a `:` within brackets
         --> agent.yaml:3:8
          |
        3 | command: ls
          |        ^
          |
          = help: is a `]` missing on the line above?
    "#]],
    );
}

#[test]
fn a_brace_that_is_never_closed() {
    refused(
        "agent: a\nenv: { A: 1\ncommand: ls\n",
        &expect![[r#"
        error: not valid YAML: a mapping in braces is not closed
         --> agent.yaml:3:8
          |
        3 | command: ls
          |        ^
          |
          = help: separate entries by `,` and end the mapping with `}`
    "#]],
    );
}

#[test]
fn a_key_that_is_not_aligned() {
    refused(
        "agent: a\n  image: debian:13\n",
        &expect![[r#"
        error: not valid YAML: a second `: ` where a value is expected
         --> agent.yaml:2:8
          |
        2 |   image: debian:13
          |        ^
          |
          = help: text with `: ` in it needs quotes; a key begins on a line of its own, as far left as its neighbours
    "#]],
    );
}

#[test]
fn a_key_that_is_indented_less() {
    refused(
        "env:\n    A: 1\n  B: 2\nagent: a\n",
        &expect![[r#"
        error: not valid YAML: not a key of the mapping around it
         --> agent.yaml:3:3
          |
        3 |   B: 2
          |   ^
          |
          = help: align it with the keys above; items of a list begin with `- `
    "#]],
    );
}

#[test]
fn a_line_without_a_colon() {
    refused(
        "agent: a\nimage\ncommand: ls\n",
        &expect![[r#"
        error: not valid YAML: a key without a colon
         --> agent.yaml:2:1
          |
        2 | image
          | ^^^^^
          |
          = help: write `KEY: VALUE`
    "#]],
    );
}

#[test]
fn an_item_on_the_line_of_its_key() {
    refused(
        "agent: a\ndependencies: - docker:dind\n",
        &expect![[r#"
        error: not valid YAML: an item of a list where none can be
         --> agent.yaml:2:15
          |
        2 | dependencies: - docker:dind
          |               ^
          |
          = help: begin the list on the line after the key, or write it in brackets
    "#]],
    );
}

#[test]
fn a_sign_that_yaml_reserves() {
    refused(
        "agent: a\ncommand: @daily\n",
        &expect![[r#"
        error: not valid YAML: a sign that cannot begin a value
         --> agent.yaml:2:10
          |
        2 | command: @daily
          |          ^
          |
          = help: text that begins with it needs quotes
    "#]],
    );
}

#[test]
fn a_glob_without_quotes() {
    refused(
        "agent: a\ncommand: [ls, *.rs]\n",
        &expect![[r#"
        error: not valid YAML: an alias (`*…`) without an anchor (`&…`) before it
         --> agent.yaml:2:15
          |
        2 | command: [ls, *.rs]
          |               ^
          |
          = help: text that begins with `*` needs quotes
    "#]],
    );
}

#[test]
fn a_backslash_in_double_quotes() {
    refused(
        "agent: a\ncommand: \"grep \\d\"\n",
        &expect![[r#"
        error: not valid YAML: an unknown escape in double quotes
         --> agent.yaml:2:10
          |
        2 | command: "grep \d"
          |          ^
          |
          = help: write `\\` for a backslash, or use single quotes
    "#]],
    );
}

#[test]
fn text_after_a_quote() {
    refused(
        "agent: a\ncommand: \"a\" b\n",
        &expect![[r#"
        error: not valid YAML: text after the closing quote
         --> agent.yaml:2:14
          |
        2 | command: "a" b
          |              ^
          |
          = help: put the whole value in quotes
    "#]],
    );
}

#[test]
fn a_control_character() {
    refused(
        "agent: a\ncommand: a\u{7}b\n",
        &expect![[r#"
        error: the character U+0007 cannot be here
         --> agent.yaml:2:11
          |
        2 | command: a␇b
          |           ^
          |
          = help: remove it, or write it as an escape in double quotes
    "#]],
    );
}

#[test]
fn a_line_separator() {
    refused(
        "agent: a\ncommand: \"a\u{2028}b\"\n",
        &expect![[r#"
        error: the character U+2028 cannot be here
         --> agent.yaml:2:12
          |
        2 | command: "a b"
          |            ^
          |
          = help: remove it, or write it as an escape in double quotes
    "#]],
    );
}

#[test]
fn characters_of_several_bytes_before_the_fault() {
    refused(
        "agent: a # größer 日本\nenv: { ключ: \"日本\", \"naïve ☃\": 1 }\n",
        &expect![[r#"
        error: `ключ` cannot be the name of an environment variable
         --> agent.yaml:2:8
          |
        2 | env: { ключ: "日本", "naïve ☃": 1 }
          |        ^^^^
          |
          = help: names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`

        error: `naïve ☃` cannot be the name of an environment variable
         --> agent.yaml:2:20
          |
        2 | env: { ключ: "日本", "naïve ☃": 1 }
          |                      ^^^^^^^^^
          |
          = help: names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`
    "#]],
    );
}

#[test]
fn windows_line_ends() {
    refused(
        "agent: a\r\nimage: A\r\ncach: keep\r\n",
        &expect![[r#"
            error: `A` is not an image reference
             --> agent.yaml:2:8
              |
            2 | image: A
              |        ^
              |
              = help: write `a`: names of images are lowercase, without spaces

            error: unknown key `cach`
             --> agent.yaml:3:1
              |
            3 | cach: keep
              | ^^^^
              |
              = help: `moat explain` shows all keys
        "#]],
    );
}

#[test]
fn a_byte_order_mark_is_not_counted() {
    refused(
        "\u{feff}agnet: a\n",
        &expect![[r#"
        error: unknown key `agnet`
         --> agent.yaml:1:1
          |
        1 | agnet: a
          | ^^^^^
          |
          = help: did you mean `agent`?
    "#]],
    );
}

#[test]
fn everything_at_once() {
    refused(
        "agnet: My Agent\nimage: Debian\ndependencies: [docker:dind, docker:dind, 7]\ncommand: {}\nenv: { 1: 2, A: ~ }\nbuildkit: { cache: no, image: [] }\nimage: debian:13\n",
        &expect![[r#"
            error: unknown key `agnet`
             --> agent.yaml:1:1
              |
            1 | agnet: My Agent
              | ^^^^^
              |
              = help: did you mean `agent`?

            error: `My Agent` cannot be an agent's name
             --> agent.yaml:1:8
              |
            1 | agnet: My Agent
              |        ^^^^^^^^
              |
              = help: use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit, as in `my-agent`

            error: `Debian` is not an image reference
             --> agent.yaml:2:8
              |
            2 | image: Debian
              |        ^^^^^^
              |
              = help: write `debian`: names of images are lowercase, without spaces

            error: `docker:dind` is listed twice
             --> agent.yaml:3:29
              |
            3 | dependencies: [docker:dind, docker:dind, 7]
              |                             ^^^^^^^^^^^
              |
              = help: it is already on this line; keep one of them

            error: `dependencies[2]` must be text, not the number `7`
             --> agent.yaml:3:42
              |
            3 | dependencies: [docker:dind, docker:dind, 7]
              |                                          ^
              |
              = help: put it in quotes: `"7"`

            error: `command` must be text or a list, not a mapping
             --> agent.yaml:4:10
              |
            4 | command: {}
              |          ^^
              |
              = help: write a single value

            error: `1` cannot be the name of an environment variable
             --> agent.yaml:5:8
              |
            5 | env: { 1: 2, A: ~ }
              |        ^
              |
              = help: names have letters, digits, `_`, `.` and `-`, and begin with a letter or `_`

            error: `env.A` must be a single value, not null
             --> agent.yaml:5:17
              |
            5 | env: { 1: 2, A: ~ }
              |                 ^
              |
              = help: write `""` for an empty value

            error: `buildkit.cache` must be `keep` or `discard`, not `no`
             --> agent.yaml:6:20
              |
            6 | buildkit: { cache: no, image: [] }
              |                    ^^
              |
              = help: write `keep` or `discard`

            error: `buildkit.image` must be text, not a list
             --> agent.yaml:6:31
              |
            6 | buildkit: { cache: no, image: [] }
              |                               ^^
              |
              = help: write a single value, without `-` or brackets

            error: `image` is given twice
             --> agent.yaml:7:1
              |
            7 | image: debian:13
              | ^^^^^
              |
              = help: it is already on line 2; keep one of them
        "#]],
    );
}

#[test]
fn a_value_of_several_lines() {
    refused(
        "agent: a\nimage:\n  - one\n  - two\nbuildkit:\n  image:\n    name: x\n    tag: y\n",
        &expect![[r#"
        error: `image` must be text, not a list
         --> agent.yaml:3:3
          |
        3 |   - one
          |   ^^^^^
          |
          = help: write a single value, without `-` or brackets

        error: `buildkit.image` must be text, not a mapping
         --> agent.yaml:7:5
          |
        7 |     name: x
          |     ^^^^^^^
          |
          = help: write a single value
    "#]],
    );
}

#[test]
fn an_unknown_dependency() {
    not_compiled(
        "agent: a\nimage: debian:13\ndependencies: [docker:dnd, kubernetes]\n",
        &expect![[r#"
        error: unknown dependency `docker:dnd`
         --> agent.yaml:3:16
          |
        3 | dependencies: [docker:dnd, kubernetes]
          |                ^^^^^^^^^^
          |
          = help: did you mean `docker:dind`?

        error: unknown dependency `kubernetes`
         --> agent.yaml:3:28
          |
        3 | dependencies: [docker:dnd, kubernetes]
          |                            ^^^^^^^^^^
          |
          = help: known: `curl`, `docker:dind`, `docker:host`, `gcc`, `gh`, `git`, `go`, `jq`, `make`, `mysql`, `node`, `postgres`, `psql`, `python`, `redis`, `ripgrep`, `rust`, `sqlite`
    "#]],
    );
}

#[test]
fn no_image_from_anywhere() {
    not_compiled(
        "agent: a\n# nothing\n",
        &expect![[r#"
        error: there is no `image`
         --> agent.yaml:2:10
          |
        2 | # nothing
          |          ^
          |
          = help: add `image: …`, or a dependency that brings one, such as `docker:dind` or `git`
    "#]],
    );
}

#[test]
fn brackets_without_end() {
    refused(
        &format!("agent: {}", "[".repeat(300)),
        &expect![[r#"
        error: not valid YAML: brackets within brackets without end
         --> agent.yaml:1:263
          |
        1 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
          |                                                                    ^
          |
          = help: is a bracket left open?
    "#]],
    );
}

#[test]
fn too_many_levels() {
    refused(
        &format!("agent: {}{}", "[".repeat(40), "]".repeat(40)),
        &expect![[r#"
        error: more than 32 levels of lists and mappings
         --> agent.yaml:1:39
          |
        1 | agent: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
          |                                       ^
          |
          = help: no key needs nearly as many; is a bracket left open?
    "#]],
    );
}

#[test]
fn too_many_values() {
    refused(
        &format!("agent: [{}]", "x,".repeat(20_000)),
        &expect![[r#"
        error: more than 20000 values, counting what aliases repeat
         --> agent.yaml:1:40007
          |
         ::: 
        1 | ...x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,]
          |                                                                    ^
          |
          = help: a spec is far smaller; remove the aliases (`*…`)
    "#]],
    );
}

#[test]
fn a_file_that_is_too_long() {
    refused(
        &"# nothing\n".repeat(200_000),
        &expect![[r#"
        error: the file has more than 1024 KiB
         --> agent.yaml:1:1
          |
        1 | # nothing
          | ^
          |
          = help: is this the file that was meant?
    "#]],
    );
}

#[test]
fn an_undeclared_tag_handle() {
    refused(
        "agent: !x!y a\n",
        &expect![[r#"
        error: not valid YAML: the handle wasn't declared
         --> agent.yaml:1:8
          |
        1 | agent: !x!y a
          |        ^
          |
          = help: correct it here or on the line before; text with special signs needs quotes
    "#]],
    );
}

#[test]
fn a_slip_over_a_wrong_value() {
    refused(
        "Agent: My Agent\ndeps: docker:dind\n",
        &expect![[r#"
        error: unknown key `Agent`
         --> agent.yaml:1:1
          |
        1 | Agent: My Agent
          | ^^^^^
          |
          = help: did you mean `agent`?

        error: `My Agent` cannot be an agent's name
         --> agent.yaml:1:8
          |
        1 | Agent: My Agent
          |        ^^^^^^^^
          |
          = help: use lowercase letters, digits, `-`, `_` and `.`, and begin with a letter or digit, as in `my-agent`

        error: unknown key `deps`
         --> agent.yaml:2:1
          |
        2 | deps: docker:dind
          | ^^^^
          |
          = help: write `dependencies` instead

        error: `dependencies` must be a list, not text
         --> agent.yaml:2:7
          |
        2 | deps: docker:dind
          |       ^^^^^^^^^^^
          |
          = help: write it as an item of a list: `- docker:dind`
    "#]],
    );
}

#[test]
fn a_hundred_faults_are_enough() {
    let text = (0..150).map(|i| format!("k{i}: x")).collect::<Vec<_>>().join("\n");
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    let diagnostics = agent::parse(source).expect_err("the spec is wrong");
    assert_eq!(diagnostics.items.len(), 101);
    let last = &diagnostics.items[100];
    // `agent` is missing, too.
    assert_eq!(
        (last.message.as_str(), last.hint.as_deref()),
        ("51 more from here on", Some("correct the ones above first"))
    );
}

/// What is said of one value, in two lines: place and message, then the hint.
fn said(lines: &[&str]) -> String {
    let one = |line: &&str| {
        let text = format!("agent: a\n{line}\n");
        let found = match agent::parse(Source::new("agent.yaml", "/p/agent.yaml", text.as_str())) {
            Err(found) => found,
            Ok(spec) => match compile::compile(&spec, &Capabilities::builtin()) {
                Err(found) => found,
                Ok(_) => panic!("nothing is wrong with {line}"),
            },
        };
        let item = |item: &moat_spec::Diagnostic| {
            let hint = item.hint.as_deref().unwrap_or("no hint");
            format!("{line}\n  `{}` {}\n  {hint}\n", &text[item.span.clone()], item.message)
        };
        found.items.iter().map(item).collect::<String>()
    };
    lines.iter().map(one).collect()
}

#[test]
fn values_of_the_container() {
    let lines = [
        "user: a b",
        "user: 'a:b:c'",
        "workdir: srv",
        "workdir: /a/../b",
        "interactive: maybe",
        "restart: unless-stoped",
        "labels: {moat.run: x}",
        "labels: {'a b': x}",
        "container: {memory: lots}",
        "container: {memory: 1k}",
        "container: {cpus: none}",
        "container: {pids: 0}",
        "container: {dns: [google]}",
        "container: {ulimits: {files: 1}}",
        "container: {ulimits: {nofil: 1}}",
        "container: {ulimits: {nofile: many}}",
        "container: {ulimits: {nofile: '2:1'}}",
        "container: {shm: 1x}",
        "memory: 1g",
        "resources: {memory: 1g}",
    ];
    expect![[r#"
        user: a b
          `a b` `a b` is not a user
          write `USER` or `USER:GROUP`, by name or by number
        user: 'a:b:c'
          `'a:b:c'` `a:b:c` is not a user
          write `USER` or `USER:GROUP`, by name or by number
        workdir: srv
          `srv` `srv` is not an absolute path
          begin it with `/`, as in `/srv`
        workdir: /a/../b
          `/a/../b` `/a/../b` is not a plain path
          write it without `..`
        interactive: maybe
          `maybe` `interactive` must be `true` or `false`, not text
          write `true` or `false`
        restart: unless-stoped
          `unless-stoped` `restart` must be `no`, `on-failure`, `unless-stopped` or `always`, not `unless-stoped`
          did you mean `unless-stopped`?
        labels: {moat.run: x}
          `moat.run` `moat.run` is one of moat's own labels
          choose a name that does not begin with `moat.`
        labels: {'a b': x}
          `'a b'` `a b` cannot be the name of a label
          write it without spaces and `=`, as in `com.example.team`
        container: {memory: lots}
          `lots` `lots` is not a size
          write a number and `k`, `m` or `g`, as in `512m` or `1.5g`
        container: {memory: 1k}
          `1k` `1k` is less than the 6m that an engine takes
          a bare number counts MB
        container: {cpus: none}
          `none` `none` is not a number of processors
          write it as in `2` or `1.5`
        container: {pids: 0}
          `0` `0` is not a whole number from 1
          write it in digits, as in `3`
        container: {dns: [google]}
          `google` `google` is not an IP address
          write it as in `1.1.1.1`
        container: {ulimits: {files: 1}}
          `files` `files` is not a limit that the kernel knows
          they are `core`, `cpu`, `data`, `fsize`, `locks`, `memlock`, `msgqueue`, `nice`, `nofile`, `nproc`, `rss`, `rtprio`, `rttime`, `sigpending`, `stack`
        container: {ulimits: {nofil: 1}}
          `nofil` `nofil` is not a limit that the kernel knows
          did you mean `nofile`?
        container: {ulimits: {nofile: many}}
          `many` `many` is not a limit of a process
          write `SOFT:HARD` or one number, as in `1024:4096`; -1 is none
        container: {ulimits: {nofile: '2:1'}}
          `'2:1'` `2:1` is not a limit of a process
          the first number is at most the second
        container: {shm: 1x}
          `1x` `1x` is not a size
          write a number and `k`, `m` or `g`, as in `512m` or `1.5g`
        memory: 1g
          `memory` unknown key `memory`
          `memory` belongs in `container`
        resources: {memory: 1g}
          `resources` unknown key `resources`
          write `container` instead
    "#]].assert_eq(&said(&lines));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_of_mounts_volumes_and_ports() {
    let lines = [
        "workspace: {path: a, mode: volume}",
        "workspace: {target: src}",
        "workspace: {exclude: [../x]}",
        "workspace: {exclude: ['*.log']}",
        "workspace: ~me/src",
        "workspace: ~/src",
        "mounts: [./a]",
        "mounts: ['./a:b']",
        "mounts: ['./a:/b:rx']",
        "mounts: ['a/b:/c']",
        "mounts: ['c:\\x:/c:ro']",
        "mounts: ['./a:/c', './b:/c/']",
        "mounts: [{source: ./a, dst: /a}]",
        "volumes: [cache]",
        "volumes: ['./a:/a']",
        "volumes: ['x:/a']",
        "volumes: ['x:/x:ro']",
        "volumes: ['aa:/a:z']",
        "volumes: ['aa:/a:ro:x']",
        "volumes: [{name: aa, target: '/a:ro'}]",
        "mounts: [{source: ./a, target: '/a:ro'}]",
        "mounts: [{source: ./a, target: /a, exclude: ['b:ro']}]",
        "workspace: '.:/src:ro'",
        "workspace: {target: '/src:ro'}",
        "services: {db: {image: busybox, volumes: ['aa:/a:rx']}}",
        "volumes: ['aa:/a', 'aa:/b']",
        "volumes: ['aa:/a', 'bb:/a']",
        "ports: [http]",
        "ports: [70000]",
        "ports: ['local:80:80']",
        "ports: ['80:80', '81:80']",
        "ports: ['80:80', '80:81']",
        "ports: {80: 80}",
        "ports: {'a b': 80}",
        "ports: [':8080:80']",
        "ports: ['8000-8010:80']",
        "ports: {web: 8000-8001}",
        "ports: {target: 80, published: 8080}",
        "ports: [{target: 80, published: 8000-8010, host_ip: here}]",
        "ports: [8080: 80]",
        "cap_add: [NET_ADMINS]",
        "cap_drop: [net_raw]\ncap_add: [CAP_NET_RAW]",
        "devices: [kvm]",
        "devices: ['/dev/kvm:/dev/kvm:x']",
        "gpus: some",
        "tmpfs: '/run:size=big'",
        "tmpfs: [/run]\nvolumes: ['aa:/run']",
        "hostname: a_b",
        "stop_timeout: 30",
        "mem_limit: 1g",
        "security_opt: [a]",
        "network_mode: host",
        "services: {db: {image: x, restart: always}}",
        "services: {db: {image: x, build: .}}",
        "services: {db: {image: x, ports: ['80-81:8']}}",
        "network: {internal: true}\nservices: {db: {image: x, ports: ['80']}}",
    ];
    expect![[r#"
        workspace: {path: a, mode: volume}
          `a` a workspace on a volume has no `path`
          remove it, or write `mode: bind`
        workspace: {target: src}
          `src` `src` is not an absolute path
          begin it with `/`, as in `/src`
        workspace: {exclude: [../x]}
          `../x` `../x` is not a folder within the mount
          name one folder, seen from the mount, without wildcards and colons, as in `node_modules`
        workspace: {exclude: ['*.log']}
          `'*.log'` `*.log` is not a folder within the mount
          name one folder, seen from the mount, without wildcards and colons, as in `node_modules`
        workspace: ~me/src
          `~me/src` `~me/src` is somebody else's home, which is not looked up
          write the path out
        workspace: ~/src
          `~/src` it is not known where the home directory is
          set `HOME`, or write the path out
        mounts: [./a]
          `./a` `./a` is not a mount
          write `SOURCE:TARGET`, as in `./data:/data`
        mounts: ['./a:b']
          `'./a:b'` `b` is not an absolute path
          begin it with `/`, as in `/b`
        mounts: ['./a:/b:rx']
          `'./a:/b:rx'` `./a:/b:rx` is not a mount
          expected `ro` or `rw` after the target, found `rx`
        mounts: ['a/b:/c']
          `'a/b:/c'` `a/b` is neither a path nor a volume's name
          for a path seen from the file write `./a/b`
        mounts: ['c:\x:/c:ro']
          `'c:\x:/c:ro'` `c:\x:/c:ro` is not a mount
          a path with a colon in it needs the long form: `source: …`, `target: …`
        mounts: ['./a:/c', './b:/c/']
          `'./b:/c/'` `/c` is mounted twice
          `mounts.0` is there already; choose another target
        mounts: [{source: ./a, dst: /a}]
          `dst` unknown key `dst` in `mounts[0]`
          write `target` instead
        volumes: [cache]
          `cache` `cache` has no target
          write `NAME:TARGET`, as in `cache:/var/cache`
        volumes: ['./a:/a']
          `'./a:/a'` `./a` is a path, not the name of a volume
          paths stand under `mounts`
        volumes: ['x:/a']
          `'x:/a'` `x` is too short for the name of a volume
          names have at least two letters, digits, `_`, `.` or `-`, and begin with a letter or digit
        volumes: ['x:/x:ro']
          `'x:/x:ro'` `x` is too short for the name of a volume
          names have at least two letters, digits, `_`, `.` or `-`, and begin with a letter or digit
        volumes: ['aa:/a:z']
          `'aa:/a:z'` `aa:/a:z` is not a volume
          expected `ro` or `rw` after the target, found `z`
        volumes: ['aa:/a:ro:x']
          `'aa:/a:ro:x'` `aa:/a:ro:x` is not a volume
          write `NAME:TARGET` or `NAME:TARGET:ro`
        volumes: [{name: aa, target: '/a:ro'}]
          `'/a:ro'` the target `/a:ro` has a colon in it
          write the path alone; the mode has a key of its own
        mounts: [{source: ./a, target: '/a:ro'}]
          `'/a:ro'` the target `/a:ro` has a colon in it
          write the path alone; the mode has a key of its own
        mounts: [{source: ./a, target: /a, exclude: ['b:ro']}]
          `'b:ro'` `b:ro` is not a folder within the mount
          name one folder, seen from the mount, without wildcards and colons, as in `node_modules`
        workspace: '.:/src:ro'
          `'.:/src:ro'` `.:/src:ro` is a mount, not a folder
          write it as a mapping: `{path: ., target: /src}`
        workspace: {target: '/src:ro'}
          `'/src:ro'` the target `/src:ro` has a colon in it
          write the path alone; the mode has a key of its own
        services: {db: {image: busybox, volumes: ['aa:/a:rx']}}
          `'aa:/a:rx'` `aa:/a:rx` is not a volume
          expected `ro` or `rw` after the target, found `rx`
        volumes: ['aa:/a', 'aa:/b']
          `'aa:/b'` the volume `aa` is there twice
          give one of them another name
        volumes: ['aa:/a', 'bb:/a']
          `'bb:/a'` `/a` is mounted twice
          `volumes.0` is there already; choose another target
        ports: [http]
          `http` `http` is not a port
          write `PORT`, `HOST:PORT` or `ADDRESS:HOST:PORT`, as in `8080:80`, `8000-8010:8000-8010` or `[::1]:53:53/udp`; ports go from 1 to 65535
        ports: [70000]
          `70000` `70000` is not a port
          write `PORT`, `HOST:PORT` or `ADDRESS:HOST:PORT`, as in `8080:80`, `8000-8010:8000-8010` or `[::1]:53:53/udp`; ports go from 1 to 65535
        ports: ['local:80:80']
          `'local:80:80'` `local:80:80` is not a port
          `local` is not an IP address; such as `127.0.0.1` or `0.0.0.0`
        ports: ['80:80', '81:80']
          `'81:80'` the port 80/tcp of the container is published twice
          keep one of them
        ports: ['80:80', '80:81']
          `'80:81'` the port of this machine leads to 80/tcp already
          write another one, or none for a free one
        ports: {80: 80}
          `80` `80` cannot be the name of a port
          to say which port of this machine it is, write a list: `- 8080:80`
        ports: {'a b': 80}
          `'a b'` `a b` cannot be the name of a port
          names have letters, digits, `-` and `_`, and begin with a letter, as in `web`
        ports: [':8080:80']
          `':8080:80'` `:8080:80` is not a port
          there is nothing before the first colon: write `8080:80`
        ports: ['8000-8010:80']
          `'8000-8010:80'` `8000-8010:80` is not a port
          a port has one port of the Docker host: write that one, or none for a free one
        ports: {web: 8000-8001}
          `8000-8001` `web` is the name of one port, not of a range
          write the range as an item of a list: `- 8000-8010`
        ports: {target: 80, published: 8080}
          `target` `target` is a part of a port, not its name
          write the mapping as an item of a list: `- target: 80`
        ports: {target: 80, published: 8080}
          `published` `published` is a part of a port, not its name
          write the mapping as an item of a list: `- target: 80`
        ports: [{target: 80, published: 8000-8010, host_ip: here}]
          `8000-8010` `8000-8010` is not the number of a port
          write one port from 1 to 65535, without a range and a protocol
        ports: [{target: 80, published: 8000-8010, host_ip: here}]
          `here` `here` is not an address of the Docker host
          `here` is not an IP address; such as `127.0.0.1` or `0.0.0.0`
        ports: [8080: 80]
          `8080: 80` `ports[0]` has a space after its colon
          a space after the colon makes a mapping: write `8080:80`
        cap_add: [NET_ADMINS]
          `NET_ADMINS` `NET_ADMINS` is not a capability of the kernel
          did you mean `NET_ADMIN`?
        cap_drop: [net_raw]
        cap_add: [CAP_NET_RAW]
          `[net_raw]` `NET_RAW` is in `cap_add` as well
          keep one of them
        devices: [kvm]
          `kvm` `kvm` is not an absolute path
          begin it with `/`, as in `/kvm`
        devices: ['/dev/kvm:/dev/kvm:x']
          `'/dev/kvm:/dev/kvm:x'` `/dev/kvm:/dev/kvm:x` is not a device
          at the end stand some of the letters `r`, `w` and `m`
        gpus: some
          `some` `some` does not say which GPUs
          write `all`, how many, or which, as in `device=0,1`
        tmpfs: '/run:size=big'
          `'/run:size=big'` `/run:size=big` is not a filesystem in memory
          `size=big` is no option of it; they are `size=64m`, `mode=1777`, `uid=`, `gid=`, `ro`, `rw`, `exec`, `noexec`, `suid`, `nosuid`, `dev` and `nodev`
        tmpfs: [/run]
        volumes: ['aa:/run']
          `/run` `/run` is mounted twice
          `volumes.0` is there already; choose another target
        hostname: a_b
          `a_b` `a_b` cannot be a host name
          names have letters, digits and `-`, 64 at most, as in `build-1`
        stop_timeout: 30
          `30` `30` is not how long a stop can wait
          write whole seconds with their unit, up to an hour, as in `30s`
        mem_limit: 1g
          `mem_limit` unknown key `mem_limit`
          write `container.memory` instead
        security_opt: [a]
          `security_opt` `security_opt` is refused: moat changes nothing of the engine's confinement
          give single rights with `cap_add`
        network_mode: host
          `network_mode` `network_mode` is refused: all of a sandbox is on one network of its own
          `network.internal: true` keeps everything in
        services: {db: {image: x, restart: always}}
          `restart` `services.restart` is refused: a service is started again whenever it ends
          remove it
        services: {db: {image: x, build: .}}
          `build` `services.build` is refused: moat builds the main container's image only
          build it yourself, and name it as `image`
        services: {db: {image: x, ports: ['80-81:8']}}
          `'80-81:8'` `80-81:8` is not a port
          a port has one port of the Docker host: write that one, or none for a free one
        network: {internal: true}
        services: {db: {image: x, ports: ['80']}}
          `['80']` no port is reached from outside of an internal network
          remove one of the two; `moat exec` reaches the container without a port
    "#]]
    .assert_eq(&said(&lines));
}

#[test]
fn values_of_networks_checks_and_the_sidecar() {
    let lines = [
        "network: {subnet: 10.0.0.1/24}",
        "network: {subnet: 10.0.0.0/30}",
        "network: {subnet: 'fd00::/64'}",
        "network: {internal: true}\nports: [80]",
        "network: {extra_hosts: {'a b': 1.1.1.1}}",
        "network: {extra_hosts: {a: b}}",
        "network: {policy: strict}",
        "healthcheck: {command: a, interval: 30}",
        "healthcheck: {command: a, timeout: 0s}",
        "healthcheck: {command: a, retries: -1}",
        "healthcheck: {interval: 1s}",
        "buildkit: {cache_limit: 1g}",
        "buildkit: {cache_limit: 5g, config: x}",
        "buildkit: {resources: {memory: x}}",
        "dependencies: [docker:dind]\nuser: node",
        "dependencies: [docker:dind]\nvolumes: ['docker:/d']",
        "dependencies: [docker:dind]\nmounts: ['./d:/var/lib/docker']",
        "grants: [github]",
        "sandbox: gvisor",
        "mcp: []",
        "codex: {}",
    ];
    expect![[r#"
        network: {subnet: 10.0.0.1/24}
          `10.0.0.1/24` `10.0.0.1/24` is not an address range
          it begins at `10.0.0.0/24`
        network: {subnet: 10.0.0.0/30}
          `10.0.0.0/30` `10.0.0.0/30` is not an address range
          it has too few addresses; `/29` is the smallest
        network: {subnet: 'fd00::/64'}
          `'fd00::/64'` `fd00::/64` is not an address range
          write it as in `10.99.0.0/24`; IPv4 only
        network: {internal: true}
        ports: [80]
          `[80]` no port is reached from outside of an internal network
          remove one of the two; `moat exec` reaches the container without a port
        network: {extra_hosts: {'a b': 1.1.1.1}}
          `'a b'` `a b` cannot be the name of a host
          write it as in `db.test`
        network: {extra_hosts: {a: b}}
          `b` `b` is not where a host can be
          write an IP address, or `host-gateway` for the engine's machine
        network: {policy: strict}
          `policy` `network.policy` is refused: moat does not filter what leaves the network
          `network.internal: true` keeps everything in; anything finer needs a proxy of your own
        healthcheck: {command: a, interval: 30}
          `30` `30` is not a time
          write it with its unit, as in `500ms`, `30s` or `1m30s`
        healthcheck: {command: a, timeout: 0s}
          `0s` `0s` is not between a millisecond and a day
          write it as in `30s`
        healthcheck: {command: a, retries: -1}
          `-1` `-1` is not a whole number from 1
          write it in digits, as in `3`
        healthcheck: {interval: 1s}
          `` `healthcheck.command` is missing
          add a line such as `command: curl -f localhost:3000`
        buildkit: {cache_limit: 1g}
          `1g` `1g` is too little for a build cache
          give it 4g at least
        buildkit: {cache_limit: 5g, config: x}
          `5g` `buildkit.config` takes the place of all of moat's, this limit included
          write the limit into it: `maxUsedSpace` below `[worker.oci]`
        buildkit: {resources: {memory: x}}
          `x` `x` is not a size
          write a number and `k`, `m` or `g`, as in `512m` or `1.5g`
        dependencies: [docker:dind]
        user: node
          `node` `docker:dind` starts its daemon as root, not as `node`
          remove `user`, and run commands with `moat exec --user node -- …`
        dependencies: [docker:dind]
        volumes: ['docker:/d']
          `'docker:/d'` the volume `docker` is one that `docker:dind` brings
          give it another name
        dependencies: [docker:dind]
        mounts: ['./d:/var/lib/docker']
          `['./d:/var/lib/docker']` `/var/lib/docker` is where `docker:dind` has its data
          choose another target
        grants: [github]
          `grants` `grants` is refused: moat gives out no identities and keeps no credentials
          pass what is needed under `secrets`
        sandbox: gvisor
          `sandbox` `sandbox` is refused: moat has no isolation besides the engine's own
          choose the engine's runtime on the engine
        mcp: []
          `mcp` `mcp` is refused: moat runs no servers for tools and lets nobody in to them
          run it as a part of `command`
        codex: {}
          `codex` `codex` is refused: moat knows no agent by name, and sets up none
          write what it runs under `command`, and what it needs under `env`, `secrets` and `mounts`
    "#]]
    .assert_eq(&said(&lines));
}
