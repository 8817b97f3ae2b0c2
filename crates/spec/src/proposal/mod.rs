//! The canonical text of a spec: what a user approves, and what later proposals are compared with.
//!
//! A sandbox may be able to write its own spec, so a spec is a proposal. The text has names, paths and sources after
//! substitution, and no values of environment variables. Data only: fetches nothing, and does not decide who may
//! approve. [`widening`] lists what one text requests beyond another.

mod change;
mod lines;
mod network_lines;
mod reach;
mod rule;
mod widening;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use change::Change;
pub use widening::widening;

use super::{Capabilities, Spec};
use moat_model::resource::digest::sha256;
use moat_model::resource::label::Approved;

/// The requests of one agent's spec, by key: `image`, `mount /workspace`, `secret TOKEN`.
///
/// The command of a secret is included as a digest: labels contain the text, and commands may contain tokens.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    lines: BTreeMap<String, String>,
    /// Values to show to users instead; not part of the text.
    shown: BTreeMap<String, String>,
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Proposal {}

/// The key and value of the format version. Texts of another format are not comparable.
const FORMAT: (&str, &str) = ("moat", "1");

impl Proposal {
    /// The proposal of a spec, including the user's own capabilities that it depends on.
    pub fn of(spec: &Spec, capabilities: &Capabilities) -> Self {
        let lines::Lines { all: mut lines, shown, .. } = lines::of_spec(spec);
        for (name, (path, text)) in capabilities.own(&spec.dependencies, spec.isolation) {
            lines.insert(format!("capability {name}"), format!("{} sha256:{}", path.display(), sha256(text)));
        }
        lines.insert(FORMAT.0.to_owned(), FORMAT.1.to_owned());
        Self { lines, shown }
    }

    /// Reads a result of [`Proposal::text`]; `None`: another format.
    pub fn parse(text: &str) -> Option<Self> {
        let lines: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        (lines.get(FORMAT.0).map(String::as_str) == Some(FORMAT.1)).then(|| Self { lines, shown: BTreeMap::new() })
    }

    /// The canonical text: one JSON object, sorted by key.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.lines).unwrap_or_else(|error| unreachable!("text by text serialises: {error}"))
    }

    /// Hexadecimal SHA-256 of the text; the same for every user.
    pub fn digest(&self) -> String {
        sha256(self.text())
    }

    /// The form stored in the labels of created resources.
    pub fn approved(&self) -> Approved {
        Approved { digest: self.digest(), text: self.text(), named: BTreeSet::new() }
    }

    /// The host paths that the sandbox can write.
    pub fn writable(&self) -> Vec<PathBuf> {
        let mounts = self.lines.iter().filter(|(key, _)| key.starts_with(lines::MOUNT));
        mounts.filter_map(|(_, value)| lines::writable_path(value).map(PathBuf::from)).collect()
    }

    /// The mounted host paths.
    pub fn mounted(&self) -> BTreeSet<String> {
        let mounts = self.lines.iter().filter(|(key, _)| key.starts_with(lines::MOUNT));
        mounts.filter_map(|(_, value)| lines::path_of(value)).map(str::to_owned).collect()
    }

    /// The names of its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let prefixes = [lines::SECRET, lines::BUILD_SECRET];
        self.lines.keys().filter_map(move |key| prefixes.iter().find_map(|prefix| key.strip_prefix(prefix)))
    }

    /// The files that it was read from, without the spec itself.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.lines.keys().filter_map(|key| key.strip_prefix(lines::READS)).map(Path::new)
    }

    /// Adds the digest of its build content, if changes of the content need approval.
    pub fn pin_content(&mut self, digest: &str) {
        self.lines.insert(lines::CONTENT.to_owned(), digest.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{FileError, ProgramError};
    use crate::{Environment, Source, agent};

    /// A host with one variable and one file of variables.
    struct Host;

    impl Environment for Host {
        fn variable(&self, name: &str) -> Option<String> {
            ["TOKEN", "DIR"].contains(&name).then(|| "hunter2".to_owned())
        }

        fn read(&self, path: &Path) -> Result<String, FileError> {
            if path == Path::new("/p/a.env") { Ok("A=hunter2\n".to_owned()) } else { Err(FileError::Missing) }
        }

        fn run(&self, _: &str, _: &[&str]) -> Result<String, ProgramError> {
            Err(ProgramError::Missing)
        }
    }

    fn proposal(text: &str) -> Proposal {
        let source = Source::new("agent.yaml", "/p/agent.yaml", format!("agent: a\n{text}"));
        let spec = agent::parse_all(source, &Host).specs.unwrap_or_else(|faults| panic!("{text}\n{faults}"));
        Proposal::of(&spec[0], &Capabilities::builtin())
    }

    /// The changes that need approval when the first text becomes the second.
    fn asks(before: &str, after: &str) -> Vec<String> {
        widening(&proposal(before), &proposal(after)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn text_round_trips_and_has_one_digest() {
        let one = proposal("image: b\nworkspace: .\nports: ['80:80']\n");
        assert_eq!(Proposal::parse(&one.text()), Some(one.clone()));
        assert_eq!(one.digest(), proposal("ports: ['80:80']\nworkspace: {path: .}\nimage: b\n").digest());
        assert_ne!(one.digest(), proposal("image: b\nworkspace: .\nports: ['80:81']\n").digest());
        assert_eq!(one.writable(), [PathBuf::from("/p")]);
        assert_eq!(Proposal::parse(""), None);
        assert_eq!(Proposal::parse(&one.text().replace("\"moat\":\"1\"", "\"moat\":\"9\"")), None);
    }

    #[test]
    fn the_text_contains_no_value_of_the_environment() {
        let text = "image: b\nenv: {KEY: 'x${TOKEN}'}\nenv_file: a.env\nsecrets: {S: 'env://TOKEN'}\n\
                    services: {db: {image: c, env: {P: '${TOKEN}'}}}\n";
        let text = proposal(text).text();
        assert!(!text.contains("hunter2"), "{text}");
        for source in ["x${TOKEN}", "env://TOKEN", "reads /p/a.env", "service db variable P"] {
            assert!(text.contains(source), "{source}: {text}");
        }
        // A path is included after substitution.
        assert!(proposal("image: b\nmounts: ['/srv/${DIR}:/d']\n").text().contains("path /srv/hunter2"));
    }

    #[test]
    fn harmless_changes_need_no_approval() {
        let none: [&str; 0] = [];
        for (before, after) in [
            ("image: b\n", "image: b\ncommand: x\nentrypoint: [y]\nworkdir: /w\nrestart: always\nversion: '2'\n"),
            ("image: b\nenv: {A: '1'}\n", "image: b\nenv: {A: '2', B: '3'}\nlabels: {l: v}\n"),
            ("image: b\nhealthcheck: x\n", "image: b\nhealthcheck: y\n"),
            ("image: b\ncontainer: {memory: 2g}\n", "image: b\ncontainer: {memory: 1g, pids: 10, cpus: 1}\n"),
            ("image: b\nmounts: ['/d:/d']\n", "image: b\nmounts: ['/d:/d:ro']\n"),
            ("image: b\nmounts: ['/d:/d']\nports: ['80:80']\nsecrets: {S: 'env://X'}\n", "image: b\n"),
            ("image: b\nworkspace: .\n", "image: b\nworkspace: {path: ., exclude: [x]}\n"),
            ("image: b\nservices: {db: {image: c, env: {A: '1'}}}\n", "image: b\n"),
            ("image: b\n", "image: b\nisolation: auto\n"),
            ("image: b\n", "image: b\ncontainer: {runtime: runsc}\n"),
            ("image: b\nisolation: auto\n", "image: b\nisolation: mapped\n"),
            ("image: b\nisolation: mapped\n", "image: b\nisolation: rootless\n"),
            ("image: b\nhooks: {pre_run: x}\n", "image: b\nnetwork: {internal: true}\n"),
            ("image: docker:dind\ndependencies: [docker:dind]\n", "image: docker:dind\n"),
        ] {
            assert_eq!(asks(before, after), none, "{before}{after}");
        }
    }

    #[test]
    fn all_other_changes_need_approval() {
        for (before, after, expected) in [
            ("image: b\n", "image: c\n", "image: b -> c"),
            ("image: b\n", "image: b\nuser: root\n", "user: default -> root"),
            ("image: b\nuser: node\n", "image: b\n", "user: node -> default"),
            (
                "image: b\nmounts: ['/d:/d:ro']\n",
                "image: b\nmounts: ['/d:/d']\n",
                "mount /d: path /d (read only) -> path /d (read and write)",
            ),
            (
                "image: b\nmounts: ['/d:/d']\n",
                "image: b\nmounts: ['/e:/d:ro']\n",
                "mount /d: path /d (read and write) -> path /e (read only)",
            ),
            ("image: b\ncontainer: {memory: 1g}\n", "image: b\n", "limit memory: 1073741824 -> default"),
            (
                "image: b\ncontainer: {memory: 1g}\n",
                "image: b\ncontainer: {memory: 2g}\n",
                "limit memory: 1073741824 -> 2147483648",
            ),
            (
                "image: b\nsecrets: {S: 'env://A'}\n",
                "image: b\nsecrets: {S: 'env://B'}\n",
                "secret S: env://A -> env://B",
            ),
            ("image: b\nenv: {A: x}\n", "image: b\nenv: {A: '${TOKEN}'}\n", "variable A: ${TOKEN}"),
            ("image: b\nnetwork: {internal: true}\n", "image: b\n", "network may reach everything"),
            ("image: b\n", "image: b\ncontainer: {runtime: own}\n", "runtime: own"),
            ("image: b\ncontainer: {runtime: runsc}\n", "image: b\n", "runtime removed: runsc"),
            (
                "image: b\ncontainer: {runtime: runsc}\n",
                "image: b\ncontainer: {runtime: kata}\n",
                "runtime: runsc -> kata",
            ),
            ("image: b\nisolation: auto\n", "image: b\n", "isolation removed: auto"),
            ("image: b\nisolation: auto\n", "image: b\nisolation: privileged\n", "isolation removed: auto"),
            ("image: b\nisolation: rootless\n", "image: b\nisolation: auto\n", "isolation: rootless -> auto"),
            ("image: b\nisolation: mapped\n", "image: b\nisolation: auto\n", "isolation: mapped -> auto"),
            ("image: b\n", "image: b\nports: ['127.0.0.1:8080:80']\n", "port 80/tcp on 127.0.0.1:8080"),
            (
                "image: b\nworkspace: {path: ., exclude: [x]}\n",
                "image: b\nworkspace: .\n",
                "hidden /workspace/x removed",
            ),
            ("image: b\n", "image: b\nenv_file: a.env\n", "reads /p/a.env"),
            ("image: b\n", "image: b\nservices: {db: {image: c}}\n", "service db image: c"),
            ("image: docker:dind\n", "image: docker:dind\ndependencies: [docker:dind]\n", "dependency docker:dind"),
        ] {
            assert!(asks(before, after).contains(&expected.to_owned()), "{expected}: {:?}", asks(before, after));
        }
    }

    /// A sandbox could write a file that replaces a built-in capability which only another one needs.
    #[test]
    fn own_capabilities_count_also_where_others_need_them() {
        let digest = |own: &str, dependency: &str| {
            let mut capabilities = Capabilities::builtin();
            capabilities.add(&Source::new("specs/own.yaml", "/p/specs/own.yaml", own)).expect("a capability");
            let text = format!("agent: a\ndependencies: ['{dependency}']\n");
            let spec = agent::parse(Source::new("agent.yaml", "/p/agent.yaml", text)).expect("a spec");
            Proposal::of(&spec, &capabilities).digest()
        };
        let with = |summary: &str, name: &str| {
            let package = if name.ends_with(':') { "package: {names: scoped, numbers: 1}\n" } else { "" };
            format!("capability: \"{name}\"\nsummary: {summary}\n{package}")
        };
        for (own, dependency, is_part) in [
            ("jq", "cli-essentials", true),
            ("jq", "jq", true),
            ("node", "npm:typescript@5.9.3", true),
            ("npm:", "npm:typescript@5.9.3", true),
            ("npm:", "eslint", true),
            ("node", "eslint", true),
            ("jq", "eslint", false),
        ] {
            let (one, other) = (digest(&with("one", own), dependency), digest(&with("other", own), dependency));
            assert_eq!(one != other, is_part, "{own} {dependency}");
        }
    }

    /// The hosts that the network can reach after a change of the policy and not before.
    fn reaches(before: &str, after: &str) -> Vec<String> {
        let text = |network: &str| format!("image: b\nnetwork: {{{network}}}\n");
        asks(&text(before), &text(after))
    }

    #[test]
    fn a_narrower_network_needs_no_approval() {
        let none: [&str; 0] = [];
        for (before, after) in [
            ("", "policy: learn"),
            ("policy: open", "policy: strict, rules: ['**'], host: [80]"),
            ("policy: learn", "policy: strict, rules: ['**']"),
            ("policy: learn", "internal: true"),
            ("internal: true", "policy: strict"),
            ("policy: strict, rules: ['@npm']", "internal: true"),
            ("policy: strict, rules: ['@npm', a.x]", "policy: strict, rules: [a.x]"),
            ("policy: strict, rules: ['**.x']", "policy: strict, rules: [a.x, '*.b.x:443']"),
            ("policy: strict, rules: ['@npm']", "policy: strict, rules: ['**.npmjs.org']"),
            ("policy: strict, rules: [a.x, b.x]", "policy: strict, rules: [b.x, A.X.]"),
            ("policy: strict, rules: [d.x in 10.0.0.0/8]", "policy: strict, rules: [d.x in 10.1.0.0/16]"),
            ("policy: strict, host: [80, 81]", "policy: strict, host: [81]"),
        ] {
            assert_eq!(reaches(before, after), none, "{before} -> {after}");
        }
    }

    #[test]
    fn a_wider_network_needs_an_approval_in_words() {
        for (before, after, expected) in [
            ("internal: true", "", &["network may reach everything"][..]),
            ("policy: strict", "policy: open", &["network may reach everything"]),
            ("policy: learn", "", &["network may reach everything"]),
            ("policy: strict", "policy: learn", &["network may reach every public host (policy: learn)"]),
            ("internal: true", "policy: learn", &["network may reach every public host (policy: learn)"]),
            (
                "policy: strict",
                "policy: strict, rules: [a.x, 'b.x:22']",
                &["network may reach a.x", "network may reach b.x:22"],
            ),
            ("policy: strict, rules: [a.x]", "policy: strict, rules: ['*.x']", &["network may reach *.x"]),
            ("policy: learn", "policy: learn, rules: ['a.x:22', b.x]", &["network may reach a.x:22"]),
            (
                "policy: strict, rules: ['**.npmjs.org', '**.npmjs.com']",
                "policy: strict, rules: ['@npm']",
                &["network may reach @npm: **.yarnpkg.com, **.nodejs.org"],
            ),
            (
                "policy: strict, rules: [d.x]",
                "policy: strict, rules: [d.x in 10.0.0.0/8]",
                &["network may reach d.x in 10.0.0.0/8"],
            ),
            (
                "policy: strict, host: [80]",
                "policy: strict, host: [80, 81]",
                &["network may reach port 81 of the Docker host"],
            ),
        ] {
            assert_eq!(reaches(before, after), expected, "{before} -> {after}");
        }
    }

    /// What a change of grants asks, with a gateway from the start.
    fn grants(before: &str, after: &str) -> Vec<String> {
        let text = |grants: &str| format!("image: b\nnetwork: {{policy: strict}}\ngrants: [{grants}]\n");
        asks(&text(before), &text(after))
    }

    #[test]
    fn a_grant_that_is_new_or_wider_needs_an_approval() {
        for (before, after, expected) in [
            ("", "openai", &["grant openai", "grant.source openai: env://OPENAI_API_KEY"][..]),
            (
                "openai",
                "openai, {github: {repos: [me/x]}}",
                &["grant github", "grant.source github: cmd://gh auth token"],
            ),
            ("{github: {repos: [me/x]}}", "{github: {repos: [me/x, me/y]}}", &["grant github"]),
            ("{github: {repos: [me/x]}}", "{github: {repos: [me/x], write: true}}", &["grant github"]),
            ("{github: {repos: [me/x]}}", "github", &["grant github"]),
            (
                "openai",
                "{openai: {source: 'env://OTHER'}}",
                &["grant.source openai: env://OPENAI_API_KEY -> env://OTHER"],
            ),
            ("{github: {write: true}}", "{github: {repos: [me/x]}}", &[]),
            ("{github: {repos: [me/x, me/y]}}", "{github: {repos: [Me/Y]}}", &[]),
            ("openai, github", "github", &[]),
        ] {
            let asks = grants(before, after);
            let starts = asks.iter().zip(expected).all(|(ask, start)| ask.starts_with(start));
            assert!(asks.len() == expected.len() && starts, "{before} -> {after}: {asks:?}");
        }
        // A host that a grant has limited is open again.
        let text =
            |grants: &str| format!("image: b\nnetwork: {{policy: strict, rules: ['@github']}}\ngrants: [{grants}]\n");
        assert_eq!(asks(&text("github"), &text("")).len(), 1);
    }

    /// The hosts of a preset are those of the moat that has compared them.
    #[test]
    fn a_preset_with_more_hosts_needs_an_approval() {
        let new = proposal("image: b\nnetwork: {policy: strict, rules: ['@npm']}\n");
        let mut old = new.clone();
        old.lines.insert("network.rule @npm".to_owned(), "**.npmjs.org, **.npmjs.com, **.nodejs.org".to_owned());
        let asks: Vec<String> = widening(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(asks, ["network may reach @npm: **.yarnpkg.com"]);
    }

    /// Nothing of a text that cannot be read is taken as narrower.
    #[test]
    fn an_unreadable_policy_is_compared_line_by_line() {
        let new = proposal("image: b\nnetwork: {policy: strict}\n");
        for (key, value) in [
            ("network.policy", "sealed"),
            ("network.rule x", "not a rule"),
            ("network.host 0", "yes"),
            ("grant x", "{}"),
        ] {
            let mut old = new.clone();
            old.lines.insert(key.to_owned(), value.to_owned());
            assert_eq!(widening(&old, &new).len(), 1, "{key}");
            assert_eq!(widening(&new, &old).len(), 1, "{key}");
        }
    }

    /// A text of a newer moat may have keys that this version does not know.
    #[test]
    fn unknown_keys_need_approval() {
        let known = proposal("image: b\n");
        let mut newer = known.clone();
        newer.lines.insert("sealed".to_owned(), "yes".to_owned());
        assert_eq!(widening(&newer, &known).len(), 1);
        assert_eq!(widening(&known, &newer).len(), 1);
    }
}
