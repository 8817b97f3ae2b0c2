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
fn buildkit_only_instructions_are_refused_with_their_line() {
    let dockerfile = "FROM a\nRUN --mount=type=cache,target=/x make\n";
    let place = Place::with("agent: builder\nbuild: {dockerfile: own/Dockerfile}\n").file("own/Dockerfile", dockerfile);
    prints(
        &place,
        &["validate"],
        &expect![[r#"
            exit 65
            == stderr
            error: `own/Dockerfile`, line 2: `RUN --mount` needs BuildKit, which moat does not use to build images
             --> agent.yaml:2:21
              |
            2 | build: {dockerfile: own/Dockerfile}
              |                     ^^^^^^^^^^^^^^
              |
              = help: remove it, or build the image with `docker buildx build` and name it in `image`
        "#]],
    );
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
