//! The language as a table for people, made from the same data that files are checked against.

use super::language;
use super::language::elsewhere::elsewhere;
use super::shape::{Effect, Key, Shape};
use super::suggest::suggest;

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

/// The path and the effect of every key, in the order of the language.
pub fn effects() -> Vec<(String, Effect)> {
    let mut all = Vec::new();
    language::AGENT.visit("", &mut |parent, key| {
        let path = if parent.is_empty() { key.name.to_owned() } else { format!("{parent}.{}", key.name) };
        all.push((path, key.effect));
    });
    all
}

/// Why a key cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no key `{key}`")]
pub struct ExplainError {
    pub key: String,
    pub hint: String,
}

/// What there is to know about the key at a path such as `container.memory`, or about all keys; ends with a line feed.
///
/// # Errors
/// If there is no such key.
pub fn explain(path: Option<&str>) -> Result<String, ExplainError> {
    let mut all: Vec<(String, &Key)> = Vec::new();
    language::AGENT.visit("", &mut |parent, key| {
        all.push((if parent.is_empty() { key.name.to_owned() } else { format!("{parent}.{}", key.name) }, key));
    });
    let Some(path) = path else {
        let top = all.iter().filter(|(path, _)| !path.contains('.'));
        let width = top.clone().map(|(path, _)| path.len()).max().unwrap_or(0);
        let line = |(path, key): &(String, &Key)| format!("{path:width$}  {}\n", key.summary);
        return Ok(top.map(line).collect::<Vec<_>>().concat());
    };
    let named = |known: &&(String, &Key)| known.0 == path || (!path.contains('.') && known.0 == key_name(path));
    let Some((full, key)) = all.iter().find(named) else { return Err(unknown(path, &all)) };
    let below: Vec<&str> = all
        .iter()
        .filter_map(|(other, _)| other.strip_prefix(full.as_str())?.strip_prefix('.'))
        .filter(|rest| !rest.contains('.'))
        .collect();
    let mut text = format!(
        "{full}: {}\n\n  {}\n\n  default   {}\n  a change  {}\n  such as   {}: {}\n",
        may_be(&key.shape),
        key.summary,
        key.default,
        key.effect.as_str(),
        key.name,
        key.example,
    );
    if !key.alias.is_empty() {
        text.push_str(&format!("  also      {}\n", key.alias.join(", ")));
    }
    if !below.is_empty() {
        text.push_str(&format!("  keys      {}\n", below.join(", ")));
    }
    Ok(text)
}

fn key_name(path: &str) -> &str {
    language::name_of(path)
}

fn unknown(path: &str, all: &[(String, &Key)]) -> ExplainError {
    let key = path.to_owned();
    if let Some(known) = elsewhere(path) {
        return ExplainError { key, hint: format!("{}: {}", known.reason, known.hint) };
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let same = all.iter().map(|(path, _)| path.as_str()).find(|known| known.rsplit('.').next() == Some(last));
    let like = same.or_else(|| suggest(path, all.iter().map(|(path, _)| path.as_str())));
    let hint =
        like.map_or_else(|| "`moat explain` shows all keys".to_owned(), |name| format!("did you mean `{name}`?"));
    ExplainError { key, hint }
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
