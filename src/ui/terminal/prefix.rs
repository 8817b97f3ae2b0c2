//! A screen as one of several agents uses it: every line begins with the name of whoever it is about.

use crate::ui::Colour;
use crate::ui::Screen;

/// A screen, and what its lines begin with.
pub struct Prefix<'a> {
    screen: &'a Screen,
    label: Option<String>,
}

impl<'a> Prefix<'a> {
    /// `label`: what each line begins with; `None`: nobody else is speaking, and nothing is added.
    pub fn new(screen: &'a Screen, label: Option<String>) -> Self {
        Self { screen, label }
    }

    /// Tells how things go.
    pub fn say(&self, text: &str) {
        self.screen.say(&self.labelled(text));
    }

    /// Tells what nobody should miss.
    pub fn alert(&self, text: &str) {
        self.screen.alert(&self.labelled(text));
    }

    pub fn colour(&self) -> Colour {
        self.screen.colour()
    }

    /// Columns and lines in which lines can be rewritten. Several agents cannot share them.
    pub fn live_size(&self) -> Option<(usize, usize)> {
        if self.label.is_some() { None } else { self.screen.live_size() }
    }

    /// Replaces the lines that say what is going on.
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

/// A text of whole lines, each behind a label.
pub fn labelled(label: &str, text: &str) -> String {
    text.lines().map(|line| format!("{label} | {line}").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_label() {
        assert_eq!(labelled("a ", "one\n\n  two\n"), "a  | one\na  |\na  |   two\n");
    }
}
