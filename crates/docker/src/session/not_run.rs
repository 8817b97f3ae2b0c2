//! A command that the engine could not run: the reason, and the exit code that shells use.
//!
//! The engine writes the reason to the command's output, with one code for all reasons (docker/cli#2025).

use std::fmt;

use crate::AttachRequest;

/// A command that never ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// As in shells: 127 if the command does not exist, 126 if it cannot be run.
    pub code: u8,
    pub message: String,
}

/// Prefixes of the engine's reason: moby's `daemon/exec.go`, and the runtime.
const BEGINNINGS: [&str; 4] =
    ["OCI runtime exec failed", "unable to find user", "unable to find group", "no matching entries in passwd"];

/// Maximum length of a reason in bytes. The engine writes a line or two.
pub(crate) const TEXT_MAX: usize = 8 * 1024;

const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Whether an output may be the engine's reason. A command may write the same text.
pub(crate) fn may_be(output: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| output.starts_with(beginning.as_bytes()))
}

impl NotRun {
    /// Interprets the engine's reason.
    pub(crate) fn of(request: &AttachRequest, words: &str) -> Self {
        let command = request.command.first().map_or("", String::as_str);
        let says = |text: &str| words.contains(text);
        let because = |why: &str| (NOT_EXECUTABLE, format!("cannot run `{command}`: {why}"));
        let (code, message) = if says("unable to find user") || says("unable to find group") {
            (NOT_EXECUTABLE, format!("no user `{}` in the container", request.user.as_deref().unwrap_or("")))
        } else if says("chdir to cwd") {
            let workdir = request.workdir.as_deref().unwrap_or("");
            (NOT_EXECUTABLE, format!("cannot change to the directory `{workdir}` in the container"))
        } else if says("permission denied") {
            because("permission denied")
        } else if says("exec format error") {
            because("it is built for another platform, or is not a program")
        } else if says("is a directory") {
            because("it is a directory")
        } else if says("executable file not found") || says("no such file or directory") {
            (NOT_FOUND, format!("`{command}` does not exist in the container"))
        } else {
            because(words.trim())
        };
        Self { code, message }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_match_shells() {
        let request = AttachRequest {
            command: vec!["cmd".to_owned()],
            user: Some("bob".to_owned()),
            workdir: Some("/x".to_owned()),
            ..AttachRequest::default()
        };
        let oci = "OCI runtime exec failed: exec failed: unable to start container process: ";
        let table = [
            (
                r#"exec: "cmd": executable file not found in $PATH: unknown"#,
                127,
                "`cmd` does not exist in the container",
            ),
            (
                r#"exec: "cmd": stat cmd: no such file or directory: unknown"#,
                127,
                "`cmd` does not exist in the container",
            ),
            (r#"exec: "cmd": permission denied: unknown"#, 126, "cannot run `cmd`: permission denied"),
            (r#"exec: "cmd": is a directory: unknown"#, 126, "cannot run `cmd`: it is a directory"),
            (
                "exec cmd: exec format error: unknown",
                126,
                "cannot run `cmd`: it is built for another platform, or is not a program",
            ),
            (
                r#"chdir to cwd ("/x") set in config.json failed: no such file or directory: unknown"#,
                126,
                "cannot change to the directory `/x` in the container",
            ),
        ];
        for (words, code, message) in table {
            let words = format!("{oci}{words}\r\n");
            assert!(may_be(words.as_bytes()), "{words}");
            assert_eq!(NotRun::of(&request, &words), NotRun { code, message: message.to_owned() }, "{words}");
        }
        let words = "unable to find user bob: no matching entries in passwd file\r\n";
        assert!(may_be(words.as_bytes()));
        assert_eq!(NotRun::of(&request, words).message, "no user `bob` in the container");
        assert!(!may_be(b"hello") && !may_be(b""));
    }
}
