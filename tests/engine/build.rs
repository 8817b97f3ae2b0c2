//! `build`: the user's Dockerfile and context, built once and rebuilt only after changes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

use crate::language::example;

const SPEC: &str = "build: {context: image, target: dev, args: {WORD: one}}\n";

/// The target is not the last stage: a build that ignores the target fails.
const DOCKERFILE: &str = "FROM busybox AS base\nARG WORD\nRUN echo $WORD >/word\nFROM base AS dev\nCOPY . /app\n\
     FROM dev AS last\nRUN false\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(SPEC);
    for (path, text) in [
        ("Dockerfile", DOCKERFILE),
        (".dockerignore", "*.log\n!kept.log\nDockerfile\nsecret\n"),
        ("run", "#!/bin/sh\necho ran\n"),
        ("noise.log", "1"),
        ("kept.log", "2"),
        ("secret/key", "3"),
        ("deep/file", "4"),
    ] {
        let path = sandbox.path().join("image").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    fs::set_permissions(sandbox.path().join("image/run"), fs::Permissions::from_mode(0o755)).expect("a mode");
    std::os::unix::fs::symlink("deep/file", sandbox.path().join("image/link")).expect("a link");
    sandbox
}

fn image(sandbox: &Sandbox) -> String {
    sandbox.inspect("main", "{{.Config.Image}}")
}

fn plans_a_build(sandbox: &Sandbox) -> bool {
    sandbox.moat(&["plan"]).ok().stdout.contains("build image moat/")
}

#[test]
fn a_changed_context_gives_a_new_image() {
    let sandbox = sandbox();
    sandbox.apply();
    let first = image(&sandbox);
    assert_eq!(sandbox.moat(&["image"]).ok().stderr.trim(), first);
    assert_eq!(
        sandbox.sh_ok("cd /app && find . | sort | tr '\\n' ' '"),
        ". ./.dockerignore ./deep ./deep/file ./kept.log ./link ./run"
    );
    assert_eq!(sandbox.sh_ok("cd /app && cat /word && ./run && cat link"), "one\nran\n4");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0, "a second apply changes nothing");

    let write = |path: &str, text: &str| fs::write(sandbox.path().join("image").join(path), text).expect("a file");
    write("noise.log", "other");
    write("secret/key", "other");
    write("deep/file", "4");
    assert!(!plans_a_build(&sandbox), "what is ignored, or has the same content, is no cause");
    write("deep/file", "5");
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.lines().any(|line| line.contains("build image moat/") && line.ends_with(": changed")), "{plan}");
    assert!(plan.contains(&format!("    image \"{first}\" -> \"moat/")), "{plan}");
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /app/link"), "5");
    let second = image(&sandbox);
    sandbox.rewrite(&SPEC.replace("one", "two"));
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /word"), "two");
    let third = image(&sandbox);
    // A failed build shows its output, and changes nothing.
    sandbox.rewrite(&SPEC.replace("dev", "last"));
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("exited with code 1: `RUN false`"), "{ran}");
    assert_eq!(image(&sandbox), third);
    // Without the folder, destroy still works.
    fs::remove_dir_all(sandbox.path().join("image/deep")).expect("a folder");
    sandbox.moat(&["destroy", "--yes"]).ok();
    for image in [first, second, third] {
        engine().try_docker(&["rmi", "-f", &image]);
    }
}

#[test]
fn watch_follows_the_build_context() {
    let sandbox = sandbox();
    sandbox.apply();
    let first = image(&sandbox);
    let mut watch = sandbox.moat(&["watch"]);
    let mut watching = watch.command.stderr(std::process::Stdio::null()).spawn().expect("moat");
    let watched = until(|| sandbox.status()["watch"].is_object());
    // A deep folder, which needs its own watch.
    fs::write(sandbox.path().join("image/deep/file"), "by the watch").expect("a file");
    let says = |word: &str| sandbox.find("main").is_some() && sandbox.sh("cat /app/link").stdout.trim() == word;
    let built = watched && until(|| says("by the watch"));
    let second = sandbox.find("main").map(|_| image(&sandbox));
    watching.kill().expect("it runs");
    watching.wait().expect("it has ended");
    assert!(built, "watched: {watched}");
    for image in second.into_iter().chain([first]) {
        engine().try_docker(&["rmi", "-f", &image]);
    }
}

#[test]
fn the_example_is_built() {
    let sandbox = example("build", str::to_owned);
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /etc/greeting; ls /app"), "hello from 1.2\nrun");
    let image = image(&sandbox);
    sandbox.moat(&["destroy", "--yes"]).ok();
    engine().try_docker(&["rmi", "-f", &image]);
}
