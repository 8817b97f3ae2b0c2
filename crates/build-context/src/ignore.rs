//! What a `.dockerignore` says, as docker reads it: which is not how git reads `.gitignore`.
//!
//! A pattern is seen from the context, whether it has a slash or not. It means a path and all below it. `!` takes back, and
//! the last pattern that fits counts, also below a folder that is ignored.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{ContextError, LIST_MAX};

/// A list of patterns.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
    /// The text of the context's `.dockerignore`, if that is where they are from.
    list: Option<String>,
}

#[derive(Debug)]
struct Pattern {
    text: Vec<u8>,
    /// It takes back.
    exception: bool,
}

impl Ignore {
    /// The lists that there may be, the one that counts more first.
    pub fn lists(folder: &Path, dockerfile: &str) -> [PathBuf; 2] {
        [folder.join(format!("{dockerfile}.dockerignore")), folder.join(".dockerignore")]
    }

    pub fn of(folder: &Path, dockerfile: &str) -> Result<Self, ContextError> {
        let [own, common] = Self::lists(folder, dockerfile);
        for path in [&own, &common] {
            let unreadable = |why| ContextError::Unreadable { path: path.clone(), why };
            match fs::metadata(path).and_then(|facts| text(path, facts.len())) {
                Ok(text) => {
                    let bad = |(line, why)| ContextError::BadPattern { path: path.clone(), line, why };
                    let patterns = patterns(&text).map_err(bad)?;
                    return Ok(Self { patterns, list: (path == &common).then_some(text) });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(Self::default())
    }

    pub fn list(&self) -> Option<&str> {
        self.list.as_deref()
    }

    /// Whether a path of the context is ignored.
    pub fn ignores(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_encoded_bytes();
        let fitting = self.patterns.iter().rev().find(|pattern| pattern.fits_or_is_above(path));
        fitting.is_some_and(|pattern| !pattern.exception)
    }

    /// Whether anything below an ignored folder may count all the same.
    pub fn may_have_exceptions(&self, folder: &Path) -> bool {
        let folder = folder.as_os_str().as_encoded_bytes();
        self.patterns.iter().filter(|pattern| pattern.exception).any(|pattern| pattern.may_fit_below(folder))
    }
}

fn text(path: &Path, size: u64) -> io::Result<String> {
    if size > LIST_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is too large for a list of patterns"));
    }
    fs::read_to_string(path)
}

/// The patterns of a list; the error names a line.
fn patterns(text: &str) -> Result<Vec<Pattern>, (usize, &'static str)> {
    let mut patterns = Vec::new();
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line_number = i + 1;
        let trimmed = line.trim();
        // A comment begins in the first column.
        if line.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (exception, pattern) = match trimmed.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, trimmed),
        };
        if pattern.is_empty() {
            return Err((line_number, "a `!` needs a pattern after it"));
        }
        let text = clean(pattern);
        // The whole context cannot be meant.
        if text.is_empty() {
            continue;
        }
        if !is_well_formed(text.as_bytes()) {
            return Err((line_number, "the pattern has a `[` without its end"));
        }
        patterns.push(Pattern { text: text.into_bytes(), exception });
    }
    Ok(patterns)
}

/// A path without `.`, `..` and slashes that say nothing.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn is_well_formed(mut pattern: &[u8]) -> bool {
    while let Some((first, rest)) = pattern.split_first() {
        pattern = match first {
            b'\\' => rest.get(1..).unwrap_or_default(),
            b'[' => match class(rest, 0) {
                Some((_, rest)) => rest,
                None => return false,
            },
            _ => rest,
        };
    }
    true
}

impl Pattern {
    /// Whether it means the path, or a folder that the path is in.
    fn fits_or_is_above(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(i, _)| i).chain([path.len()]);
        ends.into_iter().any(|end| fits(&self.text, &path[..end]))
    }

    /// Whether it may mean something in the folder: not, if what it begins with is another one.
    fn may_fit_below(&self, folder: &[u8]) -> bool {
        let plain = self.text.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(self.text.len());
        let beginning = &self.text[..plain];
        let folder = [folder, b"/"].concat();
        folder.starts_with(beginning) || beginning.starts_with(&folder)
    }
}

/// Whether a pattern means exactly this path.
///
/// All ways in which its stars may be read are followed at once: tried one after the other they would be more than anybody
/// can wait for, and the list may be that of a stranger.
fn fits(mut pattern: &[u8], path: &[u8]) -> bool {
    // How much of the path may have been gone through.
    let mut places = BTreeSet::from([0]);
    while !pattern.is_empty() && !places.is_empty() {
        (places, pattern) = if let Some(rest) = pattern.strip_prefix(b"**") {
            match rest.strip_prefix(b"/").unwrap_or(rest) {
                b"" => return true,
                rest => (any_folders(&places, path), rest),
            }
        } else if let Some(rest) = pattern.strip_prefix(b"*") {
            (anything(&places, path), rest)
        } else {
            let Some((wanted, rest)) = character_of(pattern) else { return false };
            let step = |place: usize| wanted.length(&path[place..]).map(|length| place + length);
            (places.into_iter().filter_map(step).collect(), rest)
        };
    }
    places.contains(&path.len())
}

/// After any number of folders, none among them.
fn any_folders(places: &BTreeSet<usize>, path: &[u8]) -> BTreeSet<usize> {
    let first = places.first().copied().unwrap_or(path.len());
    let begins = (first + 1..=path.len()).filter(|place| path[place - 1] == b'/');
    places.iter().copied().chain(begins).collect()
}

/// After anything but a slash.
fn anything(places: &BTreeSet<usize>, path: &[u8]) -> BTreeSet<usize> {
    let mut after = BTreeSet::new();
    for place in places {
        // From where another one has come there is no other end.
        if !after.contains(place) {
            let length = path[*place..].iter().take_while(|byte| **byte != b'/').count();
            after.extend(*place..=place + length);
        }
    }
    after
}

/// What stands for one character of a path.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    Any,
    /// What comes after the `[`.
    Class(&'a [u8]),
    Byte(u8),
}

impl Wanted<'_> {
    /// How many bytes of the path it is; `None`: it does not begin with such a one.
    fn length(self, path: &[u8]) -> Option<usize> {
        let first = path.first()?;
        match self {
            Self::Any => character(path).filter(|(found, _)| *found != '/').map(|(_, after)| path.len() - after.len()),
            Self::Class(text) => (*first != b'/' && class(text, *first)?.0).then_some(1),
            Self::Byte(byte) => (byte == *first).then_some(1),
        }
    }
}

/// The first of a pattern that does not begin with a star, and the rest.
fn character_of(pattern: &[u8]) -> Option<(Wanted<'_>, &[u8])> {
    match pattern.split_first()? {
        (b'?', rest) => Some((Wanted::Any, rest)),
        (b'[', text) => class(text, 0).map(|(_, rest)| (Wanted::Class(text), rest)),
        _ => one(pattern).map(|(byte, rest)| (Wanted::Byte(byte), rest)),
    }
}

/// The first character of a path, whatever its length in bytes.
fn character(path: &[u8]) -> Option<(char, &[u8])> {
    let length = (1..=path.len().min(4)).find(|length| std::str::from_utf8(&path[..*length]).is_ok());
    match length {
        Some(length) => {
            let found = std::str::from_utf8(&path[..length]).ok()?.chars().next()?;
            Some((found, &path[length..]))
        }
        None => path.split_first().map(|(_, after)| (char::REPLACEMENT_CHARACTER, after)),
    }
}

/// Whether a byte is of the class that begins after a `[`, and what comes after its `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (mut found, mut is_first) = (false, true);
    loop {
        let (low, after) = one(rest)?;
        if rest[0] == b']' && !is_first {
            return Some((found != negated, &rest[1..]));
        }
        is_first = false;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(end) if !end.starts_with(b"]") => one(end)?,
            _ => (low, after),
        };
        found |= (low..=high).contains(&byte);
        rest = after;
    }
}

fn one(pattern: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = pattern.split_first()?;
    if *first == b'\\' { rest.split_first().map(|(byte, rest)| (*byte, rest)) } else { Some((*first, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(list: &str) -> Ignore {
        Ignore { patterns: patterns(list).expect("a list"), list: None }
    }

    /// Lists, and paths that each ignores and does not. What docker's own documentation and tests say.
    #[test]
    fn as_docker_reads_it() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("a", &["a", "a/b", "a/b/c"], &["ab", "b/a", "A"]),
            ("/a", &["a", "a/b"], &["b/a"]),
            ("./a/", &["a", "a/b"], &["b/a"]),
            ("b/../a", &["a"], &["b"]),
            ("*.md", &["a.md", ".md"], &["a/b.md", "a.mdx"]),
            ("*/*.md", &["a/b.md"], &["b.md", "a/b/c.md"]),
            ("**/*.md", &["b.md", "a/b.md", "a/b/c.md"], &["a.mdx"]),
            ("**", &["a", "a/b"], &[]),
            ("*", &["a", "a/b", ".a"], &[]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "b"]),
            ("**/node_modules", &["node_modules/x", "a/node_modules/x/y"], &["a/node_modules2"]),
            ("a?c", &["abc", "aüc"], &["ac", "a/c", "abbc"]),
            ("a[b-d]", &["ab", "ac"], &["ae", "a", "a/"]),
            ("a[^b]", &["ac"], &["ab", "a/b"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("a\\*", &["a*"], &["ab", "a\\*"]),
            ("a.b+c(d)$", &["a.b+c(d)$"], &["axb+c(d)$"]),
            ("*.md\n!README.md", &["a.md"], &["README.md"]),
            ("*.md\n!README*.md\nREADME-secret.md", &["a.md", "README-secret.md"], &["README.md"]),
            ("*.md\nREADME-secret.md\n!README*.md", &["a.md"], &["README.md", "README-secret.md"]),
            ("a\n!a/b", &["a", "a/c", "a/bb"], &["a/b", "a/b/c"]),
            ("*\n!src\nsrc/out", &["x", "src/out/y"], &["src", "src/a"]),
            ("!a\na", &["a"], &["b"]),
            ("! a\n", &[], &["a"]),
            ("# a\n\n  b  \n #c", &["b", "#c"], &["# a", "a"]),
            ("\u{feff}a\r\nb", &["a", "b"], &[]),
            (".\n/\n..", &[], &["a"]),
        ];
        for (list, ignored, kept) in table {
            for (paths, expected) in [(ignored, true), (kept, false)] {
                for path in *paths {
                    assert_eq!(ignore(list).ignores(Path::new(path)), expected, "{list:?} and {path:?}");
                }
            }
        }
    }

    #[test]
    fn an_ignored_folder_is_looked_into_only_for_exceptions() {
        for (list, folder, expected) in [
            ("a", "a", false),
            ("a\n!b", "a", false),
            ("a\n!a/b/c", "a", true),
            ("a\n!a/b/c", "a/b", true),
            ("a\n!a/b/c", "a/x", false),
            ("a\n!**/c", "a", true),
            ("*\n!a*/c", "abc", true),
            ("*\n!a*/c", "b", false),
            ("*\n!a", "a/b", true),
        ] {
            assert_eq!(ignore(list).may_have_exceptions(Path::new(folder)), expected, "{list:?} and {folder:?}");
        }
    }

    /// As a shell would try it, the first of these takes longer than anybody lives.
    #[test]
    fn a_pattern_of_many_stars_is_soon_decided() {
        for (pattern, is_it) in [("*a".repeat(64) + "b", false), ("*a".repeat(64), true), ("**/a*".repeat(64), false)] {
            assert_eq!(fits(pattern.as_bytes(), "a".repeat(4000).as_bytes()), is_it, "{pattern}");
        }
        let deep = "a/".repeat(2000) + "c";
        assert!(!fits(("**/a/".repeat(32) + "b").as_bytes(), deep.as_bytes()));
        assert!(fits(("**/a/".repeat(32) + "c").as_bytes(), deep.as_bytes()));
    }

    #[test]
    fn a_pattern_that_is_none() {
        assert_eq!(patterns("a\n!\n").map(|_| ()), Err((2, "a `!` needs a pattern after it")));
        assert_eq!(patterns("a[b\n").map(|_| ()), Err((1, "the pattern has a `[` without its end")));
    }
}
