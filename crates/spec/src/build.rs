//! `build`: the user's own Dockerfile. Does not read the context: that is slow, and most commands do not need it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::quoted;
use super::environment::{Environment, FileError};
use super::lower::Lowering;
use super::one_of::OneOf;
use super::raw::{Build as Parts, BuildSecrets};
use super::secrets::SecretSource;
use super::shape::Fault;

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Absolute.
    pub context: PathBuf,
    /// The folder of moat's own files, which are excluded; set when the context is read.
    pub without: Option<PathBuf>,
    /// Relative to the context, and inside it.
    pub dockerfile: String,
    /// The Dockerfile's text.
    pub text: String,
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// The sources of the secrets that its steps can mount, by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The digest of the files that are not ignored. `None`: the context has not been read yet.
    pub digest: Option<String>,
}

impl Lowering<'_> {
    /// `known`: the sources of the spec's secrets.
    pub fn build(
        &mut self,
        build: OneOf<Parts>,
        known: &BTreeMap<String, SecretSource>,
        env: &dyn Environment,
    ) -> Option<Build> {
        let (parts, context_at, dockerfile_at) = match build {
            OneOf::Text(path) => (Parts { context: Some(path), ..Parts::default() }, "build", "build"),
            OneOf::Parts(parts) => (parts, "build.context", "build.dockerfile"),
        };
        let secrets = self.build_secrets(parts.secrets, known);
        let context = PathBuf::from(self.absolute(parts.context.as_deref().unwrap_or("."), context_at));
        let dockerfile = parts.dockerfile.as_deref().unwrap_or("Dockerfile");
        let found = inside(dockerfile).and_then(|path| {
            let text = env.read(&context.join(&path)).map_err(|error| unread(&path, &context, error))?;
            Ok((path, text))
        });
        let (dockerfile, text) = self.read(dockerfile_at, found)?;
        let Parts { target, args, .. } = parts;
        Some(Build { context, without: None, dockerfile, text, target, args, secrets, digest: None })
    }

    fn build_secrets(
        &mut self,
        secrets: BuildSecrets,
        known: &BTreeMap<String, SecretSource>,
    ) -> BTreeMap<String, SecretSource> {
        let mut all = BTreeMap::new();
        match secrets {
            BuildSecrets::Names(names) => {
                for (i, name) in names.into_iter().enumerate() {
                    if let Some(source) = known.get(&name) {
                        all.insert(name, source.clone());
                    } else if !self.places.has(&format!("secrets.{name}")) {
                        let message = format!("{} is not one of `secrets`", quoted(&name));
                        let hint = format!("add it there, or write its source here: `secrets: {{{name}: env://NAME}}`");
                        self.fault(&format!("build.secrets.{i}"), Fault::new(message, hint));
                    }
                }
            }
            BuildSecrets::Sources(sources) => {
                for (name, text) in sources {
                    let at = format!("build.secrets.{name}");
                    let source = self.secret_source(&at, &text);
                    all.extend(source.map(|source| (name, source)));
                }
            }
        }
        all
    }
}

/// The id of a secret of a build. BuildKit accepts more; these need no quotes in a Dockerfile and in a path.
pub(super) fn secret_id(text: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(fits) {
        return Ok(());
    }
    let message = format!("{} is not a valid name of a build secret", quoted(text));
    Err(Fault::new(
        message,
        "names consist of letters, digits, `_`, `.` and `-`, and start with a letter, digit or `_`",
    ))
}

fn unread(path: &str, context: &Path, error: FileError) -> Fault {
    let path = quoted(path);
    match error {
        FileError::Missing => Fault::new(
            format!("{path} does not exist in {}", quoted(&context.to_string_lossy())),
            "the path is relative to `build.context`, which is relative to this file",
        ),
        FileError::Unreadable(why) => {
            Fault::new(format!("cannot read {path}: {why}"), "a Dockerfile must be a text file")
        }
    }
}

/// Normalises the path of a file relative to its context.
fn inside(path: &str) -> Result<String, Fault> {
    let refused = || {
        let message = format!("{} is outside the build context", quoted(path));
        Fault::new(message, "write a path relative to `build.context`, or choose a context that contains it")
    };
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(refused)?),
            Component::CurDir => {}
            Component::ParentDir if parts.pop().is_some() => {}
            _ => return Err(refused()),
        }
    }
    if parts.is_empty() { Err(refused()) } else { Ok(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_is_inside_its_context() {
        for (path, expected) in [("Dockerfile", "Dockerfile"), ("./a//b", "a/b"), ("a/../b", "b")] {
            assert_eq!(inside(path).ok().as_deref(), Some(expected));
        }
        for path in ["../Dockerfile", "/Dockerfile", "a/../../b", "."] {
            assert!(inside(path).is_err(), "{path}");
        }
    }
}
