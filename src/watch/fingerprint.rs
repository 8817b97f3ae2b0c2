//! What is in the files that a spec is made of, file by file, so that a change has a name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Equal if and only if nothing has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Facts>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    content: String,
    /// It is a part of the spec by itself, and not only in a folder that is.
    is_own: bool,
}

impl Fingerprint {
    /// Adds a file, or a folder without its content.
    pub fn add(&mut self, file: PathBuf, content: &str) {
        let facts = self.0.entry(file).or_default();
        facts.content.push_str(content);
        facts.is_own = true;
    }

    /// Adds the content of a folder.
    pub fn add_entry(&mut self, path: PathBuf, content: &str) {
        self.0.entry(path).or_default().content.push_str(content);
    }

    /// A file that is different in `now`: if there are several, one that is a part of the spec by itself.
    pub fn difference<'a>(&'a self, now: &'a Self) -> Option<&'a Path> {
        let all = self.0.iter().chain(&now.0);
        let changed = all.filter(|(path, _)| self.0.get(*path) != now.0.get(*path));
        changed.min_by_key(|(_, facts)| !facts.is_own).map(|(path, _)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(spec: &str, entries: &[(&str, &str)]) -> Fingerprint {
        let mut it = Fingerprint::default();
        for (path, content) in entries {
            it.add_entry(path.into(), content);
        }
        it.add("p/agent.yaml".into(), spec);
        it.add("p".into(), "folder");
        it
    }

    #[test]
    fn the_file_that_changed_is_named() {
        let before = fingerprint("1", &[("p/agent.yaml", "10"), ("p/a", "1"), ("p/img/f", "1")]);
        let named = |spec: &str, entries: &[(&str, &str)]| {
            before.difference(&fingerprint(spec, entries)).map(|path| path.display().to_string()).unwrap_or_default()
        };
        assert_eq!(named("1", &[("p/agent.yaml", "10"), ("p/a", "1"), ("p/img/f", "1")]), "");
        assert_eq!(named("1", &[("p/agent.yaml", "10"), ("p/a", "1"), ("p/img/f", "2")]), "p/img/f");
        assert_eq!(named("1", &[("p/agent.yaml", "10"), ("p/a", "1")]), "p/img/f", "it is gone");
        assert_eq!(named("1", &[("p/agent.yaml", "10"), ("p/a", "1"), ("p/b", ""), ("p/img/f", "1")]), "p/b", "new");
        // Beside the spec itself other files do not count.
        assert_eq!(named("2", &[("p/agent.yaml", "11"), ("p/a", "2"), ("p/img/f", "1")]), "p/agent.yaml");
    }
}
