//! Values with a short and a long form: a text or its parts, a command line or its words.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A short form in one text, or its parts.
#[derive(Debug)]
pub(super) enum OneOf<T> {
    Text(String),
    Parts(T),
}

/// A program with its arguments; a text is a shell command line.
#[derive(Debug)]
pub(super) struct Command(pub Vec<String>);

/// Like [`Command`]; empty: none, not even the image's own.
#[derive(Debug)]
pub(super) struct Entrypoint(pub Vec<String>);

/// A command, or a mapping that contains one.
#[derive(Debug)]
pub(super) enum CommandOr<T> {
    Command(Command),
    Parts(T),
}

/// Runs a command line. Required by POSIX, so it exists in every practical image.
const SHELL: [&str; 2] = ["sh", "-c"];

impl Command {
    pub fn of_line(line: &str) -> Self {
        Self(SHELL.iter().copied().chain([line]).map(str::to_owned).collect())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrParts(PhantomData))
    }
}

struct TextOrParts<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrParts<T> {
    type Value = OneOf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one text, or its parts")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOf<T>, E> {
        Ok(OneOf::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOf<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(OneOf::Parts)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<OneOf<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(OneOf::Parts)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OneOf::<Vec<String>>::deserialize(deserializer)? {
            OneOf::Text(line) => Self::of_line(&line),
            OneOf::Parts(words) => Self(words),
        })
    }
}

impl<'de> Deserialize<'de> for Entrypoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OneOf::<Vec<String>>::deserialize(deserializer)? {
            OneOf::Text(line) if line.is_empty() => Self(Vec::new()),
            OneOf::Text(line) => Self(Command::of_line(&line).0),
            OneOf::Parts(words) => Self(words),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for CommandOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandOrParts(PhantomData))
    }
}

struct CommandOrParts<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for CommandOrParts<T> {
    type Value = CommandOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command, or a mapping")
    }

    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<CommandOr<T>, E> {
        Ok(CommandOr::Command(Command::of_line(line)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<CommandOr<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(|words| CommandOr::Command(Command(words)))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<CommandOr<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(CommandOr::Parts)
    }
}
