//! `build`: the user's own Dockerfile. Does not read the context: that is slow, and most commands do not need it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::quoted;
use super::environment::{Environment, FileError};
use super::lower::Lowering;
use super::one_of::OneOf;
use super::raw::Build as Parts;
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
    /// The digest of the files that are not ignored. `None`: the context has not been read yet.
    pub digest: Option<String>,
}

impl Lowering<'_> {
    pub fn build(&mut self, build: OneOf<Parts>, env: &dyn Environment) -> Option<Build> {
        let (parts, context_at, dockerfile_at) = match build {
            OneOf::Text(path) => {
                (Parts { context: Some(path), dockerfile: None, target: None, args: BTreeMap::new() }, "build", "build")
            }
            OneOf::Parts(parts) => (parts, "build.context", "build.dockerfile"),
        };
        let context = PathBuf::from(self.absolute(parts.context.as_deref().unwrap_or("."), context_at));
        let dockerfile = parts.dockerfile.as_deref().unwrap_or("Dockerfile");
        let found = inside(dockerfile).and_then(|path| {
            let text = env.read(&context.join(&path)).map_err(|error| unread(&path, &context, error))?;
            fits_the_engine(&path, &text)?;
            Ok((path, text))
        });
        let (dockerfile, text) = self.read(dockerfile_at, found)?;
        Some(Build { context, without: None, dockerfile, text, target: parts.target, args: parts.args, digest: None })
    }
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

/// Flags, by instruction, that only BuildKit supports and the engine's build API does not.
const FLAGS: &[(&str, &[&str])] = &[
    ("RUN", &["--mount", "--network", "--security", "--device"]),
    ("COPY", &["--chmod", "--link", "--parents", "--exclude"]),
    ("ADD", &["--chmod", "--link", "--checksum", "--keep-git-dir", "--unpack", "--exclude"]),
];

/// Checks that the engine can build this Dockerfile, so that an error names the line before anything is sent.
fn fits_the_engine(path: &str, text: &str) -> Result<(), Fault> {
    let Some((line, what)) = needs_buildkit(text) else { return Ok(()) };
    Err(Fault::new(
        format!(
            "{}, line {line}: {} needs BuildKit, which moat does not use to build images",
            quoted(path),
            quoted(&what)
        ),
        "remove it, or build the image with `docker buildx build` and name it in `image`",
    ))
}

/// The first use of BuildKit: the line, from 1, and the flag or here-document.
fn needs_buildkit(text: &str) -> Option<(usize, String)> {
    let mut continued = false;
    for (i, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let is_first = !continued;
        continued = trimmed.ends_with('\\');
        let mut words = trimmed.split_whitespace();
        let Some(instruction) = words.next().filter(|_| is_first).map(str::to_ascii_uppercase) else { continue };
        let flags = FLAGS.iter().find(|(name, _)| *name == instruction).map_or(&[][..], |(_, flags)| flags);
        for word in words.by_ref().take_while(|word| word.starts_with("--")) {
            let flag = word.split('=').next().unwrap_or(word);
            if flags.contains(&flag) {
                return Some((i + 1, format!("{instruction} {flag}")));
            }
        }
        if !flags.is_empty()
            && let Some(document) = trimmed.split_whitespace().find(|word| is_here_document(word))
        {
            return Some((i + 1, format!("{instruction} {document}")));
        }
    }
    None
}

/// `<<EOF`, `<<-EOF`, `<<"EOF"`.
fn is_here_document(word: &str) -> bool {
    let name = word.strip_prefix("<<").map(|rest| rest.trim_start_matches('-').trim_start_matches(['"', '\'']));
    name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_here_documents_of_buildkit_are_found() {
        for (text, expected) in [
            ("FROM a\nRUN --mount=type=cache,target=/x make\n", Some((2, "RUN --mount"))),
            ("from a\nrun --network=none make\n", Some((2, "RUN --network"))),
            ("FROM a\n\n# x\nCOPY --from=b --link /a /b\n", Some((4, "COPY --link"))),
            ("ADD --checksum=sha256:1 http://a /b\n", Some((1, "ADD --checksum"))),
            ("FROM a\nCOPY <<EOF /b\nx\nEOF\n", Some((2, "COPY <<EOF"))),
            ("FROM a\nRUN <<-'E'\nx\nE\n", Some((2, "RUN <<-'E'"))),
            ("FROM a\nRUN a \\\n  --mount=b\nCOPY --from=b --chown=1 /a /b\nRUN cat << b\nRUN x <<1\n", None),
            ("# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 a\nRUN echo --mount=x\n", None),
        ] {
            assert_eq!(needs_buildkit(text), expected.map(|(line, what)| (line, what.to_owned())), "{text}");
        }
    }

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
