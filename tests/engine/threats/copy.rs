//! `moat cp` from a sandbox whose agent tries to write to other files on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::sandbox::{PLAIN, Sandbox};

/// A folder with a file that no copy may touch.
fn canary(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("home/.ssh");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config"), "canary").expect("a file");
    fs::canonicalize(folder).expect("a folder")
}

fn assert_untouched(folder: &Path, what: &str) {
    let names: Vec<_> = fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").file_name()).collect();
    assert_eq!(names, ["config"], "{what}");
    assert_eq!(fs::read_to_string(folder.join("config")).expect("a file"), "canary", "{what}");
}

/// The same copy twice, as in a script: the first brings a link, the second tries to write through it.
#[test]
fn a_copied_link_is_not_followed() {
    let stories = [
        ("a folder, into here", "ln -s LINK /w/dist", "mkdir /w/dist; echo bad >/w/dist/evil", "."),
        ("a folder, by its name", "ln -s LINK /w/dist", "mkdir /w/dist; echo bad >/w/dist/evil", "dist"),
        ("a file, by its name", "ln -s LINK/config /w/dist", "echo bad >/w/dist", "dist"),
        ("a file, into a link to a folder", "ln -s LINK /w/dist", "echo bad >/w/dist", "dist"),
        (
            "a folder in a folder",
            "mkdir /w/dist; ln -s LINK /w/dist/sub",
            "mkdir -p /w/dist/sub; echo bad >/w/dist/sub/evil",
            ".",
        ),
        ("a file in a folder", "mkdir /w/dist; ln -s LINK/config /w/dist/f", "mkdir /w/dist; echo bad >/w/dist/f", "."),
        (
            "an empty folder",
            "mkdir /w/dist; ln -s LINK/new /w/dist/sub",
            "mkdir -p /w/dist/sub; echo bad >/w/dist/sub/evil",
            ".",
        ),
    ];
    let sandbox = Sandbox::applied(PLAIN);
    let secret = canary(&sandbox);
    for (what, first, second, to) in stories {
        let link = secret.to_string_lossy();
        sandbox.sh_ok(&format!("rm -rf /w; mkdir /w; {}", first.replace("LINK", &link)));
        sandbox.moat(&["cp", ":/w/dist", to]).ok();
        sandbox.sh_ok(&format!("rm -rf /w; mkdir /w; {second}"));
        let again = sandbox.moat(&["cp", ":/w/dist", to]).run();
        assert_untouched(&secret, &format!("{what}: {again}"));
        assert_eq!(fs::read_dir(sandbox.path().join("home")).expect("a folder").count(), 1, "{what}");
        let dist = sandbox.path().join("dist");
        if fs::symlink_metadata(&dist).is_ok_and(|it| it.is_dir()) {
            fs::remove_dir_all(&dist).expect("removed");
        } else {
            fs::remove_file(&dist).expect("removed");
        }
    }
}

/// A folder that alternates with a link.
#[test]
fn a_race_during_copy_does_not_escape() {
    let sandbox = Sandbox::applied(PLAIN);
    let secret = canary(&sandbox);
    let link = secret.display();
    sandbox.sh_ok(&format!(
        "mkdir -p /w/dist; echo bad >/w/dist/evil; (while :; do mv /w/dist /w/s; ln -s {link} /w/dist; usleep 20000
         rm /w/dist; mv /w/s /w/dist; usleep 20000; done) >/dev/null 2>&1 &"
    ));
    // One copy may bring the link, and the next one what would go through it.
    let dist = sandbox.path().join("dist");
    for nth in 0..50 {
        if nth % 2 == 0 {
            fs::remove_file(&dist).or_else(|_| fs::remove_dir_all(&dist)).ok();
        }
        // It may fail, since the folder does not always exist.
        sandbox.moat(&["cp", ":/w/dist", "."]).run();
        assert_untouched(&secret, "a race");
    }
}

/// A sparse file of three tebibytes, which would fill the disk.
#[test]
fn a_huge_file_is_refused_before_writing() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.sh_ok("mkdir /w; echo small >/w/a; truncate -s 3298534883328 /w/huge");
    let begun = Instant::now();
    for (args, name) in [(&["cp", ":/w/huge", "."][..], "huge"), (&["cp", ":/w", "out"], "w/huge")] {
        let ran = sandbox.moat(args).run();
        let message = format!("error: the copy is larger than 10g, and was stopped at `{name}`\n");
        assert!(ran.code == 1 && ran.stderr.starts_with(&message), "{ran}");
        assert!(ran.stderr.contains("--max-size"), "{ran}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(!sandbox.path().join("huge").exists() && !sandbox.path().join("out/huge").exists());
    sandbox.sh_ok("truncate -s 2M /w/huge");
    assert_eq!(sandbox.moat(&["cp", "--max-size", "1m", ":/w/huge", "."]).run().code, 1);
    sandbox.moat(&["cp", "--max-size", "0", ":/w/huge", "."]).ok();
    assert_eq!(fs::metadata(sandbox.path().join("huge")).expect("a file").len(), 2 << 20);
    assert_eq!(sandbox.moat(&["cp", "--max-size", "much", ":/w/huge", "."]).run().code, 64);
}

/// Names with terminal control sequences, in copied files and in messages.
#[test]
fn control_characters_in_names_are_escaped() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.sh_ok("mkdir /w; cd /w; touch \"$(printf 'a\\033]0;title\\007')\" \"$(printf 'b\\302\\2332J')\" fine");
    let ran = sandbox.moat(&["cp", ":/w", "out"]).ok();
    assert!(!ran.stderr.contains(|c: char| c.is_control() && c != '\n'), "{ran}");
    assert!(ran.stderr.contains("a\\u{1b}]0;title\\u{7}"), "{ran}");
    let names: Vec<_> =
        fs::read_dir(sandbox.path().join("out")).expect("a folder").map(|it| it.expect("it").file_name()).collect();
    assert_eq!(names, ["fine"]);
}
