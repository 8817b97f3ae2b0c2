//! Keys of other tools' files that moat does not have: what would be a false promise is refused, what only tunes is
//! ignored with a warning.

/// A key that is not moat's, by its path, and why.
#[derive(Debug, Clone, Copy)]
pub struct Elsewhere {
    pub path: &'static str,
    pub standing: Standing,
    pub reason: &'static str,
    pub hint: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody would rely on it.
    Refused,
    /// Without it all is as safe as before.
    Ignored,
}

const fn refused(path: &'static str, reason: &'static str, hint: &'static str) -> Elsewhere {
    Elsewhere { path, standing: Standing::Refused, reason, hint }
}

const fn ignored(path: &'static str, reason: &'static str) -> Elsewhere {
    Elsewhere { path, standing: Standing::Ignored, reason, hint: "remove it, or leave it for the tool that reads it" }
}

const NO_AGENT: &str = "moat knows no agent by name, and sets up none";
const COMMAND: &str = "write what it runs under `command`, and what it needs under `env`, `secrets` and `mounts`";
const INTERNAL: &str = "`network.internal: true` keeps everything in; anything finer needs a proxy of your own";

/// All of them.
pub static ELSEWHERE: &[Elsewhere] = &[
    refused("grants", "moat gives out no identities and keeps no credentials", "pass what is needed under `secrets`"),
    refused("sandbox", "moat has no isolation besides the engine's own", "choose the engine's runtime on the engine"),
    refused("mcp", "moat runs no servers for tools and lets nobody in to them", "run it as a part of `command`"),
    refused("network.policy", "moat does not filter what leaves the network", INTERNAL),
    refused("network.rules", "moat does not filter what leaves the network", INTERNAL),
    refused("network.allow", "moat does not filter what leaves the network", INTERNAL),
    refused("network.deny", "moat does not filter what leaves the network", INTERNAL),
    refused("claude", NO_AGENT, COMMAND),
    refused("codex", NO_AGENT, COMMAND),
    refused("gemini", NO_AGENT, COMMAND),
    refused("opencode", NO_AGENT, COMMAND),
    refused("cursor", NO_AGENT, COMMAND),
    refused("copilot", NO_AGENT, COMMAND),
    refused("aider", NO_AGENT, COMMAND),
    refused("goose", NO_AGENT, COMMAND),
    ignored("runtime", "moat speaks with the docker engine that it finds"),
    ignored("snapshots", "moat keeps no versions of the workspace"),
    ignored("tracing", "moat watches no programs in the sandbox"),
    ignored("clipboard", "moat shares no clipboard"),
    ignored("language_servers", "moat installs nothing that only an agent's program knows"),
];

/// What is known of a key that is not in the language.
pub fn elsewhere(path: &str) -> Option<&'static Elsewhere> {
    ELSEWHERE.iter().find(|it| it.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../specs/agent.md");

    #[test]
    fn the_page_names_them_all() {
        for Elsewhere { path, reason, .. } in ELSEWHERE {
            assert!(PAGE.contains(&format!("`{path}`")), "specs/agent.md must name `{path}`: {reason}");
        }
    }

    #[test]
    fn none_is_a_key_of_the_language() {
        super::super::AGENT.visit("", &mut |path, key| {
            let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            assert!(elsewhere(&path).is_none(), "{path}");
        });
    }
}
