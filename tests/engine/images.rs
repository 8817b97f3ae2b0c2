//! Images that moat builds from the dependencies: once, and again only for a reason shown in the plan.

use std::os::unix::fs::chown;

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use crate::language::example;

/// The name of the main container's image.
fn image(sandbox: &Sandbox) -> String {
    sandbox.inspect("main", "{{.Config.Image}}")
}

fn remove(images: &[String]) {
    for image in images {
        engine().try_docker(&["rmi", "-f", image]);
    }
}

#[test]
fn the_example_is_built_with_dependencies_and_hooks() {
    let sandbox = example("image", str::to_owned);
    chown(sandbox.path(), Some(4321), Some(4321)).expect("root may");
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.lines().any(|line| line.contains("build image moat/") && line.ends_with(": missing")), "{plan}");
    let reported = sandbox.apply();
    assert!(reported.stderr.contains("Step 1/"), "{reported}");
    for (script, said) in [
        ("node --version", "v22.0.0"),
        ("python3", "Python 3.12.0"),
        ("echo '{\"a\": 1}' | jq .a", "1"),
        ("git config --global init.defaultBranch", "main"),
        ("cat /etc/built ~/built /tmp/prepared", "built by root\nagent\nprepared for agent"),
        ("id -un && id -u && touch /workspace/made && stat -c %u /workspace/made", "agent\n4321\n4321"),
    ] {
        assert_eq!(sandbox.sh_ok(script), said, "{script}");
    }
    let image = image(&sandbox);
    let shown = sandbox.moat(&["image"]).ok();
    assert_eq!(shown.stderr.trim(), image, "the tag is known before it is built");
    assert!(shown.stdout.contains("FROM node:22-trixie-slim\n"), "{shown}");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0, "a second apply changes nothing");
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    remove(&[image]);
}

#[test]
fn the_example_uses_its_base_image() {
    let sandbox = example("base", str::to_owned);
    let shown = sandbox.moat(&["image"]).ok().stdout;
    assert!(shown.contains("\nFROM debian:trixie-slim\n"), "{shown}");
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /etc/said; . /etc/os-release; echo $ID"), "on top of it\ndebian");
    let image = image(&sandbox);
    sandbox.moat(&["destroy"]).ok();
    remove(&[image]);
}

#[test]
fn hooks_change_the_image_and_variables_do_not() {
    let spec = "base_image: debian:trixie-slim\nhooks: {post_build_root: echo one >/said}\n";
    let sandbox = Sandbox::applied(spec);
    let first = image(&sandbox);
    sandbox.rewrite(&format!("{spec}env: {{A: b}}\n"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(!plan.contains("build image"), "{plan}");
    sandbox.rewrite(&spec.replace("one", "two"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.lines().any(|line| line.contains("build image moat/") && line.ends_with(": changed")), "{plan}");
    assert!(plan.contains(&format!("    image \"{first}\" -> \"moat/")), "{plan}");
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /said"), "two");
    // An existing image is not rebuilt.
    sandbox.rewrite(spec);
    assert!(!sandbox.moat(&["plan"]).ok().stdout.contains("build image"));
    let second = image(&sandbox);
    sandbox.apply();
    assert_eq!((sandbox.sh_ok("cat /said").as_str(), image(&sandbox)), ("one", first.clone()));
    sandbox.moat(&["destroy"]).ok();
    remove(&[first, second]);
}

#[test]
fn a_failed_step_shows_its_output_and_changes_nothing() {
    let good = "base_image: debian:trixie-slim\n";
    let sandbox = Sandbox::applied(good);
    let main = sandbox.main();
    sandbox.rewrite(&format!("{good}hooks: {{post_build: echo that was it >&2; exit 3}}\n"));
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("|   that was it\n") && ran.stderr.contains("exited with code 3: `RUN "), "{ran}");
    assert!(!ran.stderr.contains(char::REPLACEMENT_CHARACTER) && !ran.stderr.contains("--->"), "{ran}");
    assert_eq!(sandbox.main(), main);
    let image = image(&sandbox);
    sandbox.moat(&["destroy"]).ok();
    remove(&[image]);
}

#[test]
fn a_missing_base_image_leaves_nothing() {
    let sandbox = Sandbox::new("base_image: lab/nowhere:1\n");
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("lab/nowhere"), "{ran}");
    assert_eq!(sandbox.volumes(), Vec::<String>::new());
    assert_eq!(sandbox.find("main"), None);
}

#[test]
fn the_user_can_write_volumes_and_the_workspace() {
    let volumes = "volumes: ['cache:/home/agent/.cache/deep', 'data:/data', 'state:/var/lib/app']\n";
    let touch =
        "touch x ~/.cache/x ~/.cache/deep/x /data/x /var/lib/app/x; stat -c %u x ~/.cache/deep/x /data/x | sort -u";
    for (user, uid) in [("", "1000"), ("user: '1000'\n", "1000"), ("user: '1000:1000'\n", "1000")] {
        let spec =
            format!("base_image: debian:trixie-slim\ndependencies: [jq]\nworkspace: {{mode: volume}}\n{volumes}{user}");
        let sandbox = Sandbox::applied(&spec);
        assert_eq!(sandbox.sh_ok(touch), uid, "{user}");
        sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    }
}

#[test]
fn commands_run_as_the_workspace_owner() {
    // Debian has a user with id 5, and none with 4242.
    let table = [(5, "", "games"), (4242, "", "root"), (0, "", "root"), (5, "user: daemon\n", "daemon")];
    for (owner, user, expected) in table {
        let sandbox = Sandbox::new(&format!("image: debian:trixie-slim\nworkspace: .\n{user}"));
        std::os::unix::fs::chown(sandbox.path(), Some(owner), Some(60)).expect("root");
        sandbox.apply();
        assert_eq!(sandbox.sh_ok("id -un"), expected, "{owner} {user}");
        let ran = sandbox.moat(&["run", "--", "sh", "-c", "id -un; touch made 2>/dev/null; :"]).ok();
        assert_eq!(ran.stdout.trim(), expected, "{owner} {user}");
        assert_eq!(sandbox.moat(&["exec", "-u", "daemon", "--", "id", "-un"]).ok().stdout.trim(), "daemon");
    }
    // Without a workspace it is the image's user.
    let sandbox = Sandbox::applied("image: debian:trixie-slim\nworkdir: /var/cache/man\n");
    assert_eq!(sandbox.sh_ok("id -un"), "root");
}

/// A family and a capability of one's own: what is needed is added, and packages are installed after it.
#[test]
fn packages_are_installed_after_their_dependencies() {
    let family = "capability: \"note:\"\nsummary: notes\nneeds: [jq, written]\npackage: {names: scoped, numbers: 2}\n\
                  install:\n  run:\n    - cat /written >>/notes; echo '{package} {version}' >>/notes\n";
    let needed = "capability: written\nsummary: text\ninstall: {run: ['echo first >/written']}\n";
    let sandbox = Sandbox::new("dependencies: ['note:@a/b@1.2']\nbase_image: debian:trixie-slim\n");
    std::fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    std::fs::write(sandbox.path().join("specs/notes.yaml"), family).expect("a file");
    std::fs::write(sandbox.path().join("specs/written.yaml"), needed).expect("a file");
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(sandbox.sh_ok("cat /notes; command -v jq"), "first\n@a/b 1.2\n/usr/bin/jq");
    let first = image(&sandbox);

    // Another version is another image. A capability that is needed only is a part of what was approved.
    sandbox.rewrite("dependencies: ['note:@a/b@1.3']\nbase_image: debian:trixie-slim\n");
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("build image moat/") && plan.contains("dependency note:@a/b@1.3"), "{plan}");
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(sandbox.sh_ok("cat /notes"), "first\n@a/b 1.3");
    let second = image(&sandbox);
    std::fs::write(sandbox.path().join("specs/written.yaml"), needed.replace("first", "planted")).expect("a file");
    assert_eq!(sandbox.moat(&["apply"]).run().code, 77);
    assert_eq!(sandbox.sh_ok("cat /notes"), "first\n@a/b 1.3");
    sandbox.moat(&["destroy"]).ok();
    remove(&[first, second]);
}

/// The shortest spec.
#[test]
fn without_an_image_main_is_debian_with_a_user() {
    let sandbox = Sandbox::applied("");
    assert_eq!(sandbox.sh_ok("id -un; . /etc/os-release; echo $ID; cd; touch x; pwd"), "agent\ndebian\n/home/agent");
    let image = image(&sandbox);
    sandbox.moat(&["destroy"]).ok();
    remove(&[image]);
}
