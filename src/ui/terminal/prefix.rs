//! A screen for one of several agents: every line starts with the label of the agent.

use crate::ui::Colour;
use crate::ui::Screen;

/// A screen with an optional prefix for its lines.
pub struct Prefix<'a> {
    screen: &'a Screen,
    label: Option<String>,
}

impl<'a> Prefix<'a> {
    /// `label` is the prefix of each line; `None` for a single agent.
    pub fn new(screen: &'a Screen, label: Option<String>) -> Self {
        Self { screen, label }
    }

    /// Prints progress, unless the screen is quiet.
    pub fn say(&self, text: &str) {
        self.screen.say(&self.labelled(text));
    }

    /// Prints an important message.
    pub fn alert(&self, text: &str) {
        self.screen.alert(&self.labelled(text));
    }

    pub fn colour(&self) -> Colour {
        self.screen.colour()
    }

    /// Returns the columns and lines for live lines; `None` for one of several agents, which cannot share them.
    pub fn live_size(&self) -> Option<(usize, usize)> {
        if self.label.is_some() { None } else { self.screen.live_size() }
    }

    /// Replaces the live lines.
    pub fn show_live(&self, lines: Vec<String>) {
        self.screen.show_live(lines);
    }

    fn labelled(&self, text: &str) -> String {
        match &self.label {
            Some(label) => labelled(label, text),
            None => text.to_owned(),
        }
    }
}

/// Prefixes each line of a text with a label.
pub fn labelled(label: &str, text: &str) -> String {
    text.lines().map(|line| format!("{label} | {line}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_label() {
        assert_eq!(labelled("a ", "one\n\n  two\n"), "a  | one\na  |\na  |   two\n");
    }
}
