//! `agent.yaml` as meant: values that cannot be wrong any more.
//!
//! The language itself, key by key, is in [`language`](super::language). Whether dependencies exist, and whether
//! the parts fit together, is for the compiler to say.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};

use super::check::check;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::language;
use super::scan::scan;
use super::source::{Located, Source, Span};
use super::syntax;
use super::tree::Places;
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

/// The syntax, then every value against the language, then the types. The last step finds nothing new
/// unless the two readers of YAML disagree, and then its word counts.
fn read(text: &str) -> Result<(File, Places), Vec<Diagnostic>> {
    let (root, mut faults) = scan(text);
    let Some(root) = root else { return Err(faults) };
    faults.extend(check(text, &root, &language::AGENT));
    if !faults.is_empty() {
        return Err(faults);
    }
    match serde_yaml::from_str(text) {
        Ok(file) => Ok((file, Places::of(&root))),
        Err(error) => Err(vec![disagreement(text, &error)]),
    }
}

fn disagreement(text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let at = error.location().map_or(0, |location| offset_of(text, location.line(), location.column()));
    Diagnostic::error(syntax::one_character(text, at), format!("not understood: {error}"))
        .hint("write the value in another way, such as in quotes")
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
