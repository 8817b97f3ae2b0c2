//! The available capabilities: the built-in ones of `specs/` and the user's own.
//!
//! A dependency is a name, optionally with a version after `@`. A file is parsed in full only when a spec depends on
//! it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::capability::Capability;
use super::diagnostic::Diagnostics;
use super::isolation::Isolation;
use super::package::{NoPackage, PackagePart};
use super::source::{Located, Source};
use super::suggest::suggest;
use super::version::{Version, Versions};

/// The capabilities that a spec can ask for, by name.
#[derive(Debug, Clone)]
pub struct Capabilities {
    entries: BTreeMap<String, Entry>,
    parsed: Parsed,
}

/// The parsed files by dependency. Clones share it: a command needs each several times, and parsing the largest file takes
/// longer than all else about a spec.
#[derive(Debug, Clone, Default)]
struct Parsed(Arc<Mutex<BTreeMap<(String, Isolation), Capability>>>);

#[derive(Debug, Clone)]
struct Entry {
    text: Cow<'static, str>,
    /// The user's own file; `None`: built in.
    file: Option<PathBuf>,
}

/// The keys that are needed before `{version}` can be replaced.
#[derive(Deserialize)]
struct Head {
    versions: Option<Versions>,
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    package: Option<PackagePart>,
}

/// Why a dependency cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("unknown dependency `{0}`")]
    Name(String),
    #[error("`{name}` does not take a version")]
    NoVersions { name: String, package: Option<String> },
    #[error("`{name}` has no version `{version}`")]
    Version { name: String, version: String, versions: Versions },
    #[error("`{name}` is not the name of a package")]
    PackageName { family: String, name: String },
    #[error("`{name}` needs an exact version")]
    PackageVersion { name: String, part: PackagePart },
    /// An error in the file. A test excludes it for the built-in ones, [`Capabilities::add`] for others.
    #[error("cannot read the capability `{name}`: {why}")]
    Unreadable { name: String, why: String },
}

/// The capabilities under `specs/`, by name: `build.rs` lists the files. The folder is a link, so that a published package
/// contains them.
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The placeholder for the selected version.
const VERSION: &str = "{version}";

/// The placeholder for the name of a package.
const PACKAGE: &str = "{package}";

/// The key of a coding agent, at the start of a line.
const AGENT: &str = "agent:";

/// The key that identifies a capability: a `specs` folder may contain other YAML files.
const KEY: &str = "capability:";

/// Dependencies of other tools that are something else here.
const ELSEWHERE: [(&str, &str); 1] =
    [("ollama", "declare it as a service: `services: {ollama: {image: 'ollama/ollama:VERSION'}}`")];

impl Capabilities {
    /// The built-in capabilities.
    pub fn builtin() -> Self {
        static ALL: LazyLock<Capabilities> = LazyLock::new(|| {
            let entry = |(name, text): &(&str, &'static str)| {
                ((*name).to_owned(), Entry { text: Cow::Borrowed(text), file: None })
            };
            Capabilities { entries: BUILTIN.iter().map(entry).collect(), parsed: Parsed::default() }
        });
        ALL.clone()
    }

    /// Adds a file of the user's, replacing a capability of the same name. Ignores a file without the key `capability`.
    ///
    /// # Errors
    /// If the file is a capability and malformed; with the location.
    pub fn add(&mut self, source: &Source) -> Result<(), Diagnostics> {
        if !source.text.lines().any(|line| line.starts_with(KEY)) {
            return Ok(());
        }
        let fault = |error: &serde_yaml::Error| {
            let at = error.location().map_or(0, |place| source.char_boundary(place.index().min(source.text.len())));
            let text = error.to_string();
            // The diagnostic has its own location.
            let message = text.split(" at line ").next().unwrap_or_default();
            Diagnostics::at(
                source,
                at..at,
                message,
                "for the format, see the built-in capabilities in `specs/` in moat's sources",
            )
        };
        let head: Head = serde_yaml::from_str(&source.text).map_err(|error| fault(&error))?;
        let text = filled(&source.text, head.default_version().as_deref());
        let capability: Capability = serde_yaml::from_str(&text).map_err(|error| fault(&error))?;
        if capability.capability.ends_with(':') != capability.package.is_some() {
            let message = "`package` describes a family of packages, whose name ends with a colon";
            return Err(Diagnostics::at(source, 0..0, message, "add the colon and `package`, or remove both"));
        }
        let entry = Entry { text: source.text.clone().into(), file: Some(source.path.clone()) };
        // The clones of this one do not have the file.
        self.parsed = Parsed::default();
        self.entries.insert(capability.capability, entry);
        Ok(())
    }

    /// The user's own files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.entries.values().filter_map(|entry| entry.file.as_deref())
    }

    /// The capability of a dependency such as `postgres@17`.
    ///
    /// # Errors
    /// If the capability or the version does not exist.
    pub fn resolve(&self, dependency: &str) -> Result<Capability, Unresolved> {
        self.resolve_for(dependency, Isolation::default())
    }

    /// The capability of a dependency under an isolation.
    ///
    /// # Errors
    /// Like [`Capabilities::resolve`].
    pub fn resolve_for(&self, dependency: &str, isolation: Isolation) -> Result<Capability, Unresolved> {
        let key = (dependency.to_owned(), isolation);
        if let Some(known) = self.parsed.locked().get(&key) {
            return Ok(known.clone());
        }
        let parsed = self.parse(dependency, isolation)?;
        self.parsed.locked().insert(key, parsed.clone());
        Ok(parsed)
    }

    fn parse(&self, dependency: &str, isolation: Isolation) -> Result<Capability, Unresolved> {
        if let Some((family, entry, package)) = self.family(dependency) {
            let pinned = self.pinned(dependency);
            return package_of(family, entry, pinned.as_deref().unwrap_or(package), isolation);
        }
        let (name, version) = match dependency.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (dependency, None),
        };
        let entry = self.entries.get(name).ok_or_else(|| Unresolved::Name(dependency.to_owned()))?;
        let unreadable =
            |error: serde_yaml::Error| Unresolved::Unreadable { name: name.to_owned(), why: error.to_string() };
        let head: Head = serde_yaml::from_str(&entry.text).map_err(unreadable)?;
        let version = match (version, &head.versions) {
            (None, _) => head.default_version(),
            (Some(_), None) => {
                // The package that it is, with its pinned version.
                let mut packages =
                    head.needs.iter().filter_map(|it| it.rsplit_once('@')).filter(|it| it.0.contains(':'));
                let package = packages.next().filter(|_| packages.next().is_none());
                let package = package.map(|(package, _)| package.to_owned());
                return Err(Unresolved::NoVersions { name: name.to_owned(), package });
            }
            (Some(version), Some(versions)) => {
                if !version.parse::<Version>().is_ok_and(|version| versions.contains(&version)) {
                    let (name, version, versions) = (name.to_owned(), version.to_owned(), versions.clone());
                    return Err(Unresolved::Version { name, version, versions });
                }
                Some(version.to_owned())
            }
        };
        let whole = serde_yaml::from_str(&filled(&entry.text, version.as_deref())).map_err(unreadable)?;
        serde_yaml::from_value(isolation.apply(whole)).map_err(unreadable)
    }

    /// The text after the colon for a package without a version, if a capability needs the package in one.
    fn pinned(&self, dependency: &str) -> Option<String> {
        if dependency.ends_with(':') {
            return None;
        }
        let start = format!("{dependency}@");
        let mentions = self.entries.values().filter(|entry| entry.text.contains(&start));
        let needs = mentions.filter_map(|entry| serde_yaml::from_str::<Head>(&entry.text).ok()).flat_map(|it| it.needs);
        let found = needs.into_iter().find(|need| need.starts_with(&start))?;
        Some(found.split_once(':')?.1.to_owned())
    }

    /// The family of a package such as `npm:NAME@VERSION`, its file, and the text after the colon.
    fn family<'a>(&self, dependency: &'a str) -> Option<(&'a str, &Entry, &'a str)> {
        let end = dependency.find(':')? + 1;
        let (family, package) = dependency.split_at(end);
        Some((family, self.entries.get(family)?, package))
    }

    /// The capability of a dependency or, for a name that ends with a colon, a family as it is in its file.
    ///
    /// # Errors
    /// Like [`Capabilities::resolve`].
    pub fn describe(&self, name: &str) -> Result<Capability, Unresolved> {
        match self.entries.get(name).filter(|_| name.ends_with(':')) {
            Some(entry) => serde_yaml::from_str(&entry.text)
                .map_err(|error| Unresolved::Unreadable { name: name.to_owned(), why: error.to_string() }),
            None => self.resolve(name),
        }
    }

    /// The capabilities of some dependencies, and of those that they need. Leaves out what cannot be resolved.
    pub fn closure(&self, dependencies: &[Located<String>], isolation: Isolation) -> Vec<Capability> {
        let mut all: Vec<Capability> = Vec::new();
        let mut left: Vec<String> = dependencies.iter().rev().map(|it| it.value.clone()).collect();
        while let Some(dependency) = left.pop() {
            let Ok(capability) = self.resolve_for(&dependency, isolation) else { continue };
            if all.iter().all(|other| other.capability != capability.capability) {
                left.extend(capability.needs.iter().rev().cloned());
                all.push(capability);
            }
        }
        all
    }

    /// The user's own files among those of some dependencies and of what they need: their paths and texts, by name.
    pub fn own(&self, dependencies: &[Located<String>], isolation: Isolation) -> BTreeMap<&str, (&Path, &str)> {
        let needed = self.closure(dependencies, isolation);
        let names =
            dependencies.iter().map(|it| it.value.as_str()).chain(needed.iter().map(|it| it.capability.as_str()));
        let own = |name: &str| {
            let (name, entry) = match self.family(name) {
                Some((family, _, _)) => self.entries.get_key_value(family)?,
                None => self.entries.get_key_value(name.split('@').next().unwrap_or_default())?,
            };
            Some((name.as_str(), (entry.file.as_deref()?, &*entry.text)))
        };
        names.filter_map(own).collect()
    }

    /// Whether the capability of a dependency has another form for an isolation.
    pub fn has_variant(&self, dependency: &str, isolation: Isolation) -> bool {
        let entry = self.entries.get(dependency.split('@').next().unwrap_or(dependency));
        let whole = entry.and_then(|entry| serde_yaml::from_str(&entry.text).ok());
        whole.is_some_and(|whole| isolation.changes(&whole))
    }

    /// The coding agents, by the names of their dependencies.
    pub fn agents(&self) -> Vec<Capability> {
        let has_one = |entry: &Entry| entry.text.lines().any(|line| line.starts_with(AGENT));
        let names = self.entries.iter().filter(|(_, entry)| has_one(entry)).map(|(name, _)| name);
        names.filter_map(|name| self.resolve(name).ok()).filter(|it| it.agent.is_some()).collect()
    }

    /// The coding agents of a name, or of the dependency that installs one. A user's own may have a name that is in use.
    pub fn agents_named(&self, name: &str) -> Vec<Capability> {
        let is_it =
            |it: &Capability| it.capability == name || it.agent.as_ref().is_some_and(|agent| agent.name == name);
        self.agents().into_iter().filter(is_it).collect()
    }

    /// Sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The user's file that defines a capability; `None`: built in.
    pub fn file(&self, name: &str) -> Option<&Path> {
        self.entries.get(name)?.file.as_deref()
    }

    /// The capability whose name is most similar to an unknown one.
    pub fn similar_to(&self, name: &str) -> Option<&str> {
        suggest(name.split('@').next().unwrap_or(name), self.names())
    }
}

impl Parsed {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<(String, Isolation), Capability>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unresolved {
    /// How to fix it.
    pub fn hint(&self, capabilities: &Capabilities) -> String {
        match self {
            Self::Name(name) => {
                let plain = name.split('@').next().unwrap_or(name);
                if let Some((_, hint)) = ELSEWHERE.iter().find(|(known, _)| *known == plain) {
                    (*hint).to_owned()
                } else if let Some(name) = capabilities.similar_to(name) {
                    format!("did you mean `{name}`?")
                } else {
                    let names: Vec<String> = capabilities.names().map(|name| format!("`{name}`")).collect();
                    format!("known: {}", names.join(", "))
                }
            }
            Self::NoVersions { package: Some(package), .. } => format!("choose a version with `{package}@VERSION`"),
            Self::NoVersions { name, package: None } => format!("write `{name}` without a version"),
            Self::PackageName { family, .. } => {
                format!("write `{family}NAME@VERSION`, with the name that the registry uses")
            }
            Self::PackageVersion { name, part } => {
                let version = (1..=part.numbers).map(|number| number.to_string()).collect::<Vec<_>>().join(".");
                format!(
                    "write the version in full, such as `{name}@{version}`: the image is rebuilt only for another one"
                )
            }
            Self::Version { versions, .. } => format!("available versions: {versions}"),
            Self::Unreadable { .. } => {
                "for the format, see the built-in capabilities in `specs/` in moat's sources".to_owned()
            }
        }
    }
}

impl Head {
    fn default_version(&self) -> Option<String> {
        let newest = || self.versions.as_ref().and_then(Versions::newest).map(ToString::to_string);
        self.default.clone().or_else(newest)
    }
}

/// The capability of one package.
fn package_of(family: &str, entry: &Entry, text: &str, isolation: Isolation) -> Result<Capability, Unresolved> {
    let unreadable =
        |error: serde_yaml::Error| Unresolved::Unreadable { name: family.to_owned(), why: error.to_string() };
    let head: Head = serde_yaml::from_str(&entry.text).map_err(unreadable)?;
    let part = head.package.ok_or_else(|| Unresolved::Name(format!("{family}{text}")))?;
    let package = part.read(text).map_err(|why| match why {
        NoPackage::Name => Unresolved::PackageName { family: family.to_owned(), name: format!("{family}{text}") },
        NoPackage::Version => {
            let name = text.rfind('@').filter(|at| *at > 0).map_or(text, |at| &text[..at]);
            Unresolved::PackageVersion { name: format!("{family}{name}"), part }
        }
    })?;
    let filled = filled(&entry.text, Some(package.version)).replace(PACKAGE, package.name);
    let whole = serde_yaml::from_str(&filled).map_err(unreadable)?;
    let mut capability: Capability = serde_yaml::from_value(isolation.apply(whole)).map_err(unreadable)?;
    capability.capability = format!("{family}{}", package.name);
    Ok(capability)
}

/// A version, and the name of a package, consist of letters, digits and a few separators, so they cannot change the
/// structure of the file.
fn filled(text: &str, version: Option<&str>) -> String {
    version.map_or_else(|| text.to_owned(), |version| text.replace(VERSION, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::ReadyBefore;

    #[test]
    fn every_builtin_is_well_formed() {
        let capabilities = Capabilities::builtin();
        let all = BUILTIN.iter().flat_map(|entry| Isolation::ALL.map(|isolation| (entry, isolation)));
        for ((name, text), isolation) in all {
            let capability = if name.ends_with(':') {
                capabilities.describe(name)
            } else {
                capabilities.resolve_for(name, isolation)
            };
            let capability = capability.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(capability.capability, *name);
            let is_family = capability.package.is_some();
            assert_eq!(name.ends_with(':'), is_family, "{name}");
            assert!(is_family || !format!("{capability:?}").contains(VERSION), "{name}: a version is missing");
            assert!(!text.contains(VERSION) || is_family || capability.versions.is_some(), "{name}");
            for other in &capability.needs {
                let needed = capabilities.resolve(other).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(needed.needs.iter().all(|it| it != name), "{name} and {other} need each other");
            }
            for sidecar in &capability.sidecars {
                assert!(sidecar.ready.is_some(), "{name}: `{}` has no readiness probe", sidecar.name);
                // Otherwise nothing holds the command.
                let starts_first = sidecar.ready_before == ReadyBefore::Start;
                assert!(starts_first || !capability.main.entrypoint.is_empty(), "{name}: `{}`", sidecar.name);
            }
            let Some(builds) = &capability.builds else { continue };
            let sidecar = capability.sidecars.iter().find(|sidecar| sidecar.name == builds.sidecar);
            let sidecar = sidecar.unwrap_or_else(|| panic!("{name}: no sidecar `{}`", builds.sidecar));
            let config = sidecar.files.iter().find(|file| file.path == builds.config);
            assert!(config.is_some_and(|file| file.content.contains("{cache_limit}")), "{name}: {}", builds.config);
            assert!(
                sidecar.volumes.iter().any(|volume| volume.name == builds.cache),
                "{name}: no volume `{}`",
                builds.cache
            );
        }
    }

    #[test]
    fn a_dependency_is_a_name_and_a_version() {
        let capabilities = Capabilities::builtin();
        let image = |dependency: &str| {
            let capability = capabilities.resolve(dependency).map_err(|error| error.to_string())?;
            Ok(capability.sidecars[0].image.to_string())
        };
        let wrong = |text: &str| Err(text.to_owned());
        let table: [(&str, Result<String, String>); 8] = [
            ("postgres@16", Ok("postgres:16".into())),
            ("postgres@17.2", Ok("postgres:17.2".into())),
            ("postgres", Ok("postgres:17".into())),
            ("docker:dind", Ok("moby/buildkit:v0.32.2".into())),
            ("postgres@15", wrong("`postgres` has no version `15`")),
            ("postgres@latest", wrong("`postgres` has no version `latest`")),
            ("docker:dind@29", wrong("`docker:dind` does not take a version")),
            ("docker:dnd", wrong("unknown dependency `docker:dnd`")),
        ];
        for (dependency, expected) in table {
            assert_eq!(image(dependency), expected, "{dependency}");
        }
    }

    #[test]
    fn typos_get_a_suggestion() {
        let capabilities = Capabilities::builtin();
        for (typo, meant) in [
            ("docker:dnd", Some("docker:dind")),
            ("Docker:DinD", Some("docker:dind")),
            ("postgress@17", Some("postgres")),
            ("kubernetes", None),
        ] {
            assert_eq!(capabilities.similar_to(typo), meant, "{typo}");
        }
    }

    /// Each version is written once, in the capability that needs the package.
    #[test]
    fn a_package_without_a_version_takes_the_one_that_a_capability_needs() {
        let capabilities = Capabilities::builtin();
        for (name, package) in [("ruff", "pip:ruff"), ("typescript", "npm:typescript"), ("codex", "npm:@openai/codex")]
        {
            let needs = capabilities.resolve(name).expect("built in").needs;
            let pinned = needs.iter().find(|need| need.starts_with(package)).expect("a package");
            let run = |dependency: &str| {
                let capability = capabilities.resolve(dependency).expect("a package");
                (capability.capability, capability.install.expect("an installation").run)
            };
            assert_eq!(run(package), run(pinned), "{package}");
        }
        for unknown in ["pip:ruf", "npm:", "pip:", "npm:ruff", "pip:ruff@", "pip:uv@latest", "npm:@openai/codex@"] {
            assert!(capabilities.resolve(unknown).is_err(), "{unknown}");
        }
    }

    fn own(text: &str) -> Result<Capabilities, String> {
        let mut capabilities = Capabilities::builtin();
        let source = Source::new("specs/own.yaml", "/specs/own.yaml", text);
        capabilities.add(&source).map_err(|faults| faults.to_string())?;
        Ok(capabilities)
    }

    #[test]
    fn the_users_files_override_built_in_ones_and_other_files_are_ignored() {
        let text = "capability: redis\nsummary: ours\nversions: \"9\"\nsidecars:\n  - name: redis\n    image: ours:{version}\n";
        let capabilities = own(text).expect("a capability");
        assert_eq!(capabilities.resolve("redis").expect("ours").sidecars[0].image.as_str(), "ours:9");
        assert_eq!(capabilities.file("redis"), Some(Path::new("/specs/own.yaml")));
        assert_eq!(capabilities.file("postgres"), None);
        let names = own("openapi: 3.0.0\ninfo: [}\n").expect("no capability").names().count();
        assert_eq!(names, BUILTIN.len());
    }

    #[test]
    fn an_error_in_the_users_file_has_a_location() {
        let fault = own("capability: a\nsummary: b\nsidecar: []\n").expect_err("an unknown key");
        assert!(fault.contains("specs/own.yaml:3:1"), "{fault}");
        assert!(fault.contains("unknown field `sidecar`"), "{fault}");
        for text in
            ["capability: \"a:\"\nsummary: b\n", "capability: a\nsummary: b\npackage: {names: plain, numbers: 1}\n"]
        {
            let fault = own(text).expect_err("half of a family");
            assert!(fault.contains("whose name ends with a colon"), "{fault}");
        }
    }
}
