//! What a spec asks for, as one canonical text: what a person approves, and what later proposals are compared with.
//!
//! A sandbox may be able to write its own spec, so a spec is a proposal. The text has names, paths and sources after
//! interpolation, and no value that ends in an environment variable. Fetches nothing, and does not decide who may
//! approve: it is data. [`widening`] says in what one text goes beyond another.

mod lines;
mod rule;
mod widening;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use widening::{Change, widening};

use super::{Capabilities, Spec};
use moat_model::resource::digest::sha256;
use moat_model::resource::label::Approved;

/// All that one agent's spec asks for, by key: `image`, `mount /workspace`, `secret TOKEN`.
///
/// A command that gives a secret stands in it by its digest: the text is kept in labels, and commands carry tokens.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    lines: BTreeMap<String, String>,
    /// What a person is shown of a line in its place; not part of the text.
    shown: BTreeMap<String, String>,
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Proposal {}

/// The key of the form's version, and its value: a text of another form is compared with nothing.
const FORM: (&str, &str) = ("moat", "1");

impl Proposal {
    /// What `spec` asks for, with the user's own capabilities that it names.
    pub fn of(spec: &Spec, capabilities: &Capabilities) -> Self {
        let lines::Lines { all: mut lines, shown, .. } = lines::of_spec(spec);
        for dependency in &spec.dependencies {
            let name = dependency.value.split('@').next().unwrap_or_default();
            if let Some((path, text)) = capabilities.own_text(name) {
                lines.insert(format!("capability {name}"), format!("{} sha256:{}", path.display(), sha256(text)));
            }
        }
        lines.insert(FORM.0.to_owned(), FORM.1.to_owned());
        Self { lines, shown }
    }

    /// Reads a text that [`Proposal::text`] gave; `None`: it is of another form.
    pub fn parse(text: &str) -> Option<Self> {
        let lines: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        (lines.get(FORM.0).map(String::as_str) == Some(FORM.1)).then(|| Self { lines, shown: BTreeMap::new() })
    }

    /// The canonical text: one JSON object, sorted by key.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.lines).unwrap_or_else(|error| unreachable!("text by text serialises: {error}"))
    }

    /// Hexadecimal SHA-256 of the text; the same for every user.
    pub fn digest(&self) -> String {
        sha256(self.text())
    }

    /// As it is kept with what is created from it.
    pub fn approved(&self) -> Approved {
        Approved { digest: self.digest(), text: self.text(), named: BTreeSet::new() }
    }

    /// The paths of the host that the sandbox can write.
    pub fn writable(&self) -> Vec<PathBuf> {
        let mounts = self.lines.iter().filter(|(key, _)| key.starts_with(lines::MOUNT));
        mounts.filter_map(|(_, value)| lines::writable_path(value).map(PathBuf::from)).collect()
    }

    /// The paths of the host that are mounted.
    pub fn mounted(&self) -> BTreeSet<String> {
        let mounts = self.lines.iter().filter(|(key, _)| key.starts_with(lines::MOUNT));
        mounts.filter_map(|(_, value)| lines::path_of(value)).map(str::to_owned).collect()
    }

    /// The names of its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().filter_map(|key| key.strip_prefix(lines::SECRET))
    }

    /// The files that it is made of, the spec itself not among them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.lines.keys().filter_map(|key| key.strip_prefix(lines::READS)).map(Path::new)
    }

    /// Adds what the content of its build is, where a change of that has to be approved.
    pub fn pin_content(&mut self, digest: &str) {
        self.lines.insert(lines::CONTENT.to_owned(), digest.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{NotRun, Unread};
    use crate::{Environment, Source, agent};

    /// A host with one variable and one file of variables.
    struct Host;

    impl Environment for Host {
        fn variable(&self, name: &str) -> Option<String> {
            ["TOKEN", "DIR"].contains(&name).then(|| "hunter2".to_owned())
        }

        fn read(&self, path: &Path) -> Result<String, Unread> {
            if path == Path::new("/p/a.env") { Ok("A=hunter2\n".to_owned()) } else { Err(Unread::Missing) }
        }

        fn run(&self, _: &str, _: &[&str]) -> Result<String, NotRun> {
            Err(NotRun::Missing)
        }
    }

    fn proposal(text: &str) -> Proposal {
        let source = Source::new("agent.yaml", "/p/agent.yaml", format!("agent: a\n{text}"));
        let spec = agent::parse_all(source, &Host).specs.unwrap_or_else(|faults| panic!("{text}\n{faults}"));
        Proposal::of(&spec[0], &Capabilities::builtin())
    }

    /// What has to be approved when the first text becomes the second.
    fn asks(before: &str, after: &str) -> Vec<String> {
        widening(&proposal(before), &proposal(after)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_written_is_read_back_and_has_one_digest() {
        let one = proposal("image: b\nworkspace: .\nports: ['80:80']\n");
        assert_eq!(Proposal::parse(&one.text()), Some(one.clone()));
        assert_eq!(one.digest(), proposal("ports: ['80:80']\nworkspace: {path: .}\nimage: b\n").digest());
        assert_ne!(one.digest(), proposal("image: b\nworkspace: .\nports: ['80:81']\n").digest());
        assert_eq!(one.writable(), [PathBuf::from("/p")]);
        assert_eq!(Proposal::parse(""), None);
        assert_eq!(Proposal::parse(&one.text().replace("\"moat\":\"1\"", "\"moat\":\"9\"")), None);
    }

    #[test]
    fn no_value_of_the_environment_is_in_the_text() {
        let text = "image: b\nenv: {KEY: 'x${TOKEN}'}\nenv_file: a.env\nsecrets: {S: 'env://TOKEN'}\n\
                    services: {db: {image: c, env: {P: '${TOKEN}'}}}\n";
        let text = proposal(text).text();
        assert!(!text.contains("hunter2"), "{text}");
        for source in ["x${TOKEN}", "env://TOKEN", "reads /p/a.env", "service db variable P"] {
            assert!(text.contains(source), "{source}: {text}");
        }
        // A path is what it comes to.
        assert!(proposal("image: b\nmounts: ['/srv/${DIR}:/d']\n").text().contains("path /srv/hunter2"));
    }

    #[test]
    fn harmless_changes_ask_for_nothing() {
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
            ("image: b\nhooks: {pre_run: x}\n", "image: b\nnetwork: {internal: true}\n"),
            ("image: docker:dind\ndependencies: [docker:dind]\n", "image: docker:dind\n"),
        ] {
            assert_eq!(asks(before, after), none, "{before}{after}");
        }
    }

    #[test]
    fn everything_else_is_asked_about() {
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
            ("image: b\nnetwork: {internal: true}\n", "image: b\n", "network.outside"),
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

    /// A text of a newer moat may have keys that this one knows nothing of.
    #[test]
    fn what_is_not_known_is_asked_about() {
        let known = proposal("image: b\n");
        let mut newer = known.clone();
        newer.lines.insert("sealed".to_owned(), "yes".to_owned());
        assert_eq!(widening(&newer, &known).len(), 1);
        assert_eq!(widening(&known, &newer).len(), 1);
    }
}
