//! The spec that is meant where none is named: `agent.yaml` here, or in the nearest directory above, as git, cargo and
//! compose find theirs.
//!
//! Only says where it is; whether it can be used is for `load`. The search ends at the home directory and at the root,
//! and a spec of another user's above is never taken: whoever may write to `/tmp` must not choose what is applied in
//! `/tmp/work`.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::ArgMatches;
use clap::parser::ValueSource;
use rustix::process::geteuid;

use crate::cli::load::{DEFAULT_SPEC, OTHER_SPEC};
use crate::cli::session::Session;

/// What the search has found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The one here, or none at all, which is told of as if it were to be here.
    Here,
    /// In a directory above, as a path from here.
    Above(String),
    /// One that belongs to another user, and is not used.
    Foreign(String),
}

/// Searched once: all of a command is about one spec.
static FOUND: LazyLock<Found> = LazyLock::new(|| {
    let Ok(here) = env::current_dir() else { return Found::Here };
    let home = env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
    search(&here, home.as_deref(), is_own)
});

/// The path of the spec that is meant where none is named.
pub fn spec() -> &'static str {
    match &*FOUND {
        Found::Above(path) => path,
        Found::Here | Found::Foreign(_) => DEFAULT_SPEC,
    }
}

/// Says which spec is meant, if a command line leaves it open and it is not the one here.
pub fn say(command: &ArgMatches, session: &Session) {
    if is_left_open(command) {
        say_of_default(session);
    }
}

/// As [`say`], for whoever knows that it was left open.
pub fn say_of_default(session: &Session) {
    match &*FOUND {
        Found::Here => {}
        Found::Above(path) => session.screen.say(&format!("using `{path}`\n")),
        Found::Foreign(path) => {
            session.caution(&format!("`{path}` ignored: it belongs to another user"), "give its path to use it");
        }
    }
}

/// Whether an argument has this spec only because nobody gave another.
fn is_left_open(command: &ArgMatches) -> bool {
    let is_open = |id: &str| {
        let values = command.try_get_raw(id).ok().flatten();
        let is_default = command.value_source(id) == Some(ValueSource::DefaultValue);
        is_default && values.is_some_and(|mut values| values.any(|value| value == spec()))
    };
    let is_about_all = matches!(command.try_get_one::<bool>("all"), Ok(Some(true)));
    let below = command.subcommand().is_some_and(|(_, below)| is_left_open(below));
    below || (!is_about_all && command.ids().any(|id| is_open(id.as_str())))
}

fn search(here: &Path, home: Option<&Path>, is_own: impl Fn(&Path) -> bool) -> Found {
    for (steps, directory) in here.ancestors().enumerate() {
        let mut files = [DEFAULT_SPEC, OTHER_SPEC].into_iter().map(|name| (name, directory.join(name)));
        if steps == 0 {
            // Whatever is wrong with one here, it is the one that is meant.
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

/// Whether a file is this user's or the machine's. Under sudo the user who asked for it counts too.
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
    fn the_nearest_is_found() {
        let above = |path: &str| Found::Above(path.to_owned());
        let table: &[(&[&str], &str, Option<&str>, Found)] = &[
            (&["agent.yaml"], "", None, Found::Here),
            (&["agent.yaml", "a/moat.yaml"], "a", None, Found::Here),
            (&["agent.yaml"], "a", None, above("../agent.yaml")),
            (&["agent.yaml"], "a/b/c", None, above("../../../agent.yaml")),
            (&["agent.yaml", "a/agent.yaml"], "a/b", None, above("../agent.yaml")),
            (&["moat.yaml"], "a", None, above("../moat.yaml")),
            (&["moat.yaml", "agent.yaml"], "a", None, above("../agent.yaml")),
            // A directory of that name is no spec, unless it is here.
            (&["agent.yaml", "a/agent.yaml/x"], "a/b", None, above("../../agent.yaml")),
            (&["agent.yaml", "a/agent.yaml/x"], "a", None, Found::Here),
            // Home is looked at, and nothing above it.
            (&["home/agent.yaml"], "home/a/b", Some("home"), above("../../agent.yaml")),
            (&["agent.yaml"], "home/a/b", Some("home"), Found::Here),
            (&["agent.yaml"], "home", Some("home"), Found::Here),
            (&["agent.yaml"], "a", Some("home"), above("../agent.yaml")),
            // The nearest counts, even if it is not to be used: one further up was not meant.
            (&["agent.yaml", "theirs/agent.yaml"], "theirs/a", None, Found::Foreign("../agent.yaml".to_owned())),
            (&["theirs/agent.yaml"], "theirs", None, Found::Here),
        ];
        for (files, here, home, found) in table {
            assert_eq!(searched(files, here, *home), *found, "{files:?} from {here:?}, home {home:?}");
        }
    }
}
