//! The list of harmless changes. Any other change needs approval.

/// The harmless changes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every change: it has an effect only inside the sandbox.
    Any,
    /// Its removal: the line grants something.
    Removal,
    /// Its removal, and a change to read-only access of the same source.
    Access,
    /// A lower number, or a number where none was set.
    Lower,
    /// Its addition: the line restricts something.
    Addition,
    /// A stronger isolation.
    Stronger,
    /// Its addition, if it is known to be stronger than the engine's default.
    Sandbox,
    /// No change.
    Nothing,
}

/// By the first word of a key; for services and the builder, by the word after their name.
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
    ("build.secret", Rule::Removal),
    ("grant.source", Rule::Removal),
    ("dependency", Rule::Removal),
    ("capability", Rule::Removal),
    ("port", Rule::Removal),
    ("host", Rule::Removal),
    ("hook", Rule::Removal),
    ("reads", Rule::Removal),
    ("leads", Rule::Removal),
    ("git", Rule::Removal),
    ("registry", Rule::Removal),
    ("network.outside", Rule::Removal),
    ("network.roots", Rule::Removal),
    ("network.gateway_image", Rule::Removal),
    ("build.content", Rule::Removal),
    ("mount", Rule::Access),
    ("limit", Rule::Lower),
    ("cap_add", Rule::Removal),
    ("device", Rule::Removal),
    ("gpus", Rule::Removal),
    ("depends_on", Rule::Any),
    ("hidden", Rule::Addition),
    ("cap_drop", Rule::Addition),
    ("read_only", Rule::Addition),
    ("isolation", Rule::Stronger),
    ("runtime", Rule::Sandbox),
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
