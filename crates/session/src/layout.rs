//! Where the helper program and the sessions are in a container.

use std::env;
use std::path::{Path, PathBuf};

/// The version of the commands, the frames and the records. Another version of moat with the same number takes its place.
const PROTOCOL: u32 = 1;

/// The folder of everything.
pub const ROOT: &str = "/var/lib/moat-helper";

/// The folder with a folder for each user's sessions; any user can add one.
pub const SESSIONS: &str = "/var/lib/moat-helper/sessions";

/// The file that starts the program, in the folder of the program.
pub const LAUNCHER: &str = "moat-helper";

/// The dynamic loader, in the folder of the program.
pub const LOADER: &str = "ld.so";

/// The word after the program's name with which it is a helper.
pub const WORD: &str = "session-helper";

/// The folder of the program.
pub fn program() -> String {
    format!("{ROOT}/{PROTOCOL}")
}

/// A command of the helper.
pub fn command(words: &[&str]) -> Vec<String> {
    command_in(&program(), words)
}

/// A command of a helper in another folder, from which it is installed.
pub fn command_in(folder: &str, words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|word| (*word).to_owned());
    [format!("{folder}/{LAUNCHER}"), WORD.to_owned()].into_iter().chain(words).collect()
}

/// Whether a command of the container is one of a helper that moat waits for, and not a session.
pub fn is_own(command: &[String]) -> bool {
    let ours = |program: &str| Path::new(program).starts_with(ROOT);
    command.iter().any(|word| ours(word))
        && command.iter().skip_while(|word| *word != WORD).nth(1).is_some_and(|action| action != "serve")
}

/// The file that starts this very program.
///
/// # Errors
/// If the system does not say what runs.
pub fn own_launcher() -> std::io::Result<PathBuf> {
    let program = env::current_exe()?;
    // Started by its loader, the loader is the program.
    let is_loaded = program.file_name().is_some_and(|name| name == LOADER);
    Ok(if is_loaded { program.with_file_name(LAUNCHER) } else { program })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_holder_counts_as_a_session() {
        assert!(is_own(&command(&["attach", "--name", "claude"])) && is_own(&command(&["list"])));
        assert!(!is_own(&command(&["serve", "--name", "claude", "--", "sh"])));
        assert!(!is_own(&["sh".to_owned(), "-c".to_owned(), WORD.to_owned(), "x".to_owned()]));
        assert!(!is_own(&[]));
    }
}
