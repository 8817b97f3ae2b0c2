//! The language as a table for people, made from the same data that files are checked against.

use super::language;
use super::shape::Shape;

/// One row for each key, in Markdown: path, what it may be, default, what a change does, meaning.
pub fn reference() -> String {
    let mut rows = String::from("| key | may be | default | a change | meaning |\n| --- | --- | --- | --- | --- |\n");
    language::AGENT.visit("", &mut |path, key| {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let (default, change) = (key.default.to_owned(), key.effect.as_str().to_owned());
        let cells = [format!("`{path}`"), may_be(&key.shape), default, change, key.summary.to_owned()];
        rows.extend(["| ", &cells.join(" | "), " |\n"]);
    });
    rows
}

fn may_be(shape: &Shape) -> String {
    match shape {
        Shape::List { item, .. } => format!("{} of {}", shape.expected(), of_many(item)),
        Shape::Map { value, .. } => format!("{} of names to {}", shape.expected(), of_many(value)),
        Shape::Either(shapes) => shapes.iter().map(may_be).collect::<Vec<_>>().join(", or "),
        Shape::Text(_) | Shape::Scalar(_) | Shape::Bool | Shape::Choice(_) | Shape::Keys(_) => shape.expected(),
    }
}

fn of_many(shape: &Shape) -> String {
    match shape {
        Shape::Text(_) => "texts".to_owned(),
        Shape::Scalar(_) => "single values".to_owned(),
        other => other.expected(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../specs/agent.md");

    #[test]
    fn the_page_has_the_table() {
        let table = reference();
        assert!(PAGE.contains(&table), "specs/agent.md must have this table:\n{table}");
    }
}
