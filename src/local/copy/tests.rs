//! Tests of packing and unpacking with malicious archives.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use tar::{Builder, EntryType};

use super::*;

/// Kind, name, and content or the target of a link.
type Entry<'a> = (EntryType, &'a str, &'a str);

/// Builds an archive of arbitrary entries.
fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_mtime(1_000);
        let has_content = *kind == EntryType::Regular;
        header.set_size(if has_content { content.len() as u64 } else { 0 });
        // Written directly, since the builder rejects such names.
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, if has_content { content.as_bytes() } else { &[][..] }).expect("an archive");
    }
    builder.into_inner().expect("an archive")
}

fn target(folder: &Path, name: Option<&str>) -> Target {
    let open = Folder::open(folder).expect("a folder");
    Target { folder: open, name: name.map(Into::into), path: folder.to_owned() }
}

/// Lists all entries of a directory tree with their type.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(here) = todo.pop() {
        for entry in fs::read_dir(&here).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("below").display().to_string();
            let kind = fs::symlink_metadata(&path).expect("exists");
            if kind.is_dir() {
                found.push(format!("{name}/"));
                todo.push(path);
            } else if kind.is_symlink() {
                found.push(format!("{name} -> {}", fs::read_link(&path).expect("a link").display()));
            } else {
                found.push(format!("{name} = {}", fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    found
}

use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};

#[test]
fn a_packed_directory_is_unpacked_under_its_new_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let from = dir.path().join("from");
    fs::create_dir_all(from.join("sub")).expect("folders");
    fs::write(from.join("sub/a"), "one").expect("a file");
    symlink("a", from.join("sub/b")).expect("a link");
    let source = || Source::Folder(Folder::open(&from).expect("a folder"));
    let mut bytes = Vec::new();
    let packed = pack(&source(), &from, Some("x".as_ref()), &mut bytes).expect("packed");
    let to = target(dir.path(), Some("to"));
    assert_eq!(unpack(bytes.as_slice(), &to, 0).expect("unpacked"), packed);
    assert_eq!((packed.files, packed.bytes, packed.skipped.count), (1, 3, 0));
    assert_eq!(listing(&dir.path().join("to")), ["sub/", "sub/a = one", "sub/b -> a"]);
    // The contents only.
    let mut bytes = Vec::new();
    pack(&source(), &from, None, &mut bytes).expect("packed");
    let mut names: Vec<_> = tar::Archive::new(bytes.as_slice())
        .entries()
        .expect("entries")
        .map(|entry| entry.expect("an entry").path().expect("a path").display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["sub", "sub/a", "sub/b"]);
}

#[test]
fn no_archive_creates_anything_outside_of_the_target() {
    let bad: [(&str, &[Entry]); 19] = [
        ("a name with dots", &[(Directory, "x", ""), (Regular, "x/../../outside/f", "bad")]),
        ("a name of dots", &[(Regular, "..", "bad")]),
        ("dots at the end", &[(Directory, "x", ""), (Directory, "x/..", ""), (Regular, "x/../../outside/f", "")]),
        ("dots first", &[(Regular, "../outside/f", "bad")]),
        ("an absolute name after the first", &[(Directory, "x", ""), (Regular, "x/a/../../../outside/f", "bad")]),
        ("through a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT"), (Regular, "x/l/f", "bad")]),
        ("a folder over a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT"), (Directory, "x/l", "")]),
        ("a folder through a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT"), (Directory, "x/l/d", "")]),
        ("a link through a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT"), (Symlink, "x/l/m", "/")]),
        ("the top as a link", &[(Symlink, "x", "OUT"), (Regular, "x/f", "bad")]),
        ("the top as a link, then a folder", &[(Symlink, "x", "OUT"), (Directory, "x", ""), (Regular, "x/f", "bad")]),
        ("an existing link", &[(Directory, "x", ""), (Regular, "x/old/f", "bad")]),
        ("a folder on an existing link", &[(Directory, "x", ""), (Directory, "x/old", "")]),
        ("a hard link with dots", &[(Directory, "x", ""), (Link, "x/h", "x/../../outside/secret")]),
        ("a hard link of dots", &[(Directory, "x", ""), (Link, "x/h", "../outside/secret")]),
        ("a hard link through a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT"), (Link, "x/h", "x/l/secret")]),
        ("a hard link of a link", &[(Directory, "x", ""), (Symlink, "x/l", "OUT/secret"), (Link, "x/h", "x/l")]),
        ("a hard link of itself", &[(Regular, "x", ""), (Link, "x", "x")]),
        ("a hard link of nothing", &[(Directory, "x", ""), (Link, "x/h", "x/nothing")]),
    ];
    for (what, entries) in bad {
        let dir = tempfile::tempdir().expect("a folder");
        let (outside, inside) = (dir.path().join("outside"), dir.path().join("inside"));
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("secret"), "canary").expect("a file");
        fs::create_dir_all(inside.join("to")).expect("a folder");
        symlink(&outside, inside.join("to/old")).expect("a link");
        let out = outside.to_str().expect("text");
        let entries: Vec<(EntryType, &str, String)> =
            entries.iter().map(|(kind, name, to)| (*kind, *name, to.replace("OUT", out))).collect();
        let entries: Vec<_> = entries.iter().map(|(kind, name, to)| (*kind, *name, to.as_str())).collect();
        // Into an existing directory, and with a new name.
        for name in ["to", "new"] {
            let done = unpack(archive(&entries).as_slice(), &target(&inside, Some(name)), 0);
            if what.contains("existing") && name == "new" {
                continue;
            }
            assert!(done.is_err(), "{what}: {done:?}");
            assert_eq!(listing(&outside), ["secret = canary"], "{what}");
            assert_eq!(fs::metadata(outside.join("secret")).expect("a file").nlink(), 1, "{what}");
            assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 2, "{what}");
        }
    }
}

#[test]
fn an_absolute_name_is_relative_to_the_target() {
    let dir = tempfile::tempdir().expect("a folder");
    let entries = [(Directory, "/", ""), (Regular, "/etc/f", "good")];
    unpack(archive(&entries).as_slice(), &target(dir.path(), None), 0).expect("unpacked");
    assert_eq!(listing(dir.path()), ["etc/", "etc/f = good"]);
}

#[test]
fn existing_links_and_files_are_replaced_and_not_written_through() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("outside"), "canary").expect("a file");
    fs::create_dir(dir.path().join("to")).expect("a folder");
    for name in ["link", "hard"] {
        symlink("../outside", dir.path().join("to").join(name)).expect("a link");
    }
    fs::hard_link(dir.path().join("outside"), dir.path().join("to/other")).expect("a link");
    let entries =
        [(Directory, "x", ""), (Regular, "x/link", "new"), (Regular, "x/other", "new"), (Link, "x/hard", "x/link")];
    unpack(archive(&entries).as_slice(), &target(dir.path(), Some("to")), 0).expect("unpacked");
    assert_eq!(listing(&dir.path().join("to")), ["hard = new", "link = new", "other = new"]);
    assert_eq!(fs::read_to_string(dir.path().join("outside")).expect("a file"), "canary");
    let made = fs::metadata(dir.path().join("to/link")).expect("a file");
    assert_eq!((made.mode() & 0o7777, made.mtime(), made.nlink()), (0o755, 1_000, 2), "no set-user-id bit");
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    let table: [(&str, EntryType, &str); 3] = [
        ("`to/x` is a directory, and is not replaced by a file", Regular, "folder"),
        ("`to/x` is a directory, and is not replaced by a link", Symlink, "folder"),
        ("`to/x` is a file, and is not replaced by a directory", Directory, "file"),
    ];
    for (expected, kind, there) in table {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x");
        if there == "folder" { fs::create_dir(&path) } else { fs::write(&path, "old") }.expect("exists");
        let to = Target { path: "to".into(), ..target(dir.path(), Some("x")) };
        let error = unpack(archive(&[(kind, "y", "new")]).as_slice(), &to, 0).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn special_files_are_skipped_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let entries = [
        (Directory, "x", ""),
        (Fifo, "x/pipe", ""),
        (Char, "x/null", ""),
        (Block, "x/disk", ""),
        (EntryType::new(b'Z'), "x/odd", ""),
        (Regular, "x/a\u{1b}[2Jb", "bad"),
        (Symlink, "x/c\u{9b}2J", "bad"),
        (Directory, "x/d\ne", ""),
        (Regular, "x/fine ü", "good"),
    ];
    let copied = unpack(archive(&entries).as_slice(), &target(dir.path(), Some("to")), 0).expect("unpacked");
    assert_eq!(listing(&dir.path().join("to")), ["fine ü = good"]);
    let skipped: Vec<String> = copied.skipped.first.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    assert_eq!(
        skipped,
        [
            "x/pipe: a named pipe",
            "x/null: a device",
            "x/disk: a device",
            "x/odd: of an unknown type",
            "x/a\\u{1b}[2Jb: control characters in its name",
            "x/c\\u{9b}2J: control characters in its name",
            "x/d\\u{a}e: control characters in its name",
        ]
    );
    assert_eq!((copied.files, copied.skipped.count), (1, 7));
}

#[test]
fn a_large_copy_is_rejected_before_it_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let large = "x".repeat(10_000);
    let entries = [(Directory, "x", ""), (Regular, "x/a", "small"), (Regular, "x/b", large.as_str())];
    let bytes = archive(&entries);
    let error = unpack(bytes.as_slice(), &target(dir.path(), Some("to")), 5_000).expect_err("refused");
    assert_eq!(error.to_string(), "the copy is larger than 5000b, and was stopped at `x/b`");
    assert_eq!(listing(&dir.path().join("to")), ["a = small"]);
    // Only empty files: their headers count.
    let many: Vec<String> = (0..100).map(|i| format!("x/{i}")).collect();
    let entries: Vec<_> = many.iter().map(|name| (Regular, name.as_str(), "")).collect();
    let error = unpack(archive(&entries).as_slice(), &target(dir.path(), Some("many")), 5_000).expect_err("refused");
    assert!(matches!(error, CopyError::TooLarge { limit: 5_000, .. }), "{error}");
    unpack(bytes.as_slice(), &target(dir.path(), Some("all")), bytes.len() as u64).expect("within the limit");
}

#[test]
fn an_incomplete_archive_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = archive(&[(Regular, "x", "content")]);
    for end in [3, 511, 514] {
        assert!(unpack(&whole[..end], &target(dir.path(), Some("to")), 0).is_err(), "{end}");
    }
}

#[test]
fn only_files_directories_and_links_are_packed() {
    let dir = tempfile::tempdir().expect("a folder");
    let from = dir.path().join("from");
    fs::create_dir(&from).expect("a folder");
    fs::write(dir.path().join("secret"), "canary").expect("a file");
    symlink("../secret", from.join("link")).expect("a link");
    let fifo = std::process::Command::new("mkfifo").arg(from.join("pipe")).status().expect("mkfifo runs");
    assert!(fifo.success());
    let socket = std::os::unix::net::UnixListener::bind(from.join("socket")).expect("a socket");
    let mut bytes = Vec::new();
    let source = Source::Folder(Folder::open(&from).expect("a folder"));
    let packed = pack(&source, &from, Some("x".as_ref()), &mut bytes).expect("packed");
    drop(socket);
    let reasons: Vec<_> = packed.skipped.first.iter().map(|(name, reason)| (name.as_str(), *reason)).collect();
    assert_eq!(reasons, [("x/pipe", Reason::Fifo), ("x/socket", Reason::Socket)]);
    let mut text = Vec::new();
    bytes.as_slice().read_to_end(&mut text).expect("bytes");
    assert!(!String::from_utf8_lossy(&text).contains("canary"));
}

#[test]
fn targets_are_resolved_as_docker_cp_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("folder")).expect("a folder");
    fs::write(at("file"), "old").expect("a file");
    for (link, to) in [("to-folder", "folder"), ("to-file", "file"), ("dangling", "nothing")] {
        symlink(to, at(link)).expect("a link");
    }
    // The path, whether a directory is copied, and the path of `own`.
    let table = [
        ("folder", false, "folder/own"),
        ("folder", true, "folder/own"),
        ("folder/", true, "folder/own"),
        ("folder/.", false, "folder/own"),
        ("to-folder/", false, "to-folder/own"),
        ("new", false, "new"),
        ("new", true, "new"),
        ("new/", true, "new"),
        ("new/.", true, "new"),
        ("file", false, "file"),
        ("new/", false, "`new/` does not exist on this host"),
        ("no/new", true, "`no` does not exist on this host"),
        ("file", true, "`file` is a file, and is not replaced by a directory"),
        ("to-folder", false, "`to-folder` is a link to `folder`, and is not followed"),
        ("to-folder", true, "`to-folder` is a link to `folder`, and is not followed"),
        ("to-file", false, "`to-file` is a link to `file`, and is not followed"),
        ("dangling", false, "`dangling` is a link to `nothing`, and is not followed"),
    ];
    for (to, is_folder, expected) in table {
        let found = match Target::find(&at("").join(to), Some("own".as_ref()), is_folder) {
            Ok(target) => target.path.join(target.name.expect("a name")).display().to_string(),
            Err(error) => error.to_string(),
        };
        let found = found.replace(&format!("{}/", dir.path().display()), "").replace("/./", "/");
        assert_eq!(found, expected, "{to}, {is_folder}");
    }
    assert!(Target::find(Path::new("/dev/null"), None, false).is_err());
    assert!(Source::find(Path::new("/dev/zero")).is_err());
}

#[test]
fn sources_are_resolved_as_docker_cp_does() {
    let table = [
        ("a/b", Some("b"), false),
        ("a/b/", Some("b"), false),
        ("a/.", None, true),
        ("a/..", None, true),
        (".", None, true),
        ("..", None, true),
        ("/", None, true),
    ];
    for (path, _, contents) in table {
        assert_eq!(names_contents(path), contents, "{path}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(dir.path().join("a/b")).expect("folders");
    for (path, own, _) in table.iter().take(4) {
        let (source, name) = Source::find(&dir.path().join(path)).expect("exists");
        assert_eq!((source.is_folder(), name.as_deref()), (true, own.map(AsRef::as_ref)), "{path}");
    }
}
