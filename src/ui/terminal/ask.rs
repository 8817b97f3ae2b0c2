//! Asks a person, where there is one.

use std::io::{self, BufRead, IsTerminal};

use crate::ui::Screen;
use crate::ui::terminal::style::{CARE, notice};

/// Asks a question whose answer is yes or no; `None`: nobody is there to answer.
///
/// Anything but a yes is a no, the end of the input included.
pub fn consent(screen: &Screen, message: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    screen.alert(&notice("warning", CARE, message, None, screen.colour()));
    screen.alert("go on? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Some(read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
