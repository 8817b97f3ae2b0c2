//! The outcome of several agents in one line.

use std::collections::BTreeMap;

use crate::ui::Colour;
use crate::ui::terminal::style::{BAD, GOOD};

/// Returns a line such as `3 agents: 2 done, 1 failed (builder)`. `ended` has the label and outcome of each agent, and
/// whether it succeeded.
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
    let agents = if ended.len() == 1 { "1 agent".to_owned() } else { format!("{} agents", ended.len()) };
    format!("{agents}: {}\n", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_agents_are_named() {
        let ended = [("a", "done", true), ("c", "failed", false), ("b", "failed", false), ("d", "locked", false)];
        assert_eq!(text(&ended, Colour::Never), "4 agents: 1 done, 2 failed (c, b), 1 locked (d)\n");
        assert_eq!(text(&ended[..1], Colour::Never), "1 agent: 1 done\n");
    }
}
