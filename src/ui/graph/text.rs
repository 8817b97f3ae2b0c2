//! Renders a graph as text: each node with its dependencies below it.

use super::{Picture, Tone};
use crate::ui::Colour;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, STRONG};
use crate::ui::terminal::width::{columns, padded};

/// Returns the text, dependencies first; ends with a line feed.
pub fn draw(picture: &Picture, colour: Colour) -> String {
    let mut text = format!("{}\n", colour.paint(STRONG, &picture.title));
    let width = picture.nodes.iter().map(|it| columns(&it.label)).max().unwrap_or(0);
    let names = picture.nodes.iter().map(|it| columns(&it.name)).max().unwrap_or(0);
    for (i, node) in picture.nodes.iter().enumerate() {
        let note = match node.tone {
            Tone::Plain => node.note.clone(),
            Tone::Good => colour.paint(GOOD, &node.note),
            Tone::Care => colour.paint(CARE, &node.note),
            Tone::Bad => colour.paint(BAD, &node.note),
        };
        let line = format!("  {}  {}  {note}", padded(&node.label, width), padded(&node.name, names));
        text.push_str(line.trim_end());
        text.push('\n');
        let waits: Vec<_> = picture.edges.iter().filter(|it| it.to == i).collect();
        for (n, arrow) in waits.iter().enumerate() {
            let branch = if n + 1 == waits.len() { "└─" } else { "├─" };
            let on = &picture.nodes[arrow.from];
            let what = if on.label == "image" { format!("image {}", on.name) } else { on.label.clone() };
            let label = if arrow.label.is_empty() { String::new() } else { format!(" ({})", arrow.label) };
            text.push_str(&format!("    {} {what}{label}\n", colour.paint(FAINT, branch)));
        }
    }
    text
}
