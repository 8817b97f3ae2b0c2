//! `moat cp`: all forms of targets in both directions, as with `docker cp`.

use std::fs;
use std::os::unix::fs::symlink;

use expect_test::expect;
use serde_json::Value;
use testkit::run::run;
use testkit::sandbox::{PLAIN, Sandbox};

/// Folders, files and links of all kinds, below `/t`.
const PLACES: &str =
    "rm -rf /t /usr/xbin; mkdir -p /t/folder /usr/xbin; cd /t; ln -s ../usr/xbin bin; ln -s folder to-folder
    echo old >file; ln -s file to-file; ln -s /t/later dangling; ln -s /none/at/all nowhere; ln -s to-folder twice";

#[test]
fn sandbox_targets_match_docker_cp() {
    let sandbox = Sandbox::applied(PLAIN);
    fs::write(sandbox.path().join("tool"), "new\n").expect("a file");
    fs::create_dir_all(sandbox.path().join("d/sub")).expect("folders");
    fs::write(sandbox.path().join("d/sub/f"), "new\n").expect("a file");
    // Source, target and the new file; the rest must be unchanged.
    let table = [
        ("tool", "/t/bin", "/usr/xbin/tool"),
        ("tool", "/t/bin/", "/usr/xbin/tool"),
        ("tool", "/t/bin/tool", "/usr/xbin/tool"),
        ("tool", "/t/bin/.", "/usr/xbin/tool"),
        ("tool", "/t/twice", "/t/folder/tool"),
        ("tool", "/t/file", "/t/file"),
        ("tool", "/t/to-file", "/t/file"),
        ("tool", "/t/dangling", "/t/later"),
        ("tool", "/t/folder", "/t/folder/tool"),
        ("tool", "/t/new", "/t/new"),
        ("d", "/t/folder", "/t/folder/d/sub/f"),
        ("d/", "/t/folder", "/t/folder/d/sub/f"),
        ("d", "/t/bin", "/usr/xbin/d/sub/f"),
        ("d", "/t/new", "/t/new/sub/f"),
        ("d", "/t/new/", "/t/new/sub/f"),
        ("d/.", "/t/new/", "/t/new/sub/f"),
        ("d/.", "/t/new", "/t/new/sub/f"),
        ("d/.", "/t/folder", "/t/folder/sub/f"),
        ("d/.", "/t/to-folder/", "/t/folder/sub/f"),
        ("d/sub/..", "/t/folder", "/t/folder/sub/f"),
    ];
    for (from, to, new) in table {
        sandbox.sh_ok(PLACES);
        sandbox.moat(&["cp", from, &format!(":{to}")]).ok();
        let found = sandbox.sh_ok(
            "cd /t; for l in bin to-folder to-file dangling nowhere twice; do readlink $l; done
            find /t /usr/xbin -type f -exec grep -l new {} +",
        );
        let links = "../usr/xbin\nfolder\nfile\n/t/later\n/none/at/all\nto-folder";
        assert_eq!(found, format!("{links}\n{new}"), "{from} to {to}");
    }
    sandbox.sh_ok(PLACES);
    let refused: Vec<String> = [
        ("d", "/t/file"),
        ("d", "/t/to-file"),
        ("tool", "/t/file/"),
        ("tool", "/t/new/"),
        ("tool", "/t/nowhere"),
        ("tool", "/no/such/name"),
        ("nothing", "/t"),
        ("no/thing", "/t"),
        ("/dev/null", "/t"),
    ]
    .iter()
    .map(|(from, to)| sandbox.moat(&["cp", from, &format!(":{to}")]).transcript())
    .collect();
    expect![[r#"
        exit 1
        == stderr
        error: `:/t/file` exists and is not a directory
          = help: remove it first, or choose another target
        exit 1
        == stderr
        error: `:/t/to-file` exists and is not a directory
          = help: remove it first, or choose another target
        exit 1
        == stderr
        error: `:/t/file/` is not a directory
          = help: remove the trailing slash, or give a directory
        exit 1
        == stderr
        error: no directory `/t/new/` in the sandbox
          = help: create it first: `moat exec -- mkdir -p /t/new`
        exit 1
        == stderr
        error: no directory `/none/at/` in the sandbox
          = help: create it first: `moat exec -- mkdir -p /none/at`
        exit 1
        == stderr
        error: no directory `/no/such/` in the sandbox
          = help: create it first: `moat exec -- mkdir -p /no/such`
        exit 1
        == stderr
        error: `nothing` does not exist on this host
          = help: check the path; missing directories are not created
        exit 1
        == stderr
        error: `no/thing` does not exist on this host
          = help: check the path; missing directories are not created
        exit 1
        == stderr
        error: `/dev/null` is neither a file, a directory nor a link
          = help: only files, directories and links are copied; `-` is standard input or output
    "#]]
    .assert_eq(&refused.concat());
    // A folder over a file in a subfolder.
    sandbox.sh_ok("mkdir -p /t/folder/d; echo precious >/t/folder/d/sub");
    let ran = sandbox.moat(&["cp", "d", ":/t/folder"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("conflict below"), "{ran}");
    assert_eq!(sandbox.sh_ok("cat /t/folder/d/sub; ls /t/folder"), "precious\nd");
}

#[test]
fn local_targets_match_docker_cp_except_links() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.sh_ok("mkdir -p /d/sub; echo new >/d/sub/f; cp /d/sub/f /f; ln -s /d /to-d");
    let table = [
        (":/f", "folder", "folder/f"),
        (":/f", "folder/", "folder/f"),
        (":/f", "to-folder/", "folder/f"),
        (":/f", ".", "f"),
        (":/f", "file", "file"),
        (":/f", "./new", "new"),
        (":/d", "folder", "folder/d/sub/f"),
        (":/d/", "folder", "folder/d/sub/f"),
        (":/d/.", "folder", "folder/sub/f"),
        (":/d", "new", "new/sub/f"),
        (":/d", "new/", "new/sub/f"),
        (":/d/.", "new/", "new/sub/f"),
        (":/to-d/", "new", "new/sub/f"),
    ];
    for (nth, (from, to, new)) in table.iter().enumerate() {
        let here = sandbox.path().join(format!("t{nth}"));
        fs::create_dir_all(here.join("folder")).expect("a folder");
        fs::write(here.join("file"), "old\n").expect("a file");
        symlink("folder", here.join("to-folder")).expect("a link");
        let mut moat = sandbox.moat(&["cp", "--json", &from.replace(':', &format!("{}:", sandbox.agent)), to]);
        moat.command.current_dir(&here);
        let reported: Value = serde_json::from_str(&moat.ok().stdout).expect("a document");
        assert_eq!(
            (&reported["files"], &reported["bytes"], &reported["skipped_count"]),
            (&1.into(), &4.into(), &0.into())
        );
        assert_eq!(fs::read_to_string(here.join(new)).expect("it is there"), "new\n", "{from} to {to}");
    }
    symlink("t0", sandbox.path().join("link")).expect("a link");
    fs::write(sandbox.path().join("file"), "old").expect("a file");
    let refused: Vec<String> =
        [(":/f", "new/"), (":/d", "file"), (":/d", "link"), (":/f", "no/such"), (":/none", "."), (":/none/f", ".")]
            .iter()
            .map(|(from, to)| sandbox.moat(&["cp", from, to]).transcript())
            .collect();
    expect![[r#"
        exit 1
        == stderr
        error: `new/` does not exist on this host
          = help: check the path; missing directories are not created
        exit 1
        == stderr
        error: `file` is a file, and is not replaced by a directory
          = help: remove it first, or name another path
        exit 1
        == stderr
        error: `link` is a link to `t0`, and is not followed
          = help: name the target of the link, or end the path with a slash to copy into the directory
        exit 1
        == stderr
        error: `no` does not exist on this host
          = help: check the path; missing directories are not created
        exit 1
        == stderr
        error: `/none` does not exist in the sandbox
          = help: check with `moat exec -- ls`
        exit 1
        == stderr
        error: `/none/f` does not exist in the sandbox
          = help: check with `moat exec -- ls`
    "#]]
    .assert_eq(&refused.concat());
}

#[test]
fn a_dash_is_a_tar_archive() {
    let sandbox = Sandbox::applied(PLAIN);
    fs::create_dir_all(sandbox.path().join("d/sub")).expect("folders");
    fs::write(sandbox.path().join("d/sub/f"), "content").expect("a file");
    let mut tar = std::process::Command::new("tar");
    tar.args(["-C"]).arg(sandbox.path()).args(["-c", "d"]);
    let archive = tar.output().expect("tar runs").stdout;
    sandbox.sh_ok("mkdir /in; ln -s in to-in");
    let ran = sandbox.moat(&["cp", "-", ":/to-in"]).input(archive).ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(sandbox.sh_ok("cat /in/d/sub/f; readlink /to-in"), "contentin");
    let ran = sandbox.moat(&["cp", ":/in/d", "-"]).ok();
    let mut list = std::process::Command::new("tar");
    list.arg("-t");
    assert_eq!(run(list, ran.stdout.as_bytes()).stdout, "d/\nd/sub/\nd/sub/f\n");
    assert!(!sandbox.path().join("-").exists() && ran.stderr.is_empty(), "{ran}");
    // A file with this name can be given with a path.
    sandbox.moat(&["cp", ":/in/d/sub/f", "./-"]).ok();
    sandbox.moat(&["cp", "./-", ":/dash"]).ok();
    assert_eq!(sandbox.sh_ok("cat /dash"), "content");
    for (args, code) in [
        (&["cp", "-", ":/none"][..], 1),
        (&["cp", "-", ":/dash"], 1),
        (&["cp", ":/none", "-"], 1),
        (&["cp", "-", "-"], 64),
        (&["cp", "--json", ":/dash", "-"], 64),
        (&["cp", "--max-size", "100", ":/in/d", "-"], 1),
    ] {
        let ran = sandbox.moat(args).run();
        assert!(ran.code == code && ran.stderr.starts_with("error: "), "{args:?} {ran}");
    }
}

#[test]
fn pipes_and_devices_are_skipped_and_named() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.sh_ok("mkdir /d; cd /d; mkfifo pipe; mknod null c 1 3; echo good >f");
    expect![[r#"
        exit 0
        == stderr
        warning: skipped `d/null` (a device), `d/pipe` (a named pipe)
          = help: only files, directories and links are copied
        copied 1 file, 5 B
    "#]]
    .assert_eq(&sandbox.moat(&["cp", ":/d", "out"]).transcript());
    let names = |folder: &str| -> Vec<String> {
        let found = fs::read_dir(sandbox.path().join(folder)).expect("a folder");
        found.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("out"), ["f"]);
    let pipe = std::process::Command::new("mkfifo").arg(sandbox.path().join("out/pipe")).status();
    assert!(pipe.expect("mkfifo runs").success());
    let reported = sandbox.moat(&["cp", "--json", "out", ":/back"]).ok().stdout;
    let reported: Value = serde_json::from_str(&reported).expect("a document");
    assert_eq!(reported["skipped"][0]["name"], "back/pipe");
    assert_eq!(sandbox.sh_ok("ls /back"), "f");
    // Alone it is an error; moat does not wait for a writer.
    assert_eq!(sandbox.moat(&["cp", "out/pipe", ":/"]).run().code, 1);
}
