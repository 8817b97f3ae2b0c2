//! moat's files on this machine are not readable by other users.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use testkit::sandbox::{PLAIN, Sandbox};

/// Collects the files that other users can open.
fn open(path: &Path, found: &mut Vec<String>) {
    let kind = fs::symlink_metadata(path).expect("it is there");
    if kind.permissions().mode() & 0o077 != 0 {
        found.push(format!("{} {:o}", path.display(), kind.permissions().mode() & 0o7777));
    }
    if kind.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            open(&entry.expect("an entry").path(), found);
        }
    }
}

fn opened(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    open(path, &mut found);
    found
}

#[test]
fn moats_files_are_private() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.moat(&["stop"]).ok();
    sandbox.moat(&["start"]).ok();
    let state = sandbox.home().join(".local/state/moat");
    assert_eq!(opened(&state), <[String; 0]>::default());
    // Files of an older version.
    let mut all = vec![state.clone()];
    while let Some(path) = all.pop() {
        let is_dir = path.is_dir();
        if is_dir {
            all.extend(fs::read_dir(&path).expect("a folder").map(|it| it.expect("an entry").path()));
        }
        let mode = if is_dir {
            0o755
        } else if path.ends_with("key") || path.ends_with("secret.key") {
            0o600
        } else {
            0o644
        };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its owner may");
    }
    assert!(!opened(&state).is_empty());
    sandbox.moat(&["history"]).ok();
    assert_eq!(opened(&state), <[String; 0]>::default());
}
