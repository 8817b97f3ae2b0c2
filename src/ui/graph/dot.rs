//! Renders a graph as Graphviz DOT: <https://graphviz.org/doc/info/lang.html>.

use super::{Picture, Shape, Tone};

/// Returns the DOT text, which ends with a line feed.
pub fn draw(picture: &Picture) -> String {
    let mut text = String::from("digraph moat {\n");
    text.push_str(&format!("  label={}\n  labelloc=t\n  rankdir=LR\n", quoted(&picture.title)));
    text.push_str("  node [fontname=\"sans-serif\", fontsize=11, style=filled]\n");
    text.push_str("  edge [fontname=\"sans-serif\", fontsize=9]\n");
    for (i, node) in picture.nodes.iter().enumerate() {
        let shape = match node.shape {
            Shape::Image => "note",
            Shape::Network => "hexagon",
            Shape::Volume => "cylinder",
            Shape::Container => "box",
            Shape::Main => "box3d",
        };
        let fill = match node.tone {
            Tone::Plain => "#f4f4f5",
            Tone::Good => "#dcfce7",
            Tone::Care => "#fef3c7",
            Tone::Bad => "#fee2e2",
        };
        let lines = [&node.label, &node.name, &node.note].map(|line| escaped(line));
        let label = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\\n");
        text.push_str(&format!("  n{i} [shape={shape}, fillcolor=\"{fill}\", label=\"{label}\"]\n"));
    }
    for arrow in &picture.edges {
        let label = if arrow.label.is_empty() { String::new() } else { format!(" [label={}]", quoted(&arrow.label)) };
        text.push_str(&format!("  n{} -> n{}{label}\n", arrow.from, arrow.to));
    }
    text + "}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
