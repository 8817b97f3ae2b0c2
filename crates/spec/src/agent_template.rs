//! The spec that `moat agent` proposes for a folder without one: a coding agent, and what it needs.

use moat_model::resource::AgentName;
use moat_policy::Rule;

use super::capability::AgentPart;
use super::template::{FirstPolicy, network, text};
use super::{Capabilities, Capability, Isolation, Located};

/// A commented spec for a coding agent.
///
/// `grant`: the provider whose credential is on this machine.
pub fn agent_template(
    name: &AgentName,
    capability: &Capability,
    capabilities: &Capabilities,
    policy: FirstPolicy,
    grant: Option<&str>,
) -> String {
    let dependency = &capability.capability;
    let command = capability.agent.as_ref().map_or(dependency, |AgentPart { name, .. }| name);
    let presets = presets(dependency, capabilities);
    let network = network(&presets, policy);
    let grants = grants(capability, policy, grant);
    format!(
        "\
# The sandbox of an agent. `moat {command}` applies this file and starts the agent, `moat plan` shows the changes first.
# `moat explain` lists all keys, `moat explain KEY` describes one.
agent: {name}

dependencies:
  - {dependency}
  # Its own Docker daemon. `isolation: auto` keeps root in it from the host.
  # - docker:dind
# isolation: auto

# The folder to work on, mounted in the sandbox as /workspace.
workspace: .

{network}
{grants}
# container:
#   memory: 8g
#   cpus: 4
",
        name = text(name.as_str()),
    )
}

/// The presets of a dependency and of what it needs, its own first.
fn presets(dependency: &str, capabilities: &Capabilities) -> Vec<Rule> {
    let dependency = Located { value: dependency.to_owned(), span: 0..0 };
    let mut all = Vec::new();
    for preset in capabilities.closure(&[dependency], Isolation::default()).into_iter().flat_map(|it| it.presets) {
        if !all.contains(&preset) {
            all.push(preset);
        }
    }
    all
}

/// The grants: that of a credential that is there, and how to provide another one.
fn grants(capability: &Capability, policy: FirstPolicy, grant: Option<&str>) -> String {
    if capability.grants.is_empty() {
        return String::new();
    }
    let ways: Vec<String> = capability.grants.iter().map(|name| format!("#   {name:<10} {}\n", source(name))).collect();
    let ways = ways.concat();
    let about = "\
# Credentials that never enter the sandbox: the gateway puts them into requests. It has them from this machine:
";
    let chosen = grant.filter(|_| policy == FirstPolicy::Strict);
    let list = match (chosen, policy, capability.grants.first()) {
        (Some(name), ..) => format!("grants:\n  - {name}\n"),
        (None, FirstPolicy::Strict, Some(first)) => {
            format!("# None was found. Set a variable, and then:\n# grants:\n#   - {first}\n")
        }
        (None, ..) => "# They need `network.policy: strict`.\n".to_owned(),
    };
    format!("{about}{ways}{list}")
}

/// Where the value of a grant comes from, in words.
pub fn source(grant: &str) -> String {
    let Ok(provider) = moat_policy::grant::find(grant) else { return String::new() };
    match provider.source.strip_prefix("env://") {
        Some(variable) => format!("the variable {variable}: {}", provider.summary),
        None => format!("{}: {}", provider.source, provider.summary),
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::{Source, agent};

    fn of(dependency: &str, policy: FirstPolicy, grant: Option<&str>) -> String {
        let capabilities = Capabilities::builtin();
        let capability = capabilities.agents_named(dependency).pop().expect("an agent");
        let name = AgentName::parse("app").expect("a name");
        agent_template(&name, &capability, &capabilities, policy, grant)
    }

    #[test]
    fn a_credential_that_is_here_is_granted() {
        expect![[r##"
            # The sandbox of an agent. `moat claude` applies this file and starts the agent, `moat plan` shows the changes first.
            # `moat explain` lists all keys, `moat explain KEY` describes one.
            agent: app

            dependencies:
              - claude-code
              # Its own Docker daemon. `isolation: auto` keeps root in it from the host.
              # - docker:dind
            # isolation: auto

            # The folder to work on, mounted in the sandbox as /workspace.
            workspace: .

            # What the sandbox can reach; all else is denied. `moat net denied` shows that, `moat net suggest` gives rules for it.
            # A rule is a host, such as "*.example.com", or a preset of
            # @alpine, @anthropic, @crates, @debian, @docker-hub, @gemini, @github, @go, @npm, @openai, @opencode, @pypi, @ubuntu.
            network:
              policy: strict
              rules:
                - "@anthropic"
                - "@npm"

            # Credentials that never enter the sandbox: the gateway puts them into requests. It has them from this machine:
            #   claude     the variable CLAUDE_CODE_OAUTH_TOKEN: a subscription of Claude, by an OAuth token
            #   anthropic  the variable ANTHROPIC_API_KEY: the API of Anthropic, by an API key
            grants:
              - anthropic

            # container:
            #   memory: 8g
            #   cpus: 4
        "##]].assert_eq(&of("claude", FirstPolicy::Strict, Some("anthropic")));
    }

    #[test]
    fn without_a_credential_or_a_gateway_nothing_is_granted() {
        for policy in [FirstPolicy::Strict, FirstPolicy::Open] {
            let text = of("claude", policy, None);
            assert!(!text.contains("\ngrants:"), "{text}");
        }
        let text = of("claude", FirstPolicy::Open, Some("anthropic"));
        assert!(!text.contains("\ngrants:") && text.contains("They need"), "{text}");
    }

    /// One package in an exact version, a check of it, a volume for its home with moat's note in it, and a credential.
    #[test]
    fn every_agent_is_complete() {
        let capabilities = Capabilities::builtin();
        let mut names = Vec::new();
        for it in capabilities.agents() {
            let part = it.agent.expect("an agent");
            let packages: Vec<&String> = it.needs.iter().filter(|need| need.contains(':')).collect();
            assert!(
                packages.len() == 1 && capabilities.resolve(packages[0]).is_ok(),
                "{}: {packages:?}",
                it.capability
            );
            let check = it.install.and_then(|install| install.check);
            assert_eq!(check, Some(format!("{} --version", part.name)), "{}", it.capability);
            let note = part.note.expect("a note");
            let is_kept = it.main.volumes.iter().any(|volume| !volume.scratch && note.starts_with(&volume.target));
            assert!(is_kept && note.starts_with("/home/agent/"), "{}: {note}", it.capability);
            assert!(!it.grants.is_empty(), "{}", it.capability);
            names.push(part.name);
        }
        assert_eq!(names, ["aider", "claude", "codex", "gemini", "opencode", "pi"]);
    }

    /// A spec of a proposal is one that can be applied.
    #[test]
    fn every_proposal_compiles() {
        let capabilities = Capabilities::builtin();
        for it in capabilities.agents() {
            for policy in [FirstPolicy::Strict, FirstPolicy::Open] {
                for grant in it.grants.iter().map(|it| Some(it.as_str())).chain([None]) {
                    let text = of(&it.capability, policy, grant);
                    let spec = agent::parse(Source::new("agent.yaml", "/agent.yaml", text.clone()));
                    let spec = spec.unwrap_or_else(|faults| panic!("{text}\n{faults}"));
                    crate::compile::compile(&spec, &capabilities).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
                    let granted: Vec<String> = spec.grants.iter().map(|it| it.grant.name.to_string()).collect();
                    let expected = grant.filter(|_| policy == FirstPolicy::Strict);
                    assert_eq!(granted, expected.into_iter().collect::<Vec<_>>(), "{text}");
                }
            }
        }
    }
}
