//! Images of another platform than the engine's. The images here are of another one only by name: their programs run.

use std::fs;
use std::process::Command;

use expect_test::expect;
use testkit::engine::engine;
use testkit::registry::Repository;
use testkit::sandbox::Sandbox;

use super::pull::repository;

/// Puts two images with `/of` into the registry, as one tag for two platforms.
fn published(name: &str, edition: u8) -> String {
    let repository = repository(name);
    let folder = tempfile::tempdir().expect("a folder");
    let id = engine().docker(&["create", "busybox"]);
    let archive = folder.path().join("root.tar");
    engine().docker(&["export", "-o", &archive.display().to_string(), id.trim()]);
    engine().docker(&["rm", id.trim()]);
    for (tag, platform) in [("amd64", "linux/amd64"), ("arm64", "linux/arm64/v8")] {
        let reference = format!("{repository}:{tag}");
        let changes =
            ["--change", "CMD [\"sleep\", \"infinity\"]", "--change", &format!("ENV OF={tag} EDITION={edition}")]
                .map(str::to_owned);
        let mut args = vec!["import".to_owned(), "--platform".to_owned(), platform.to_owned()];
        args.extend(changes);
        args.extend([archive.display().to_string(), reference.clone()]);
        engine().docker(&args.iter().map(String::as_str).collect::<Vec<_>>());
        engine().docker(&["push", "-q", &reference]);
        engine().docker(&["rmi", &reference]);
    }
    let reference = format!("{repository}:1");
    let (registry, tag) = Repository::of(&reference);
    registry.join(tag, &["amd64", "arm64"]);
    reference
}

fn is_amd64() -> bool {
    let machine = Command::new("uname").arg("-m").output().expect("uname");
    machine.stdout.starts_with(b"x86_64")
}

#[test]
fn the_image_of_the_platform_is_pulled_and_run() {
    let (reference, native) = (published("platform", 1), if is_amd64() { "amd64" } else { "arm64" });
    let spec = |platform: &str| format!("image: {reference}\n{platform}");
    let sandbox = Sandbox::applied(&spec(""));
    let of = || sandbox.docker_exec("main", &["sh", "-c", "echo $OF"]);
    assert_eq!(of(), native);

    let (other, foreign) = if is_amd64() { ("arm64", "aarch64") } else { ("amd64", "x86_64") };
    sandbox.rewrite(&spec(&format!("platform: linux/{foreign}\n")));
    let planned = sandbox.moat(&["plan"]).ok().stdout;
    let planned = planned.replace(&reference, "IMAGE").replace(other, "OTHER").replace(native, "NATIVE");
    expect![[r#"
        1.  pull image IMAGE: changed
            platform "linux/NATIVE" -> "linux/OTHER"
        2.  create container moat-R.next1 after 1: changed
            platform unset -> "linux/OTHER"
        3.  start container moat-R.next1 after 2: changed
        4.  await container moat-R.next1 after 3: changed
        5.  stop container moat-R after 4: superseded
        6.  remove container moat-R after 4, 5: superseded
        7.  rename container moat-R after 6: named moat-R.next1

        Plan: 7 to do (1 pull, 1 create, 1 start, 1 await, 1 stop, 1 remove, 1 rename)

        Not approved: it asks for more than was approved
          + platform: linux/OTHER
        Approve with: moat apply --approve ID
    "#]]
    .assert_eq(&sandbox.plain(&planned));
    let refused = sandbox.moat(&["apply"]).run();
    assert_eq!(refused.code, 77, "another image is fetched: {refused}");
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(of(), other);
    let image = sandbox.inspect("main", "{{.Image}}");
    assert_eq!(engine().docker(&["image", "inspect", "-f", "{{.Architecture}}", &image]).trim(), other);
    let main = sandbox.main();
    for args in [&["plan", "--detailed-exitcode"][..], &["plan", "--pull", "--detailed-exitcode"], &["apply"]] {
        assert_eq!(sandbox.moat(args).run().code, 0, "{args:?}: in sync");
    }
    assert_eq!(sandbox.main(), main);

    published("platform", 2);
    assert_eq!(sandbox.moat(&["apply"]).run().code, 0);
    assert_eq!(sandbox.main(), main, "a tag is followed only with `--pull`");
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", "echo $OF $EDITION"]), format!("{other} 2"));
    let main = sandbox.main();
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.main(), main);

    // The tag refers to another platform again, as after a manual `docker pull`: the container is made from the right one.
    engine().docker(&["pull", "-q", "--platform", &format!("linux/{native}"), &reference]);
    sandbox.apply();
    assert_eq!(sandbox.main(), main, "the running container has the right image");
    engine().docker(&["rm", "-f", &main]);
    sandbox.apply();
    assert_eq!(of(), other);
}

#[test]
fn an_image_is_built_for_the_platform() {
    let reference = published("built", 1);
    let (native, other) = if is_amd64() { ("amd64", "arm64") } else { ("arm64", "amd64") };
    let spec = |platform: &str| format!("build: image\n{platform}");
    let sandbox = Sandbox::new(&spec(&format!("platform: {other}\n")));
    fs::create_dir(sandbox.path().join("image")).expect("a folder");
    let dockerfile = format!("FROM {reference}\nARG TARGETARCH\nENV BUILT=$TARGETARCH\nRUN echo $OF >/of\n");
    fs::write(sandbox.path().join("image/Dockerfile"), dockerfile).expect("a file");
    let architecture = || {
        let image = sandbox.inspect("main", "{{.Image}}");
        engine().docker(&["image", "inspect", "-f", "{{.Architecture}}", &image]).trim().to_owned()
    };
    let seen = || sandbox.docker_exec("main", &["sh", "-c", "echo $OF $BUILT; cat /of"]);

    sandbox.apply();
    assert_eq!(architecture(), other);
    assert_eq!(seen(), format!("{other} {other}\n{other}"), "base image, argument and step are of the platform");
    let main = sandbox.main();
    for args in [&["plan", "--detailed-exitcode"][..], &["apply"]] {
        assert_eq!(sandbox.moat(args).run().code, 0, "{args:?}: in sync");
    }
    assert_eq!(sandbox.main(), main);

    sandbox.rewrite(&spec(""));
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(architecture(), native);
    assert_eq!(seen(), format!("{native} {native}\n{native}"));
}

#[test]
fn a_platform_that_an_image_lacks_is_named() {
    let sandbox = Sandbox::new(&format!("image: {}\nplatform: s390x\n", published("lacking", 1)));
    let failed = sandbox.moat(&["apply"]).run();
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("it has no version for `linux/s390x`"), "{failed}");
    assert_eq!(sandbox.find("main"), None);
}
