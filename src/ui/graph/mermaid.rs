//! Renders a graph as Mermaid, which many sites support in Markdown: <https://mermaid.js.org/syntax/flowchart.html>.

use super::{Picture, Shape, Tone};

/// Returns the Mermaid text, which ends with a line feed.
pub fn draw(picture: &Picture) -> String {
    let mut text = format!("---\ntitle: {}\n---\nflowchart LR\n", serde_json::Value::from(picture.title.as_str()));
    for (i, node) in picture.nodes.iter().enumerate() {
        let (open, close) = match node.shape {
            Shape::Image => (">", "]"),
            Shape::Network => ("{{", "}}"),
            Shape::Volume => ("[(", ")]"),
            Shape::Container => ("[", "]"),
            Shape::Main => ("[[", "]]"),
        };
        let lines = [&node.label, &node.name, &node.note].map(|line| escaped(line));
        let label = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("<br/>");
        let class = match node.tone {
            Tone::Plain => "",
            Tone::Good => ":::good",
            Tone::Care => ":::care",
            Tone::Bad => ":::bad",
        };
        text.push_str(&format!("  n{i}{open}\"{label}\"{close}{class}\n"));
    }
    for arrow in &picture.edges {
        let label = if arrow.label.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&arrow.label)) };
        text.push_str(&format!("  n{} -->{label} n{}\n", arrow.from, arrow.to));
    }
    for (class, fill) in [("good", "#dcfce7"), ("care", "#fef3c7"), ("bad", "#fee2e2")] {
        text.push_str(&format!("  classDef {class} fill:{fill},color:#111\n"));
    }
    text
}

/// Escapes text for Mermaid, whose entities start with a number sign.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
