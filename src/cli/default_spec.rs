//! The default spec: `agent.yaml` in the working directory or the nearest parent, as git, Cargo and compose search.
//!
//! Finds the path only; `load` reads it. The search stops at the home directory and at the root. A spec in a parent that
//! belongs to another user is ignored: a user who can write to `/tmp` must not choose what is applied in `/tmp/work`.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::ArgMatches;
use clap::parser::ValueSource;
use rustix::process::geteuid;

use crate::cli::session::Session;
use crate::cli::spec_files::{self, DEFAULT_SPEC, OTHER_SPEC};

/// The result of the search.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The working directory, also if there is no spec at all.
    Here,
    /// A parent directory, as a relative path.
    Above(String),
    /// A file of another user, which is ignored.
    Foreign(String),
}

/// The search runs once per process.
static FOUND: LazyLock<Found> = LazyLock::new(|| {
    let Ok(here) = env::current_dir() else { return Found::Here };
    let home = env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
    search(&here, home.as_deref(), is_own)
});

/// The path of the default spec.
pub fn path() -> &'static str {
    match &*FOUND {
        Found::Above(path) => path,
        Found::Here | Found::Foreign(_) => DEFAULT_SPEC,
    }
}

/// Whether there is a default spec.
pub fn exists() -> bool {
    // Also one that is invalid, or a broken link.
    spec_files::file(Path::new(path())).symlink_metadata().is_ok()
}

/// Prints the path of the default spec if the command uses it and it is not in the working directory.
pub fn announce_if_default(command: &ArgMatches, session: &Session) {
    if is_left_open(command) {
        announce(session);
    }
}

/// Prints the path of the default spec if it is not in the working directory.
pub fn announce(session: &Session) {
    match &*FOUND {
        Found::Here => {}
        Found::Above(path) => session.screen.say(&format!("using `{path}`\n")),
        Found::Foreign(path) => {
            session.warning(&format!("`{path}` ignored: it belongs to another user"), "give its path to use it");
        }
    }
}

/// Returns whether an argument has the default spec as its default value.
fn is_left_open(command: &ArgMatches) -> bool {
    let is_open = |id: &str| {
        let values = command.try_get_raw(id).ok().flatten();
        let is_default = command.value_source(id) == Some(ValueSource::DefaultValue);
        is_default && values.is_some_and(|mut values| values.any(|value| value == path()))
    };
    let is_about_all = matches!(command.try_get_one::<bool>("all"), Ok(Some(true)));
    let below = command.subcommand().is_some_and(|(_, below)| is_left_open(below));
    below || (!is_about_all && command.ids().any(|id| is_open(id.as_str())))
}

fn search(here: &Path, home: Option<&Path>, is_own: impl Fn(&Path) -> bool) -> Found {
    for (steps, directory) in here.ancestors().enumerate() {
        let mut files = [DEFAULT_SPEC, OTHER_SPEC].into_iter().map(|name| (name, directory.join(name)));
        if steps == 0 {
            // A file in the working directory is always used, even if it is invalid.
            if files.any(|(_, file)| file.symlink_metadata().is_ok()) {
                return Found::Here;
            }
        } else if let Some((name, file)) = files.find(|(_, file)| file.is_file()) {
            let path = "../".repeat(steps) + name;
            return if is_own(&file) { Found::Above(path) } else { Found::Foreign(path) };
        }
        if home == Some(directory) {
            break;
        }
    }
    Found::Here
}

/// Returns whether a file belongs to this user, to root or, under sudo, to the calling user.
fn is_own(file: &Path) -> bool {
    let Ok(owner) = file.metadata().map(|facts| facts.uid()) else { return false };
    let user = geteuid().as_raw();
    let asked = env::var("SUDO_UID").ok().filter(|_| user == 0).and_then(|text| text.parse().ok());
    owner == user || owner == 0 || Some(owner) == asked
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn searched(files: &[&str], here: &str, home: Option<&str>) -> Found {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        fs::create_dir_all(root.join(here)).expect("made");
        for file in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            fs::write(file, "").expect("written");
        }
        search(&root.join(here), home.map(|home| root.join(home)).as_deref(), |file| {
            !file.ends_with("theirs/agent.yaml")
        })
    }

    #[test]
    fn the_nearest_spec_is_found() {
        let above = |path: &str| Found::Above(path.to_owned());
        let table: &[(&[&str], &str, Option<&str>, Found)] = &[
            (&["agent.yaml"], "", None, Found::Here),
            (&["agent.yaml", "a/moat.yaml"], "a", None, Found::Here),
            (&["agent.yaml"], "a", None, above("../agent.yaml")),
            (&["agent.yaml"], "a/b/c", None, above("../../../agent.yaml")),
            (&["agent.yaml", "a/agent.yaml"], "a/b", None, above("../agent.yaml")),
            (&["moat.yaml"], "a", None, above("../moat.yaml")),
            (&["moat.yaml", "agent.yaml"], "a", None, above("../agent.yaml")),
            // A directory of that name is ignored, except in the working directory.
            (&["agent.yaml", "a/agent.yaml/x"], "a/b", None, above("../../agent.yaml")),
            (&["agent.yaml", "a/agent.yaml/x"], "a", None, Found::Here),
            // The home directory is searched, its parents are not.
            (&["home/agent.yaml"], "home/a/b", Some("home"), above("../../agent.yaml")),
            (&["agent.yaml"], "home/a/b", Some("home"), Found::Here),
            (&["agent.yaml"], "home", Some("home"), Found::Here),
            (&["agent.yaml"], "a", Some("home"), above("../agent.yaml")),
            // The search stops at the nearest file, even if it is ignored.
            (&["agent.yaml", "theirs/agent.yaml"], "theirs/a", None, Found::Foreign("../agent.yaml".to_owned())),
            (&["theirs/agent.yaml"], "theirs", None, Found::Here),
        ];
        for (files, here, home, found) in table {
            assert_eq!(searched(files, here, *home), *found, "{files:?} from {here:?}, home {home:?}");
        }
    }
}
