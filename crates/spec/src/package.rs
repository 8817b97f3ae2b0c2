//! Dependencies that are packages of a registry, such as `npm:typescript@5.9.3`.
//!
//! A capability whose name ends with a colon is a family: its file says how any package is installed. Names are checked so
//! that a package manager reads them as names only, never as a path, a URL or an option.

use serde::Deserialize;

/// What the packages of a family are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagePart {
    pub names: PackageNames,
    /// The count of numbers without which a version could mean several: `5.9` is a range for some registries.
    pub numbers: usize,
}

/// The form of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageNames {
    /// One word.
    Plain,
    /// One word, or `@SCOPE/WORD`.
    Scoped,
    /// `HOST/PATH`.
    Path,
}

/// A package of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package<'a> {
    pub name: &'a str,
    /// Without a leading `v`.
    pub version: &'a str,
}

/// Why a text does not name a package in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPackage {
    Name,
    Version,
}

impl PackagePart {
    /// Reads the part of a dependency after the colon.
    pub fn read<'a>(&self, text: &'a str) -> Result<Package<'a>, NoPackage> {
        // A scope starts with the same character as a version.
        let (name, version) = match text.rfind('@').filter(|at| *at > 0) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        if !self.names.accepts(name) {
            return Err(NoPackage::Name);
        }
        let version = version.strip_prefix('v').unwrap_or(version);
        if self.is_exact(version) { Ok(Package { name, version }) } else { Err(NoPackage::Version) }
    }

    fn is_exact(&self, version: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let release = version.split(['-', '+']).next().unwrap_or_default();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        version.chars().all(plain) && release.split('.').take_while(is_number).count() >= self.numbers
    }
}

impl PackageNames {
    fn accepts(self, name: &str) -> bool {
        match self {
            Self::Plain => is_word(name),
            Self::Scoped => match name.strip_prefix('@') {
                Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| is_word(scope) && is_word(name)),
                None => is_word(name),
            },
            Self::Path => {
                let host = name.split('/').next().unwrap_or_default();
                host.contains('.') && name.contains('/') && name.split('/').all(is_word)
            }
        }
    }
}

/// Letters, digits and separators, none of them at the start.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NPM: PackagePart = PackagePart { names: PackageNames::Scoped, numbers: 3 };
    const PIP: PackagePart = PackagePart { names: PackageNames::Plain, numbers: 1 };
    const GO: PackagePart = PackagePart { names: PackageNames::Path, numbers: 3 };

    #[test]
    fn a_package_has_a_name_and_an_exact_version() {
        for (part, text, name, version) in [
            (NPM, "typescript@5.9.3", "typescript", "5.9.3"),
            (NPM, "@openai/codex@0.1.2-alpha.1", "@openai/codex", "0.1.2-alpha.1"),
            (PIP, "ruff@0.17.6", "ruff", "0.17.6"),
            (PIP, "black@26", "black", "26"),
            (PIP, "x@1.0rc1", "x", "1.0rc1"),
            (GO, "golang.org/x/tools/cmd/stringer@v0.30.0", "golang.org/x/tools/cmd/stringer", "0.30.0"),
        ] {
            assert_eq!(part.read(text), Ok(Package { name, version }), "{text}");
        }
    }

    #[test]
    fn ranges_and_tags_are_not_versions() {
        for (part, text) in [
            (NPM, "typescript"),
            (NPM, "@openai/codex"),
            (NPM, "typescript@latest"),
            (NPM, "typescript@5.9"),
            (NPM, "typescript@5.9.x"),
            (NPM, "typescript@"),
            (PIP, "ruff@*"),
            (PIP, "ruff@1;id"),
            (GO, "golang.org/x/tools@latest"),
        ] {
            assert_eq!(part.read(text), Err(NoPackage::Version), "{text}");
        }
    }

    /// Package managers also take paths, repositories, URLs and options in the place of a name.
    #[test]
    fn paths_repositories_and_options_are_not_names() {
        for (part, text) in [
            (NPM, ""),
            (NPM, "@1.2.3"),
            (NPM, "user/repository@1.2.3"),
            (NPM, "../local@1.2.3"),
            (NPM, "@a/b/c@1.2.3"),
            (NPM, "@a/../b@1.2.3"),
            (NPM, "npm:other@1.2.3"),
            (NPM, "-g@1.2.3"),
            (PIP, "a/b@1"),
            (PIP, ".@1"),
            (GO, "stringer@v1.0.0"),
            (GO, "a.b/../c@v1.0.0"),
            (GO, "localhost/x@v1.0.0"),
            (GO, "a.b//c@v1.0.0"),
        ] {
            assert_eq!(part.read(text), Err(NoPackage::Name), "{text}");
        }
    }
}
