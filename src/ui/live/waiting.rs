//! What is said while a program that gives a secret takes its time. Standard error only, whatever the answer's form.

use std::io::{self, Write};

use crate::ui::terminal::style::harmless;
use crate::ui::terminal::width::shortened;

/// Enough to know the program by. In columns.
const SHOWN: usize = 60;

/// Says that a program is waited for. What it is run with is in the spec, and no secret.
pub fn waiting_for_a_program(program: &str, arguments: &[&str]) {
    // Nobody is helped by a failure to say so.
    let _ = io::stderr().lock().write_all(text(program, arguments).as_bytes());
}

fn text(program: &str, arguments: &[&str]) -> String {
    let command = [&[program], arguments].concat().join(" ");
    let line = harmless(command.lines().next().unwrap_or_default());
    format!("waiting for `{}`, which gives a secret\n", shortened(&line, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_in_one_line() {
        assert_eq!(text("op", &["read", "op://a/b"]), "waiting for `op read op://a/b`, which gives a secret\n");
        let long = text("sh", &["-c", &"x".repeat(500)]);
        assert!(long.chars().count() < 120 && long.lines().count() == 1, "{long}");
        assert!(!text("sh", &["-c", "a\u{1b}[2J\nb"]).contains('\u{1b}'));
    }
}
