//! What a change of a line means: the short list of harmless changes. Whatever is not on it is asked about.

/// What is harmless about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every change: it takes effect inside of the sandbox only.
    Any,
    /// Its removal: it gives something.
    Removal,
    /// Its removal, and access to the same source that becomes read only.
    Access,
    /// A lower number, or a number where there was none.
    Lower,
    /// Its coming: it takes something away.
    Coming,
    /// Nothing.
    Nothing,
}

/// By the first word of a key; of a service and of the builder by the word after their names.
const RULES: &[(&str, Rule)] = &[
    ("version", Rule::Any),
    ("command", Rule::Any),
    ("entrypoint", Rule::Any),
    ("workdir", Rule::Any),
    ("restart", Rule::Any),
    ("healthcheck", Rule::Any),
    ("wait", Rule::Any),
    ("wait.timeout", Rule::Any),
    ("env", Rule::Any),
    ("label", Rule::Any),
    ("variable", Rule::Removal),
    ("secret", Rule::Removal),
    ("dependency", Rule::Removal),
    ("capability", Rule::Removal),
    ("port", Rule::Removal),
    ("host", Rule::Removal),
    ("hook", Rule::Removal),
    ("reads", Rule::Removal),
    ("leads", Rule::Removal),
    ("git", Rule::Removal),
    ("network.outside", Rule::Removal),
    ("build.content", Rule::Removal),
    ("mount", Rule::Access),
    ("limit", Rule::Lower),
    ("cap_add", Rule::Removal),
    ("device", Rule::Removal),
    ("gpus", Rule::Removal),
    ("depends_on", Rule::Any),
    ("hidden", Rule::Coming),
    ("cap_drop", Rule::Coming),
    ("read_only", Rule::Coming),
];

pub(super) fn of(key: &str) -> Rule {
    let mut words = key.split(' ');
    let first = words.next().unwrap_or_default();
    let word = match first {
        // `service NAME image`: without the service there is no image.
        "service" => match words.nth(1).unwrap_or_default() {
            "image" => return Rule::Removal,
            word => word,
        },
        "buildkit" => words.next().unwrap_or_default(),
        word => word,
    };
    RULES.iter().find(|(known, _)| *known == word).map_or(Rule::Nothing, |(_, rule)| *rule)
}
