//! A note for a coding agent: what it can reach from its sandbox, as the spec says. Names only, no value of a secret.

use std::collections::BTreeSet;

use moat_model::resource::MountSource;
use moat_policy::{Mode, Policy};

use super::{Capabilities, Capability, Spec};

/// The first line of a note, by which moat knows its own.
pub const NOTE_MARK: &str = "<!-- moat writes this file at each start of the agent. -->";

/// The note for the agent of a spec, in Markdown.
pub fn note(spec: &Spec, capabilities: &Capabilities) -> String {
    let chosen = capabilities.closure(&spec.dependencies, spec.isolation);
    let mut text = format!(
        "{NOTE_MARK}\n# Your sandbox\n\n\
         You work in a container that moat made for you. Its limits are outside of it: nothing that you do in it changes \
         them, and within them you need no permission. Do not look for a way around them. If the task needs more, say what \
         is missing; the user can add it to `agent.yaml`.\n"
    );
    section(&mut text, "Files", files(spec, &chosen));
    section(&mut text, "Network", network(spec));
    section(&mut text, "Services", services(spec, &chosen));
    section(&mut text, "Credentials", credentials(spec));
    text
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        text.push_str(&format!("\n## {title}\n\n"));
        text.extend(lines.into_iter().map(|line| format!("- {line}\n")));
    }
}

fn files(spec: &Spec, chosen: &[Capability]) -> Vec<String> {
    let mut lines = Vec::new();
    let access = |read_only| if read_only { "read only" } else { "read and write" };
    for (i, mount) in spec.mounts.iter().enumerate() {
        let MountSource::Path(path) = &mount.source else { continue };
        let is_workspace = i == 0 && spec.workspace().is_some();
        let what = if is_workspace { "the user's folder, to work on" } else { "from the user's machine" };
        lines.push(format!("`{}`: {what}: `{path}` ({})", mount.target, access(mount.read_only)));
    }
    let own = spec.volumes.iter().map(|it| it.target.as_str());
    let brought = chosen.iter().flat_map(|it| &it.main.volumes).filter(|it| !it.scratch).map(|it| it.target.as_str());
    let kept: BTreeSet<&str> = own.chain(brought).collect();
    let kept = kept.into_iter().map(|target| format!("`{target}`")).collect::<Vec<_>>().join(", ");
    if !kept.is_empty() {
        lines.push(format!("{kept}: volumes, kept when the container is replaced"));
    }
    lines.push("everything else is lost when the container is replaced".to_owned());
    lines
}

fn network(spec: &Spec) -> Vec<String> {
    let Some(policy) = &spec.network.egress else {
        let reach = if spec.network.internal { "no host outside can be reached" } else { "every host can be reached" };
        return vec![reach.to_owned()];
    };
    let mut lines = match policy.mode() {
        Mode::Learn => vec!["every public host can be reached on ports 80 and 443, and is recorded".to_owned()],
        Mode::Strict => reachable(policy),
    };
    lines.extend(
        policy.host_ports().iter().map(|port| format!("`host.docker.internal:{port}`: a port of the user's machine")),
    );
    if policy.mode() == Mode::Strict {
        lines.push(
            "all else is refused: names are not found, and HTTP answers 403; `moat net denied`, run by the user, lists it"
                .to_owned(),
        );
    }
    lines
}

fn reachable(policy: &Policy) -> Vec<String> {
    let line = |entry: &moat_policy::Entry| {
        // A preset stands for several hosts.
        let hosts: Vec<String> = entry.hosts.iter().map(|host| format!("`{host}`")).collect();
        match entry.rule.strip_prefix('@') {
            Some(preset) => format!("{preset}: {}", hosts.join(", ")),
            None if entry.requests.is_empty() => format!("`{}`", entry.rule),
            None => format!("{}: only some requests: `{}`", hosts.join(", "), entry.rule),
        }
    };
    policy.entries().iter().map(line).collect()
}

fn services(spec: &Spec, chosen: &[Capability]) -> Vec<String> {
    let mut lines = Vec::new();
    for it in chosen.iter().filter(|it| !it.sidecars.is_empty() || it.main.privileged || !it.main.mounts.is_empty()) {
        let variables: Vec<String> =
            it.main.env.keys().chain(it.main.secrets.keys()).map(|name| format!("`{name}`")).collect();
        lines.push(format!("`{}`: {}; variables: {}", it.capability, it.summary, variables.join(", ")));
    }
    for (name, service) in &spec.services {
        lines.push(format!("`{name}`: a container of the image `{}`, reached by this name", service.image));
    }
    lines
}

fn credentials(spec: &Spec) -> Vec<String> {
    let mut lines = Vec::new();
    for it in &spec.grants {
        let hosts: BTreeSet<String> = it.grant.hosts.iter().map(|host| format!("`{}`", host.host.hosts)).collect();
        let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
        let variables: Vec<String> = it.variables.iter().map(|name| format!("`{name}`")).collect();
        let has = if variables.is_empty() {
            format!("programs send `{}`", it.grant.placeholder)
        } else {
            format!("{} has a placeholder", variables.join(" and "))
        };
        lines.push(format!("`{}`: {has}, and the gateway puts the credential into requests to {hosts}", it.grant.name));
    }
    if !lines.is_empty() {
        lines.push("a placeholder is worth nothing elsewhere; the credentials are not in the sandbox".to_owned());
    }
    if !spec.secrets.is_empty() {
        let names: Vec<String> = spec.secrets.keys().map(|name| format!("`{name}`")).collect();
        lines.push(format!("{}: values for your programs; do not print them", names.join(", ")));
    }
    lines
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{Source, agent};

    fn is(spec: &str, expected: &Expect) {
        let source = Source::new("agent.yaml", "/p/agent.yaml", format!("agent: a\n{spec}"));
        let spec = agent::parse(source).unwrap_or_else(|faults| panic!("{spec}\n{faults}"));
        let text = note(&spec, &Capabilities::builtin());
        let (_, sections) = text.split_once("\n## ").expect("sections");
        expected.assert_eq(sections);
    }

    #[test]
    fn it_says_what_the_sandbox_has() {
        is(
            "dependencies: [claude-code, postgres, docker:dind]\nworkspace: .\nvolumes: ['cache:/cache']\n\
             mounts: ['/d:/d:ro']\nservices: {web: {image: nginx}}\n\
             secrets: {TOKEN: 'env://TOKEN'}\n\
             network:\n  policy: strict\n  host: [8080]\n  rules: ['@anthropic', a.example, {b.example: ['allow GET /x/**']}]\n\
             grants: [anthropic, {mine: {host: c.example, source: 'cmd://echo hunter2'}}]\n",
            &expect![[r#"
                Files

                - `/workspace`: the user's folder, to work on: `/p` (read and write)
                - `/d`: from the user's machine: `/d` (read only)
                - `/cache`, `/home/agent/.claude`: volumes, kept when the container is replaced
                - everything else is lost when the container is replaced

                ## Network

                - anthropic: `**.anthropic.com`, `**.claude.ai`, `**.claude.com`
                - `a.example`
                - `b.example`: only some requests: `b.example: allow GET /x/**`
                - `host.docker.internal:8080`: a port of the user's machine
                - all else is refused: names are not found, and HTTP answers 403; `moat net denied`, run by the user, lists it

                ## Services

                - `postgres`: a PostgreSQL database, reached by `MOAT_POSTGRES_URL`; variables: `MOAT_POSTGRES_DATABASE`, `MOAT_POSTGRES_HOST`, `MOAT_POSTGRES_PORT`, `MOAT_POSTGRES_USER`, `MOAT_POSTGRES_PASSWORD`, `MOAT_POSTGRES_URL`
                - `docker:dind`: the agent's own Docker daemon, with builds on a BuildKit sidecar; variables: `BUILDKIT_HOST`, `BUILDX_BUILDER`, `DOCKER_HOST`
                - `web`: a container of the image `nginx`, reached by this name

                ## Credentials

                - `anthropic`: `ANTHROPIC_API_KEY` has a placeholder, and the gateway puts the credential into requests to `api.anthropic.com`
                - `mine`: programs send `moat-placeholder-mine`, and the gateway puts the credential into requests to `c.example`
                - a placeholder is worth nothing elsewhere; the credentials are not in the sandbox
                - `TOKEN`: values for your programs; do not print them
            "#]],
        );
    }

    #[test]
    fn a_network_without_rules_is_named() {
        is(
            "image: b\n",
            &expect![[r#"
            Files

            - everything else is lost when the container is replaced

            ## Network

            - every host can be reached
        "#]],
        );
        is(
            "image: b\nnetwork: {internal: true}\n",
            &expect![[r#"
            Files

            - everything else is lost when the container is replaced

            ## Network

            - no host outside can be reached
        "#]],
        );
        is(
            "image: b\nnetwork: {policy: learn}\n",
            &expect![[r#"
            Files

            - everything else is lost when the container is replaced

            ## Network

            - every public host can be reached on ports 80 and 443, and is recorded
        "#]],
        );
        is(
            "image: b\nnetwork: {policy: strict}\n",
            &expect![[r#"
            Files

            - everything else is lost when the container is replaced

            ## Network

            - all else is refused: names are not found, and HTTP answers 403; `moat net denied`, run by the user, lists it
        "#]],
        );
    }
}
