//! Keys of other tools' files that moat does not support: keys that users rely on are refused, keys that only tune are
//! ignored with a warning.

/// A key that moat does not support, by its path, with the reason.
#[derive(Debug, Clone, Copy)]
pub struct ForeignKey {
    pub path: &'static str,
    pub handling: Handling,
    pub reason: &'static str,
    pub hint: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Ignoring it would break a promise that users rely on.
    Refused,
    /// Ignoring it makes nothing less safe.
    Ignored,
}

const fn refused(path: &'static str, reason: &'static str, hint: &'static str) -> ForeignKey {
    ForeignKey { path, handling: Handling::Refused, reason, hint }
}

const fn ignored(path: &'static str, reason: &'static str) -> ForeignKey {
    ForeignKey { path, handling: Handling::Ignored, reason, hint: "remove it, or leave it for the tool that reads it" }
}

const NO_AGENT: &str = "no key configures a single agent";
const AGENT: &str = "add the agent to `dependencies`, as `moat deps` lists it, and its credential to `grants`";
const COMMAND: &str = "set `command`, and pass what it needs under `env`, `secrets` and `mounts`";
const CLAUDE: &str = "add `claude-code` to `dependencies`, and its credential to `grants`; plugins belong in \
                      `.claude/settings.json` in the workspace, MCP servers in `.mcp.json`";
const ONE: &str = "a spec describes one sandbox on one Docker host";
const NETWORK: &str = "a sandbox has exactly one network, its own";
const NAMESPACES: &str = "moat does not share namespaces with the Docker host";
const BY_NAME: &str = "services are reached by their names";

/// All foreign keys.
pub static FOREIGN_KEYS: &[ForeignKey] = &[
    refused("sandbox", "other keys select the isolation", "set `isolation`, or `container.runtime` for gVisor"),
    refused(
        "mcp",
        "moat does not run or relay MCP servers",
        "name them in the agent's own settings, such as `.mcp.json` in the workspace; a remote one needs a rule in \
         `network.rules`, and a grant with its `host` for its credential",
    ),
    refused(
        "network.keep_policy",
        "the gateway does not read the bodies of requests",
        "limit their methods and paths: `- HOST: [allow GET /**]` under `network.rules`",
    ),
    refused(
        "network.deny",
        "rules only allow",
        "with `network.policy: strict`, everything is denied that no rule in `network.rules` allows",
    ),
    refused("claude", NO_AGENT, CLAUDE),
    refused("codex", NO_AGENT, AGENT),
    refused("gemini", NO_AGENT, AGENT),
    refused("opencode", NO_AGENT, AGENT),
    refused("cursor", NO_AGENT, COMMAND),
    refused("copilot", NO_AGENT, COMMAND),
    refused("aider", NO_AGENT, AGENT),
    refused("goose", NO_AGENT, COMMAND),
    refused("deploy", ONE, "set limits under `container`: `memory`, `cpus` and `pids`"),
    refused("logging", "each container has its own log driver", "set it under `container.logging`"),
    refused(
        "build.ssh",
        "builds have no access to an SSH agent",
        "pass a key for this purpose only under `build.secrets`",
    ),
    refused(
        "build.additional_contexts",
        "the engine's API takes one context",
        "choose a `build.context` that contains all files, and exclude the others in `.dockerignore`",
    ),
    refused("build.dockerfile_inline", "moat reads a file", "write it into a file, and name it in `build.dockerfile`"),
    refused("build.privileged", "build steps get no extra rights", "remove it"),
    refused("networks", NETWORK, "configure it under `network`; services are reached by their names"),
    refused("network_mode", NETWORK, "`network.internal: true` blocks all outside traffic"),
    refused("links", NETWORK, BY_NAME),
    refused("expose", NETWORK, "containers on it reach every port; `ports` publishes one on the Docker host"),
    refused("privileged", "only `docker:dind` runs privileged", "grant single rights with `cap_add` or `devices`"),
    refused("security_opt", "moat chooses the security profiles", "grant single rights with `cap_add`"),
    refused("userns_mode", NAMESPACES, "set `isolation`, or `user` to run as another user"),
    refused("pid", NAMESPACES, "remove it"),
    refused("ipc", NAMESPACES, "`container.shm` sets the size of `/dev/shm`"),
    refused("sysctls", "moat does not set kernel parameters", "set them on the Docker host"),
    refused("group_add", "moat does not add groups", "write `user: USER:GROUP`"),
    refused("container_name", "moat names containers after the agent", "set `agent`; `moat list` shows the names"),
    refused("profiles", ONE, "write one file per variant, each with `extends` for the common part"),
    refused("configs", "moat supports only files", "mount a file under `mounts`"),
    refused("stop_signal", "moat sends the stop signal of the image", "set `STOPSIGNAL` in the image"),
    refused("pull_policy", "an image is pulled when it is missing", "`moat apply --pull` looks for newer ones"),
    refused(
        "services.build",
        "moat builds only the main container's image",
        "build the image yourself, and name it in `image`",
    ),
    refused(
        "services.models",
        "moat loads no models",
        "let a command of the sandbox load them; a volume of the service keeps them",
    ),
    refused("services.networks", NETWORK, BY_NAME),
    refused("services.privileged", "services run without extra rights", "remove it"),
    refused("services.restart", "services always restart", "remove it"),
    refused("services.container_name", "moat names containers after the agent", BY_NAME),
    refused("services.env_file", "services take variables only from `env`", "write `NAME: '${NAME}'` under `env`"),
    refused("services.mounts", "services can only have volumes", "mount the path in the main container"),
    ignored("runtime", "moat uses the Docker engine that it finds"),
    ignored("snapshots", "moat keeps no versions of the workspace"),
    ignored("tracing", "moat does not trace programs in the sandbox"),
    ignored("clipboard", "moat does not share the clipboard"),
    ignored("language_servers", "a language server is a dependency such as `gopls` or `pyright`"),
];

/// The foreign key at a path.
pub fn foreign_key(path: &str) -> Option<&'static ForeignKey> {
    // The keys of a service do not depend on its name.
    let of_service = path.strip_prefix("services.").and_then(|rest| rest.split_once('.'));
    let path = of_service.map_or_else(|| path.to_owned(), |(_, key)| format!("services.{key}"));
    FOREIGN_KEYS.iter().find(|it| it.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_foreign_key_is_a_key_of_the_language() {
        super::super::AGENT.visit("", &mut |path, key| {
            let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            assert!(foreign_key(&path).is_none(), "{path}");
        });
    }
}
