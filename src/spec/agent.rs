//! `agent.yaml` as meant: values that cannot be wrong any more.
//!
//! The language itself, key by key, is in [`language`](super::language). Whether dependencies exist, and whether
//! the parts fit together, is for the compiler to say.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor, value::SeqAccessDeserializer};

use super::check::check;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::language;
use super::scan::scan;
use super::source::{Located, Source, Span};
use super::syntax;
use super::tree::{Content, Node, Places, Scalar};
use crate::resource::{AgentName, ImageRef};

/// One agent's sandbox, as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub source: Source,
    /// Where everything was written; for findings that only show later.
    pub places: Places,
    pub agent: AgentName,
    /// `None`: the one that a capability brings.
    pub image: Option<ImageRef>,
    /// Names of capabilities, each once; whether they exist is for the compiler to say.
    pub dependencies: Vec<Located<String>>,
    /// `None`: the sandbox stays up, idle. A string in the file means a shell's command line.
    pub command: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    pub buildkit: BuilderSettings,
}

/// What a spec may say about the sidecar that builds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuilderSettings {
    pub image: Option<ImageRef>,
    #[serde(default)]
    pub cache: CacheRetention,
}

/// Whether the build cache outlives a destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheRetention {
    #[default]
    Keep,
    Discard,
}

/// The file as serde reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    agent: AgentName,
    image: Option<ImageRef>,
    #[serde(default)]
    dependencies: Vec<String>,
    command: Option<Command>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    buildkit: BuilderSettings,
}

/// A program with its arguments.
#[derive(Debug)]
struct Command(Vec<String>);

/// Runs what the user wrote as one line; POSIX has it everywhere, and so does any image that can be worked in.
const SHELL: [&str; 2] = ["sh", "-c"];

/// Reads a spec.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(source: Source) -> Result<Spec, Diagnostics> {
    let source = source.without_byte_order_mark();
    match read(&source.text) {
        Ok((file, places)) => Ok(Spec::new(source, places, file)),
        Err(faults) => Err(Diagnostics::new(&source, faults)),
    }
}

/// The dependencies of a spec with other faults, as far as they can be read: what is wrong with them is to be told
/// together with the rest.
pub fn dependencies(source: &Source) -> Vec<Located<String>> {
    let Some(Node { content: Content::Map(entries), .. }) = scan(&source.text).0 else { return Vec::new() };
    let lists = entries.into_iter().filter(|entry| entry.key == "dependencies").map(|entry| entry.value.content);
    let items = lists.flat_map(|content| if let Content::List(items) = content { items } else { Vec::new() });
    let name = |item: Node| match item.content {
        Content::Scalar(Scalar::Text, value) => Some(Located { value, span: item.span }),
        _ => None,
    };
    items.filter_map(name).collect()
}

/// The syntax, then every value against the language, then the types.
fn read(text: &str) -> Result<(File, Places), Vec<Diagnostic>> {
    let (root, mut faults) = scan(text);
    let Some(root) = root else { return Err(faults) };
    // The reader below is stricter in some corners of YAML; its word counts, and comes with the rest.
    let objection_of_reader = serde_yaml::from_str::<IgnoredAny>(text).err().map(|error| objection(text, &error));
    let is_news = |fault: &Diagnostic| faults.iter().all(|known| known.span.start != fault.span.start);
    let news = objection_of_reader.filter(is_news);
    faults.extend(news);
    faults.extend(check(text, &root, &language::AGENT));
    if !faults.is_empty() {
        return Err(faults);
    }
    // What the language allows, the types can hold: a test asks for every key, and properties for any text.
    serde_yaml::from_str(text).map(|file| (file, Places::of(&root))).map_err(|error| vec![objection(text, &error)])
}

fn objection(text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let at = error.location().map_or(0, |location| offset_of(text, location.line(), location.column()));
    syntax::explain(text, &error.to_string(), at)
}

/// The byte at a line and a column, both from 1, the latter in characters.
fn offset_of(text: &str, line: usize, col: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(col.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

impl Spec {
    fn new(source: Source, places: Places, file: File) -> Self {
        let whole = 0..source.text.len();
        let located = |(i, value)| {
            let span = places.value(&format!("dependencies.{i}")).unwrap_or_else(|| whole.clone());
            Located { value, span }
        };
        let dependencies = file.dependencies.into_iter().enumerate().map(located).collect();
        Self {
            dependencies,
            agent: file.agent,
            image: file.image,
            command: file.command.map(|Command(words)| words),
            env: file.env,
            buildkit: file.buildkit,
            source,
            places,
        }
    }

    /// Where the value at a path such as `buildkit.image` or `dependencies.0` was written; if it was not, the
    /// nearest thing around it that was, and at last the agent's name, which stands for the whole.
    pub fn place(&self, path: &str) -> Span {
        self.places.value(path).or_else(|| self.places.value("agent")).unwrap_or_default()
    }

    /// As [`Spec::place`], but of the key.
    pub fn place_of_key(&self, path: &str) -> Span {
        self.places.key(path).or_else(|| self.places.key("agent")).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LineOrWords;

        impl<'de> Visitor<'de> for LineOrWords {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command line, or a list of a program and its arguments")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Command, E> {
                Ok(Command(SHELL.iter().copied().chain([line]).map(str::to_owned).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Command, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(words)).map(Command)
            }
        }

        deserializer.deserialize_any(LineOrWords)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Shape;
    use super::*;

    /// Values in the shape, on one line each; of several alternatives, every one.
    fn samples(shape: &Shape) -> Vec<String> {
        match shape {
            Shape::Text(_) | Shape::Scalar(_) => vec!["a".to_owned()],
            Shape::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            Shape::List { item, .. } => samples(item).iter().map(|item| format!("[{item}]")).collect(),
            Shape::Map { value, .. } => samples(value).iter().map(|value| format!("{{A: {value}}}")).collect(),
            Shape::Either(shapes) => shapes.iter().flat_map(samples).collect(),
            Shape::Keys(keys) => keys
                .iter()
                .flat_map(|key| samples(&key.shape).into_iter().map(|value| (key.name, value)))
                .map(|(name, value)| format!("{{{name}: {value}}}"))
                .collect(),
        }
    }

    // A key in the language without a field here would be refused in serde's words, after all checks had passed.
    #[test]
    fn whatever_the_language_allows_fits_the_types() {
        let Shape::Keys(keys) = &language::AGENT else { panic!("the language is a mapping") };
        for key in *keys {
            for value in samples(&key.shape) {
                let agent = if key.name == "agent" { "" } else { "agent: a\n" };
                let text = format!("{agent}{}: {value}\n", key.name);
                let source = Source::new("agent.yaml", "/agent.yaml", text.clone());
                parse(source).unwrap_or_else(|diagnostics| panic!("{text}{diagnostics}"));
            }
        }
    }

    #[test]
    fn a_place_that_the_reader_tells_is_counted_as_we_count() {
        let text = "ü: x\nß y: z\n";
        assert_eq!(&text[offset_of(text, 2, 3)..], "y: z\n");
        assert_eq!(offset_of(text, 99, 1), text.len());
        assert_eq!(offset_of(text, 1, 99), text.len());
    }
}
