//! The message while a program that prints a secret runs. It goes to standard error, also with `--json`.

use std::io::{self, Write};

use crate::ui::terminal::style::harmless;
use crate::ui::terminal::width::shortened;

/// The maximum width of the command, in columns: enough to recognise it.
const SHOWN: usize = 60;

/// Reports that moat waits for a program. Its arguments are in the spec and are not secret.
pub fn waiting_for_a_program(program: &str, arguments: &[&str]) {
    // A failed write must not fail the command.
    let _ = io::stderr().lock().write_all(text(program, arguments).as_bytes());
}

fn text(program: &str, arguments: &[&str]) -> String {
    let command = [&[program], arguments].concat().join(" ");
    let line = harmless(command.lines().next().unwrap_or_default());
    format!("waiting for `{}` to print a secret\n", shortened(&line, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_in_one_line() {
        assert_eq!(text("op", &["read", "op://a/b"]), "waiting for `op read op://a/b` to print a secret\n");
        let long = text("sh", &["-c", &"x".repeat(500)]);
        assert!(long.chars().count() < 120 && long.lines().count() == 1, "{long}");
        assert!(!text("sh", &["-c", "a\u{1b}[2J\nb"]).contains('\u{1b}'));
    }
}
