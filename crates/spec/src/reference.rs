//! Reference documentation of the language, generated from the data that files are checked against.

use moat_policy::preset::{self, Preset};
use serde::Serialize;

use super::language;
use super::language::foreign_keys::{FOREIGN_KEYS, foreign_key};
use super::shape::{Effect, Key, Shape};
use super::suggest::suggest;

/// A Markdown table with one row per key: path, type, default, effect of a change, meaning.
pub fn reference() -> String {
    let mut rows = String::from("| key | type | default | change | meaning |\n| --- | --- | --- | --- | --- |\n");
    language::AGENT.visit("", &mut |path, key| {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let (default, change) = (key.default.to_owned(), key.effect.as_str().to_owned());
        let cells = [format!("`{path}`"), may_be(&key.shape), default, change, key.summary.to_owned()];
        rows.extend(["| ", &cells.join(" | "), " |\n"]);
    });
    rows
}

/// A Markdown table with one row per network preset.
pub fn presets() -> String {
    let mut rows = String::from("| preset | hosts | |\n| --- | --- | --- |\n");
    for Preset { name, summary, hosts } in preset::names().filter_map(preset::find) {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
        rows.push_str(&format!("| `@{name}` | {} | {summary} |\n", hosts.join(", ")));
    }
    rows
}

/// The path and effect of every key, in the order of the language.
pub fn effects() -> Vec<(String, Effect)> {
    let mut all = Vec::new();
    language::AGENT.visit("", &mut |parent, key| {
        let path = if parent.is_empty() { key.name.to_owned() } else { format!("{parent}.{}", key.name) };
        all.push((path, key.effect));
    });
    all
}

/// The paths of the keys of other tools that moat recognises and does not support.
pub fn foreign_keys() -> impl Iterator<Item = &'static str> {
    FOREIGN_KEYS.iter().map(|key| key.path)
}

/// Why a key cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown key `{key}`")]
pub struct ExplainError {
    pub key: String,
    pub hint: String,
}

/// The documentation of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// With dots between levels, such as `container.memory`.
    pub key: String,
    pub may_be: String,
    pub meaning: &'static str,
    pub default: &'static str,
    /// What a change of it does to an existing sandbox.
    pub change: &'static str,
    pub example: &'static str,
    /// Its aliases.
    pub also: &'static [&'static str],
    /// Its nested keys.
    pub keys: Vec<String>,
}

/// Documents the key at a path such as `container.memory`, or without a path all keys, in the order of the language.
///
/// # Errors
/// If the key does not exist.
pub fn explained(path: Option<&str>) -> Result<Vec<Explained>, ExplainError> {
    let mut all: Vec<(String, &Key)> = Vec::new();
    language::AGENT.visit("", &mut |parent, key| {
        all.push((if parent.is_empty() { key.name.to_owned() } else { format!("{parent}.{}", key.name) }, key));
    });
    let Some(path) = path else { return Ok(all.iter().map(|(path, key)| about(path, key, &all)).collect()) };
    let named = |known: &&(String, &Key)| known.0 == path || (!path.contains('.') && known.0 == key_name(path));
    match all.iter().find(named) {
        Some((path, key)) => Ok(vec![about(path, key, &all)]),
        None => Err(unknown(path, &all)),
    }
}

fn about(path: &str, key: &Key, all: &[(String, &Key)]) -> Explained {
    let below = all.iter().filter_map(|(other, _)| other.strip_prefix(path)?.strip_prefix('.'));
    Explained {
        key: path.to_owned(),
        may_be: may_be(&key.shape),
        meaning: key.summary,
        default: key.default,
        change: key.effect.as_str(),
        example: key.example,
        also: key.alias,
        keys: below.filter(|rest| !rest.contains('.')).map(str::to_owned).collect(),
    }
}

/// Like [`explained`], as text; without a path, only top-level keys. Ends with a line feed.
///
/// # Errors
/// If the key does not exist.
pub fn explain(path: Option<&str>) -> Result<String, ExplainError> {
    let found = explained(path)?;
    if path.is_none() {
        let top = found.iter().filter(|it| !it.key.contains('.'));
        let width = top.clone().map(|it| it.key.len()).max().unwrap_or(0);
        let line = |it: &Explained| format!("{:width$}  {}\n", it.key, it.meaning);
        return Ok(top.map(line).collect::<Vec<_>>().concat());
    }
    Ok(found.iter().map(Explained::text).collect())
}

impl Explained {
    fn text(&self) -> String {
        let name = self.key.rsplit('.').next().unwrap_or_default();
        let mut text = format!(
            "{}: {}\n\n  {}\n\n  default  {}\n  change   {}\n  example  {name}: {}\n",
            self.key, self.may_be, self.meaning, self.default, self.change, self.example,
        );
        if !self.also.is_empty() {
            text.push_str(&format!("  aliases  {}\n", self.also.join(", ")));
        }
        if !self.keys.is_empty() {
            text.push_str(&format!("  keys     {}\n", self.keys.join(", ")));
        }
        text
    }
}

fn key_name(path: &str) -> &str {
    language::name_of(path)
}

fn unknown(path: &str, all: &[(String, &Key)]) -> ExplainError {
    let key = path.to_owned();
    if let Some(known) = foreign_key(path) {
        return ExplainError { key, hint: format!("{}: {}", known.reason, known.hint) };
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let same = all.iter().map(|(path, _)| path.as_str()).find(|known| known.rsplit('.').next() == Some(last));
    let like = same.or_else(|| suggest(path, all.iter().map(|(path, _)| path.as_str())));
    let hint =
        like.map_or_else(|| "`moat explain` lists all keys".to_owned(), |name| format!("did you mean `{name}`?"));
    ExplainError { key, hint }
}

/// The type of a value.
fn may_be(shape: &Shape) -> String {
    match shape {
        Shape::List { item, .. } => format!("list of {}", plural(item)),
        Shape::Map { value, .. } => format!("mapping of names to {}", plural(value)),
        Shape::Either(shapes) => shapes.iter().map(may_be).collect::<Vec<_>>().join(", or "),
        Shape::Text(_) | Shape::Line(_) => "string".to_owned(),
        Shape::Scalar(_) => "single value".to_owned(),
        Shape::Keys(_) => "mapping".to_owned(),
        Shape::Bool | Shape::Choice(_) => shape.expected(),
    }
}

fn plural(shape: &Shape) -> String {
    match shape {
        Shape::Either(shapes) => shapes.iter().map(plural).collect::<Vec<_>>().join(" or "),
        Shape::List { item, .. } => format!("lists of {}", plural(item)),
        Shape::Map { value, .. } => format!("mappings of names to {}", plural(value)),
        Shape::Bool | Shape::Choice(_) => shape.expected(),
        other => format!("{}s", may_be(other)),
    }
}
