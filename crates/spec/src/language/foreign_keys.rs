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
const ONE: &str = "a file is one sandbox, on one Docker host";
const NETWORK: &str = "all of a sandbox is on one network of its own";
const NAMESPACES: &str = "moat shares no namespaces with the Docker host";
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
    refused("deploy", ONE, "limits are under `container`: `memory`, `cpus` and `pids`"),
    refused("platform", "moat takes the image for the Docker host's own platform", "remove it"),
    refused(
        "logging",
        "the engine's log driver is used, so that `moat logs` can read it",
        "configure it on the engine",
    ),
    refused("networks", NETWORK, "settings of it are under `network`; a service is found by its name"),
    refused("network_mode", NETWORK, "`network.internal: true` keeps everything in"),
    refused("links", NETWORK, "a service is found by its name"),
    refused("expose", NETWORK, "what is on it reaches every port; `ports` publishes one on the Docker host"),
    refused("privileged", "only `docker:dind` has every right", "give single ones with `cap_add` or `devices`"),
    refused("security_opt", "moat changes nothing of the engine's confinement", "give single rights with `cap_add`"),
    refused("userns_mode", NAMESPACES, "set `user` to run as somebody else"),
    refused("pid", NAMESPACES, "remove it"),
    refused("ipc", NAMESPACES, "`container.shm` sets the size of `/dev/shm`"),
    refused("sysctls", "moat sets no variables of the kernel", "set them on the Docker host"),
    refused("group_add", "moat adds no groups", "write `user: USER:GROUP`"),
    refused("container_name", "moat names containers after the agent", "`agent` is the name; `moat list` shows it"),
    refused("profiles", ONE, "write a file for each variant, which `extends` a common one"),
    refused("configs", "moat knows files only", "mount a file under `mounts`"),
    refused("stop_signal", "moat sends what the image asks for", "set `STOPSIGNAL` in the image"),
    refused("pull_policy", "an image is pulled when it is not there", "`moat apply --pull` looks for newer ones"),
    refused(
        "services.build",
        "moat builds the main container's image only",
        "build it yourself, and name it as `image`",
    ),
    refused("services.networks", NETWORK, "a service is found by its name"),
    refused("services.privileged", "a service has no rights beyond those of every container", "remove it"),
    refused("services.restart", "a service is started again whenever it ends", "remove it"),
    refused("services.container_name", "moat names containers after the agent", "it is found as the service is called"),
    refused("services.env_file", "a service takes its variables from `env`", "write `NAME: '${NAME}'` under `env`"),
    refused("services.mounts", "a service has volumes of its own only", "write the main container's under `mounts`"),
    ignored("runtime", "moat speaks with the docker engine that it finds"),
    ignored("snapshots", "moat keeps no versions of the workspace"),
    ignored("tracing", "moat watches no programs in the sandbox"),
    ignored("clipboard", "moat shares no clipboard"),
    ignored("language_servers", "moat installs nothing that only an agent's program knows"),
];

/// What is known of a key that is not in the language.
pub fn elsewhere(path: &str) -> Option<&'static Elsewhere> {
    // What a service is called says nothing of its keys.
    let of_service = path.strip_prefix("services.").and_then(|rest| rest.split_once('.'));
    let path = of_service.map_or_else(|| path.to_owned(), |(_, key)| format!("services.{key}"));
    ELSEWHERE.iter().find(|it| it.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/reference/agent.md");

    #[test]
    fn the_page_names_them_all() {
        for Elsewhere { path, reason, .. } in ELSEWHERE {
            assert!(PAGE.contains(&format!("`{path}`")), "docs/reference/agent.md must name `{path}`: {reason}");
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
