//! `--pull`: a moved tag is followed only with this option.

use expect_test::expect;
use testkit::engine::engine;
use testkit::registry::Repository;
use testkit::sandbox::{PLAIN, Sandbox};

/// A repository in the lab's registry, unique to this process.
pub fn repository(name: &str) -> String {
    let registry = std::env::var("MOAT_LAB_REGISTRY").expect("the lab has a registry");
    format!("{registry}/moved/{name}-{}", std::process::id())
}

/// Creates a unique image with the name `reference` on the engine.
fn make(reference: &str, content: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let dockerfile = format!("FROM busybox\nRUN echo {content} >/content\n");
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("written");
    engine().docker(&["build", "-q", "-t", reference, &folder.path().display().to_string()]);
}

/// Pushes as from another host: the registry has the new image, the engine an older one or none.
fn push(reference: &str, content: &str) {
    let before = engine().try_docker(&["image", "inspect", "--format", "{{.Id}}", reference]);
    make(reference, content);
    engine().docker(&["push", "-q", reference]);
    engine().docker(&["rmi", reference]);
    if before.code == 0 {
        engine().docker(&["tag", before.stdout.trim(), reference]);
    }
}

#[test]
fn a_moved_tag_is_followed_only_with_pull() {
    let reference = format!("{}:1", repository("a"));
    push(&reference, "one");
    let sandbox = Sandbox::applied(&format!("image: {reference}\ncommand: [sleep, infinity]\n"));
    let first = sandbox.main();
    push(&reference, "two");
    for args in [&["plan", "--detailed-exitcode"][..], &["apply"]] {
        assert_eq!(sandbox.moat(args).run().code, 0, "{args:?}: no change was asked for");
    }
    assert_eq!((sandbox.main(), sandbox.sh_ok("cat /content")), (first.clone(), "one".to_owned()));

    let planned = sandbox.moat(&["plan", "--pull", "--detailed-exitcode"]).run();
    assert_eq!(planned.code, 2, "{planned}");
    expect![[r#"
        1.  pull image IMAGE: IMAGE is another image now, sha256:ID -> sha256:ID
        2.  create container moat-R.next1 after 1: IMAGE is another image now, sha256:ID -> sha256:ID
        3.  start container moat-R.next1 after 2: IMAGE is another image now, sha256:ID -> sha256:ID
        4.  await container moat-R.next1 after 3: IMAGE is another image now, sha256:ID -> sha256:ID
        5.  stop container moat-R after 4: superseded
        6.  remove container moat-R after 4, 5: superseded
        7.  rename container moat-R after 6: named moat-R.next1

        Plan: 7 to do (1 pull, 1 create, 1 start, 1 await, 1 stop, 1 remove, 1 rename)
    "#]]
    .assert_eq(&sandbox.plain(&planned.stdout.replace(&reference, "IMAGE")));
    let planned = sandbox.moat(&["plan", "--pull", "--json"]).ok().stdout;
    let planned: serde_json::Value = serde_json::from_str(&planned).expect("JSON");
    let cause = &planned["operations"][1]["cause"];
    assert_eq!((&cause["code"], &cause["diffs"][0]["field"]), (&"moved".into(), &"image.digest".into()), "{cause}");
    assert_ne!(cause["diffs"][0]["old"], cause["diffs"][0]["new"], "{cause}");
    assert_eq!(sandbox.main(), first, "a plan changes nothing");

    sandbox.moat(&["apply", "--pull"]).ok();
    let second = sandbox.main();
    assert_eq!((second == first, sandbox.sh_ok("cat /content")), (false, "two".to_owned()));
    sandbox.assert_ready();
    for args in [&["plan", "--pull", "--detailed-exitcode"][..], &["apply", "--pull"]] {
        assert_eq!(sandbox.moat(args).run().code, 0, "{args:?}: once more");
    }
    assert_eq!(sandbox.main(), second, "once more");

    // By hand: the running image is compared, not only the local tag.
    push(&reference, "three");
    engine().docker(&["pull", "-q", &reference]);
    sandbox.apply();
    assert_eq!(sandbox.main(), second, "no change was asked for");
    let planned = sandbox.moat(&["plan", "--pull"]).ok().stdout;
    assert!(!planned.contains("pull image") && planned.contains("is another image now"), "{planned}");
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.sh_ok("cat /content"), "three");
    sandbox.moat(&["destroy"]).ok();
    engine().try_docker(&["rmi", "-f", &reference]);
}

/// `plan --pull` asks a registry only about approved specs. A saved plan of both kinds is applied all the same.
#[test]
fn a_saved_plan_pulls_for_the_agents_that_it_asked_for() {
    let reference = format!("{}:1", repository("saved"));
    push(&reference, "one");
    let old = Sandbox::applied(&format!("image: {reference}\ncommand: [sleep, infinity]\n"));
    let new = Sandbox::new(PLAIN);
    push(&reference, "two");
    let paths = [&old, &new].map(|it| it.path().display().to_string());
    old.moat(&["plan", "--pull", "-o", "p.json", &paths[0], &paths[1]]).ok();
    old.moat(&["apply", "p.json"]).ok();
    assert_eq!(old.sh_ok("cat /content"), "two");
    new.assert_ready();
}

#[test]
fn a_local_image_missing_from_the_registry_is_kept_with_a_warning() {
    let reference = format!("{}:1", repository("local"));
    make(&reference, "one");
    let sandbox = Sandbox::applied(&format!("image: {reference}\ncommand: [sleep, infinity]\n"));
    let main = sandbox.main();
    let kept = format!("`{reference}` was not refreshed: ");
    let planned = sandbox.moat(&["plan", "--pull", "--detailed-exitcode"]).run();
    assert!(planned.code == 0 && planned.stderr.contains(&kept), "{planned}");
    let applied = sandbox.moat(&["apply", "--pull"]).ok();
    assert!(applied.stderr.contains(&kept), "{applied}");
    assert_eq!(sandbox.main(), main);
    // Without the option the registry is not queried.
    assert!(!sandbox.apply().stderr.contains("kept"));
    sandbox.moat(&["destroy"]).ok();
    engine().try_docker(&["rmi", "-f", &reference]);
}

/// The digest of a tag is that of an index, which changes with each attestation. The running image does not change.
#[test]
fn attestation_changes_replace_nothing() {
    let reference = format!("{}:1", repository("attested"));
    push(&reference, "one");
    let sandbox = Sandbox::applied(&format!("image: {reference}\ncommand: [sleep, infinity]\n"));
    let first = sandbox.main();
    let (registry, tag) = Repository::of(&reference);
    for words in ["first", "second"] {
        let list = registry.attest(tag, words);
        sandbox.moat(&["apply", "--pull"]).ok();
        assert_eq!(sandbox.main(), first, "{words}: the same image");
        let known = engine().docker(&["image", "inspect", "--format", "{{.RepoDigests}}", &reference]);
        assert!(known.contains(&list), "{words}: {list} was not pulled, but {known}");
        for args in [&["plan", "--pull", "--detailed-exitcode"][..], &["apply", "--pull"], &["apply"]] {
            assert_eq!(sandbox.moat(args).run().code, 0, "{args:?}: once more");
        }
        assert_eq!(sandbox.main(), first, "{words}: once more");
    }
    // Another image in such an index is a change.
    push(&reference, "two");
    registry.attest(tag, "third");
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.sh_ok("cat /content"), "two");
    let second = sandbox.main();
    // The running image has lost its tag on the engine, and gets it back.
    engine().docker(&["rmi", "-f", &reference]);
    sandbox.moat(&["apply", "--pull"]).ok();
    assert_eq!(sandbox.main(), second, "its image was only without a name");
    sandbox.moat(&["destroy"]).ok();
    engine().try_docker(&["rmi", "-f", &reference]);
}
