//! `build` in a spec: its errors, and the output of `moat image`.

use expect_test::expect;
use testkit::hermetic::{Place, prints};

#[test]
fn a_custom_dockerfile_is_shown_with_a_content_tag() {
    let spec = "agent: builder\nbuild: ./image\n";
    let place = Place::with(spec).file("image/Dockerfile", "FROM busybox\nCOPY a /\n").file("image/a", "1");
    prints(
        &place,
        &["image"],
        &expect![[r#"
        exit 0
        == stdout
        FROM busybox
        COPY a /
        == stderr
        moat/builder:1e794b224af4
    "#]],
    );
    prints(
        &place.file("image/a", "2"),
        &["image"],
        &expect![[r#"
        exit 0
        == stdout
        FROM busybox
        COPY a /
        == stderr
        moat/builder:ae7db2e07033
    "#]],
    );
}

#[test]
fn missing_build_files_are_reported() {
    prints(
        &Place::with("agent: builder\nbuild: ./image\n"),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `Dockerfile` does not exist in `/here/image`
             --> agent.yaml:2:8
              |
            2 | build: ./image
              |        ^^^^^^^
              |
              = help: the path is relative to `build.context`, which is relative to this file
        "#]],
    );
    let spec = "agent: builder\nbuild: {context: image, dockerfile: ../Dockerfile}\n";
    prints(
        &Place::with(spec).file("Dockerfile", "FROM a\n"),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `../Dockerfile` is outside the build context
             --> agent.yaml:2:37
              |
            2 | build: {context: image, dockerfile: ../Dockerfile}
              |                                     ^^^^^^^^^^^^^
              |
              = help: write a path relative to `build.context`, or choose a context that contains it
        "#]],
    );
}

#[test]
fn image_and_build_are_exclusive() {
    let spec = "agent: builder\nimage: a\nbuild: .\nbase_image: b\ndependencies: [git]\nhooks: {post_build: c}\n";
    prints(
        &Place::with(spec).file("Dockerfile", "FROM a\n"),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `build` and `image` cannot be combined
             --> agent.yaml:3:1
              |
            3 | build: .
              | ^^^^^
              |
              = help: keep one of them

            error: `git` cannot be installed in an image built from your Dockerfile
             --> agent.yaml:3:1
              |
            3 | build: .
              | ^^^^^
              |
              = help: do it in the Dockerfile

            error: `base_image` and `build` cannot be combined
             --> agent.yaml:4:1
              |
            4 | base_image: b
              | ^^^^^^^^^^
              |
              = help: keep one of them

            error: build hooks cannot run in an image built from your Dockerfile
             --> agent.yaml:6:1
              |
            6 | hooks: {post_build: c}
              | ^^^^^
              |
              = help: do it in the Dockerfile
        "#]],
    );
}

#[test]
fn build_secrets_need_a_source() {
    let unknown = "agent: builder\nsecrets: {A: 'env://A'}\nbuild: {secrets: [A, B]}\n";
    prints(
        &Place::with(unknown).file("Dockerfile", "FROM a\n"),
        &["validate"],
        &expect![[r#"
        exit 65
        == stderr
        error: `B` is not one of `secrets`
         --> agent.yaml:3:22
          |
        3 | build: {secrets: [A, B]}
          |                      ^
          |
          = help: add it there, or write its source here: `secrets: {B: env://NAME}`
    "#]],
    );
    let spec = "agent: other\n\
                build: {secrets: {a b: 'env://A', c: hunter2}, ssh: default, additional_contexts: {}}\n";
    prints(
        &Place::with(spec).file("Dockerfile", "FROM a\n"),
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `a b` is not a valid name of a build secret
             --> agent.yaml:2:19
              |
            2 | build: {secrets: {a b: 'env://A', c: hunter2}, ssh: default, additional_contexts: {}}
              |                   ^^^
              |
              = help: names consist of letters, digits, `_`, `.` and `-`, and start with a letter, digit or `_`

            error: expected the source of a secret, not its value
             --> agent.yaml:2:38
              |
            2 | build: {secrets: {a b: 'env://A', c: hunter2}, ssh: default, additional_contexts: {}}
              |                                      ^^^^^^^
              |
              = help: write `env://NAME`, `file://PATH` or `cmd://COMMAND`

            error: `build.ssh` is not supported: builds have no access to an SSH agent
             --> agent.yaml:2:48
              |
            2 | build: {secrets: {a b: 'env://A', c: hunter2}, ssh: default, additional_contexts: {}}
              |                                                ^^^
              |
              = help: pass a key for this purpose only under `build.secrets`

            error: `build.additional_contexts` is not supported: the engine's API takes one context
             --> agent.yaml:2:62
              |
            2 | build: {secrets: {a b: 'env://A', c: hunter2}, ssh: default, additional_contexts: {}}
              |                                                              ^^^^^^^^^^^^^^^^^^^
              |
              = help: choose a `build.context` that contains all files, and exclude the others in `.dockerignore`
        "#]],
    );
}

#[test]
fn the_tag_covers_the_names_of_build_secrets() {
    let tag = |build: &str| {
        let place = Place::with(format!("agent: builder\nsecrets: {{A: 'env://A'}}\nbuild: {build}\n"));
        let ran = place.file("Dockerfile", "FROM a\n").file(".dockerignore", "agent.yaml\n").run(&["image"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.err
    };
    let plain = tag("{context: .}");
    assert_eq!(tag("{secrets: []}"), plain);
    let named = tag("{secrets: [A]}");
    assert_ne!(named, plain);
    assert_eq!(tag("{secrets: {A: 'env://B'}}"), named, "the source is not part of the image");
}

#[test]
fn an_invalid_dockerignore_is_reported() {
    let place = Place::with("agent: builder\nbuild: {context: .}\n").file("Dockerfile", "FROM a\n");
    prints(
        &place.file(".dockerignore", "a\nb[\n"),
        &["image"],
        &expect![[r#"
        exit 65
        == stderr
        error: `/here/.dockerignore`, line 2: the pattern has a `[` without a closing `]`
         --> agent.yaml:2:18
          |
        2 | build: {context: .}
          |                  ^
          |
          = help: `!` negates a pattern, `[` starts a character class, `\` escapes a character
    "#]],
    );
}
