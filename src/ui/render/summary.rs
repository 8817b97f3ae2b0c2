//! How several agents ended, in a line at the end.

use std::collections::BTreeMap;

use crate::ui::Colour;
use crate::ui::terminal::style::{BAD, GOOD};

/// As in `3 agents: 2 done, 1 failed (builder)`. `ended`: a label and a word for each, in order, and whether it is
/// as it was wanted to be.
pub fn text(ended: &[(&str, &'static str, bool)], colour: Colour) -> String {
    let good = ended.iter().filter(|(_, _, good)| *good).count();
    let mut parts = Vec::new();
    if good > 0 {
        parts.push(colour.paint(GOOD, &format!("{good} done")));
    }
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (label, word, _) in ended.iter().filter(|(_, _, good)| !good) {
        others.entry(word).or_default().push(label);
    }
    parts.extend(others.iter().map(|(word, labels)| {
        let count = colour.paint(BAD, &format!("{} {word}", labels.len()));
        format!("{count} ({})", labels.join(", "))
    }));
    format!("{} agents: {}\n", ended.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_not_as_wanted_are_named() {
        let ended = [("a", "done", true), ("c", "failed", false), ("b", "failed", false), ("d", "locked", false)];
        assert_eq!(text(&ended, Colour::Never), "4 agents: 1 done, 2 failed (c, b), 1 locked (d)\n");
        assert_eq!(text(&ended[..1], Colour::Never), "1 agents: 1 done\n");
    }
}
