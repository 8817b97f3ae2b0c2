//! Prompts on a terminal.

use std::io::{self, BufRead, IsTerminal};

use crate::ui::Screen;
use crate::ui::terminal::style::{CARE, notice};

/// Asks for confirmation. Returns `None` without a terminal.
///
/// Any answer except yes, and the end of the input, means no.
pub fn consent(screen: &Screen, message: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    screen.alert(&notice("warning", CARE, message, None, screen.colour()));
    screen.alert("continue? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Some(read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
