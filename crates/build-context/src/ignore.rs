//! `.dockerignore` patterns with docker's semantics, which differ from those of `.gitignore`.
//!
//! A pattern is relative to the context, with or without a slash. It matches a path and all below it. `!` negates, and
//! the last matching pattern counts, also below an ignored folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

use regex::Regex;

use super::{ContextError, LIST_MAX};

/// A list of patterns.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
    /// The text of the context's `.dockerignore`, if the patterns are from it.
    list: Option<String>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    regex: Regex,
    /// The pattern starts with `!`.
    exception: bool,
}

impl Ignore {
    /// The possible files, by precedence.
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

    /// Whether a path relative to the context is ignored: the last pattern that matches decides.
    pub fn ignores(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        let last = self.patterns.iter().rev().find(|pattern| pattern.regex.is_match(&path));
        last.is_some_and(|pattern| !pattern.exception)
    }

    /// Whether an exception can apply to anything below an ignored folder.
    pub fn may_have_exceptions(&self, folder: &Path) -> bool {
        let folder = folder.to_string_lossy();
        self.patterns.iter().filter(|pattern| pattern.exception).any(|pattern| pattern.may_match_below(&folder))
    }
}

fn text(path: &Path, size: u64) -> io::Result<String> {
    if size > LIST_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "the file is too large for a list of patterns"));
    }
    fs::read_to_string(path)
}

/// The patterns of a list; the error names a line.
fn patterns(text: &str) -> Result<Vec<Pattern>, (usize, &'static str)> {
    let mut patterns = Vec::new();
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line_number = i + 1;
        let trimmed = line.trim();
        // A comment starts in the first column.
        if line.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (exception, pattern) = match trimmed.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, trimmed),
        };
        if pattern.is_empty() {
            return Err((line_number, "`!` without a pattern"));
        }
        let text = clean(pattern);
        // The whole context cannot be excluded.
        if text.is_empty() {
            continue;
        }
        patterns.push(Pattern::new(text, exception).map_err(|why| (line_number, why))?);
    }
    Ok(patterns)
}

/// A path without `.`, `..` and redundant slashes.
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

impl Pattern {
    /// # Errors
    /// If the pattern is malformed or too large, with the reason.
    fn new(text: String, exception: bool) -> Result<Self, &'static str> {
        let translated = translate(&text).ok_or("the pattern has a `[` without a closing `]`")?;
        // A pattern also covers everything below the paths that it matches.
        let regex = Regex::new(&format!("(?s)^{translated}(?:/.*)?$")).map_err(|_| "the pattern is too large")?;
        Ok(Self { text, regex, exception })
    }

    /// Whether anything below `folder` can match: not if the literal start of the pattern leads elsewhere.
    fn may_match_below(&self, folder: &str) -> bool {
        let literal = self.text.find(['*', '?', '[', '\\']).unwrap_or(self.text.len());
        let start = &self.text[..literal];
        let folder = format!("{folder}/");
        folder.starts_with(start) || start.starts_with(&folder)
    }
}

/// A pattern as a regular expression, by the rules of moby's `patternmatcher` package. `None`: a `[` is not closed.
fn translate(pattern: &str) -> Option<String> {
    let mut regex = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let _ = rest.next_if_eq(&'/');
                regex += if rest.peek().is_none() { ".*" } else { "(?:.*/)?" };
            }
            '*' => regex += "[^/]*",
            '?' => regex += "[^/]",
            '[' => regex += &class(&mut rest)?,
            '\\' => match rest.next() {
                Some(literal) => push_literal(&mut regex, literal),
                None => regex += NEVER,
            },
            literal => push_literal(&mut regex, literal),
        }
    }
    Some(regex)
}

/// Matches no character.
const NEVER: &str = r"[^\s\S]";

/// The class after a `[`; it never matches a slash. `None`: it is not closed.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut items = String::new();
    let mut is_first = true;
    loop {
        let low = match rest.next()? {
            ']' if !is_first => break,
            '\\' => rest.next()?,
            plain => plain,
        };
        is_first = false;
        let mut ahead = rest.clone();
        let high = if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
            *rest = ahead;
            match rest.next()? {
                '\\' => rest.next()?,
                plain => plain,
            }
        } else {
            low
        };
        // An inverted range is empty; a regular expression would refuse it.
        if low <= high {
            items += &format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high));
        }
    }
    Some(match (negated, items.is_empty()) {
        (true, _) => format!("[^/{items}]"),
        (false, true) => NEVER.to_owned(),
        (false, false) => format!("[{items}&&[^/]]"),
    })
}

fn push_literal(regex: &mut String, literal: char) {
    regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(list: &str) -> Ignore {
        Ignore { patterns: patterns(list).expect("a list"), list: None }
    }

    /// Lists, with paths that each ignores and does not. From docker's documentation and tests.
    #[test]
    fn patterns_match_as_in_docker() {
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
    fn an_ignored_folder_is_read_only_for_exceptions() {
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

    /// A matcher that backtracks would never finish the first of these.
    #[test]
    fn many_stars_take_linear_time() {
        let matches = |pattern: &str, path: &str| ignore(pattern).ignores(Path::new(path));
        for (pattern, expected) in
            [("*a".repeat(64) + "b", false), ("*a".repeat(64), true), ("**/a*".repeat(64), false)]
        {
            assert_eq!(matches(&pattern, &"a".repeat(4000)), expected, "{pattern}");
        }
        let deep = "a/".repeat(2000) + "c";
        assert!(!matches(&("**/a/".repeat(32) + "b"), &deep));
        assert!(matches(&("**/a/".repeat(32) + "c"), &deep));
    }

    #[test]
    fn classes_and_escapes() {
        for (pattern, path, expected) in [
            ("a[c-b]", "ab", false),
            ("a[b-]", "a-", true),
            ("a[\\]]", "a]", true),
            ("a[&~]", "a&", true),
            ("a[ä-ü]", "aö", true),
            ("a[.-0]b", "a/b", false),
            ("a\\", "a", false),
        ] {
            assert_eq!(ignore(pattern).ignores(Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn invalid_patterns_are_errors() {
        assert_eq!(patterns("a\n!\n").map(|_| ()), Err((2, "`!` without a pattern")));
        assert_eq!(patterns("a[b\n").map(|_| ()), Err((1, "the pattern has a `[` without a closing `]`")));
    }
}
