//! The spec that `moat init` writes: small, right as it is, and with what people add first in comments.

use crate::resource::AgentName;

/// A commented spec for an agent in `image`, or with a Docker of its own.
pub fn template(agent: &AgentName, image: Option<&str>) -> String {
    let (image, docker) = match image {
        Some(image) => (format!("image: {image}\n"), "# dependencies:\n#   - docker:dind\n"),
        None => ("# image: docker:dind\n".to_owned(), "dependencies:\n  - docker:dind\n"),
    };
    format!(
        "\
# What the sandbox of this agent should be. `moat apply` makes it so, `moat plan` shows what that would do.
# `moat explain` lists all keys, `moat explain KEY` says more of one.
agent: {agent}

# What the sandbox is made from.
{image}
# A Docker of its own, with builds on a BuildKit sidecar.
{docker}
# The folder that is worked on, seen in the sandbox as /workspace.
workspace: .

# What it runs; without a command it stays up for `moat exec -- …`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Source, agent};

    #[test]
    fn what_is_written_is_right_as_it_is_and_without_the_signs_of_comments() {
        let name = AgentName::parse("builder").expect("a name");
        for image in [None, Some("debian:13")] {
            let text = template(&name, image);
            let keys = text.lines().map(|line| match line.strip_prefix("# ") {
                Some(rest) if !rest.ends_with('.') && rest.contains(':') || line.starts_with("#   ") => rest,
                _ => line,
            });
            let all: Vec<&str> = keys.collect();
            for text in [text.clone(), all.join("\n")] {
                let spec = agent::parse(Source::new("agent.yaml", "/agent.yaml", text.clone()));
                spec.unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"));
            }
        }
    }
}
