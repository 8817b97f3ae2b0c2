//! The spec that `moat init` writes: small, valid, and with common additions in comments.

use moat_policy::{Rule, preset};

use super::Capabilities;
use super::scan::scan;
use super::tree::{Content, Scalar};
use moat_model::resource::AgentName;

/// The network policy of a first spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstPolicy {
    /// With the presets of the dependencies.
    Strict,
    /// Where moat cannot provide a gateway.
    Open,
}

/// The dependency of a spec without an image.
const DEPENDENCY: &str = "docker:dind";

const ISOLATED: &str = "\
# Root in the sandbox has no rights on the host. `moat plan` shows how this engine does it.
isolation: auto
";

const PRIVILEGED: &str = "\
# Root in the sandbox is root on the host. With this line it is not; then the folder to work on must not be root's, or has
# to be a volume. See `moat explain isolation`.
# isolation: auto
";

/// A commented spec for an agent in `image`, or with its own Docker daemon.
///
/// `is_user`: the folder to work on belongs to a user other than root, as `isolation: rootless` needs it.
pub fn template(agent: &AgentName, image: Option<&str>, policy: FirstPolicy, is_user: bool) -> String {
    let capability = Capabilities::builtin().resolve(DEPENDENCY).ok().filter(|_| image.is_none());
    let network = network(&capability.map_or_else(Vec::new, |it| it.presets), policy);
    let (image, docker) = if let Some(image) = image {
        (format!("image: {}\n", text(image)), format!("# dependencies:\n#   - {DEPENDENCY}\n"))
    } else {
        let image = format!("# image: docker:dind\n\n{}", if is_user { ISOLATED } else { PRIVILEGED });
        (image, format!("dependencies:\n  - {DEPENDENCY}\n"))
    };
    let agent = text(agent.as_str());
    format!(
        "\
# The sandbox of this agent. `moat apply` creates or updates it, `moat plan` shows the changes first.
# `moat explain` lists all keys, `moat explain KEY` describes one.
agent: {agent}

# The image of the sandbox.
{image}
# Its own Docker daemon, with builds on a BuildKit sidecar.
{docker}
# The folder to work on, mounted in the sandbox as /workspace.
workspace: .

{network}
# The command to run. Without one, the sandbox is idle and waits for `moat exec -- …`.
# command: npm run dev

# env:
#   PORT: 3000
# secrets:
#   TOKEN: env://TOKEN
# ports:
#   web: 3000
# container:
#   memory: 4g
#   cpus: 2
"
    )
}

/// The network, with the presets of dependencies.
pub(super) fn network(presets: &[Rule], policy: FirstPolicy) -> String {
    if policy == FirstPolicy::Open {
        return "\
# What the sandbox can reach: everything. `strict` limits it to rules; moat on Linux is needed for that, or `MOAT_HELPER`.
network:
  policy: open
"
        .to_owned();
    }
    let rules: Vec<String> = presets.iter().map(|rule| format!("    - \"{rule}\"\n")).collect();
    let rules = if rules.is_empty() { "  rules: []\n".to_owned() } else { format!("  rules:\n{}", rules.concat()) };
    let presets: Vec<String> = preset::names().map(|name| format!("@{name}")).collect();
    let presets = presets.join(", ");
    format!(
        "\
# What the sandbox can reach; all else is denied. `moat net denied` shows that, `moat net suggest` gives rules for it.
# A rule is a host, such as \"*.example.com\", or a preset of
# {presets}.
network:
  policy: strict
{rules}"
    )
}

/// Words that YAML 1.1 reads as booleans, as some editors and tools still do.
const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];

/// A name as a YAML string: in quotes if YAML could read it as a number, a date, null or a boolean.
pub(super) fn text(name: &str) -> String {
    let is_itself = scan(&format!("{name}\n"))
        .0
        .first()
        .is_some_and(|node| matches!(&node.content, Content::Scalar(Scalar::Text, read) if read == name));
    // A value that starts with a digit may be a date or a sexagesimal number.
    let is_plain = is_itself
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !WORDS.contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, agent};

    #[test]
    fn ambiguous_names_are_quoted() {
        for name in
            ["123", "1e3", "0x1f", "0o7", "1.5", "1_000", "2026-11-27", "12.30", "true", "null", "yes", "off", "n", "0"]
        {
            assert_eq!(text(name), format!("\"{name}\""));
        }
        for name in ["builder", "debian:13", "a1", "e3", "nullable", "x.y_z-1", "ghcr.io/a/b@sha256:0"] {
            assert_eq!(text(name), name);
        }
    }

    proptest::proptest! {
        #[test]
        fn the_template_is_valid_for_any_folder_name(folder in "\\PC{0,40}|[0-9a-fox._-]{1,8}|[0-9]{4}-[0-9]{2}-[0-9]{2}") {
            let name = crate::slug(&folder).unwrap_or_else(|| "agent".to_owned());
            let name = AgentName::parse(&name).expect("a slug");
            let image = moat_model::resource::ImageRef::parse(&folder).ok().map(|image| image.to_string());
            let source = Source::new("agent.yaml", "/agent.yaml", template(&name, image.as_deref(), FirstPolicy::Strict, true));
            let spec = agent::parse(source).unwrap_or_else(|diagnostics| panic!("{folder:?}: {diagnostics}"));
            proptest::prop_assert_eq!(spec.agent, name);
            proptest::prop_assert_eq!(spec.image.map(|image| image.to_string()), image);
        }
    }

    #[test]
    fn the_template_is_valid_with_and_without_its_comments() {
        let name = AgentName::parse("builder").expect("a name");
        let cases = [(None, FirstPolicy::Strict), (Some("debian:13"), FirstPolicy::Strict), (None, FirstPolicy::Open)];
        for (image, policy) in cases {
            let text = template(&name, image, policy, policy == FirstPolicy::Strict);
            let isolation = text.lines().find(|line| line.contains("isolation: "));
            let expected = if policy == FirstPolicy::Strict { "isolation: auto" } else { "# isolation: auto" };
            assert_eq!(isolation, image.is_none().then_some(expected), "{text}");
            let keys = text.lines().map(|line| match line.strip_prefix("# ") {
                Some(rest) if !rest.ends_with('.') && rest.contains(':') || line.starts_with("#   ") => rest,
                _ => line,
            });
            let all: Vec<&str> = keys.collect();
            for text in [text.clone(), all.join("\n")] {
                let spec = agent::parse(Source::new("agent.yaml", "/agent.yaml", text.clone()));
                let spec = spec.unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"));
                let rules = spec.network.egress.map(|policy| policy.entries().len());
                let expected = usize::from(image.is_none());
                assert_eq!(rules, (policy == FirstPolicy::Strict).then_some(expected), "{text}");
            }
        }
    }
}
