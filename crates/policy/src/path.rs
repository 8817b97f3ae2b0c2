//! Patterns of the paths of HTTP requests: `/x`, `/x/*`, `/x/**`.
//!
//! Same rules as for hosts: `*` is one segment, `**` any number of further ones. Without query: it is not part of a rule.

use std::fmt;
use std::str::FromStr;

/// A pattern: segments, optionally followed by any number of further ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// Whether the pattern ends with `**`.
    any_depth: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `*`
    Any,
    Exact(String),
}

/// Whether the case of letters matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    Exact,
    Ignored,
}

/// Why a text is no pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("a path starts with `/`, unlike `{0}`")]
    Relative(String),
    #[error("`*` matches a whole segment of a path, not a part of one such as `{0}`")]
    Partial(String),
    #[error("`**` is only possible as the last segment of a path")]
    Depth,
    #[error("`{0}` cannot be part of a path in a rule")]
    Segment(String),
}

/// Characters that would make a rule ambiguous: of queries, fragments, encodings, parameters and lists of rules.
const RESERVED: [char; 6] = ['?', '#', '%', '\\', ';', ','];

impl PathPattern {
    /// Whether a path, in segments, is one of the pattern.
    pub(crate) fn matches(&self, path: &[Vec<u8>], case: Case) -> bool {
        let is_long_enough =
            if self.any_depth { path.len() >= self.segments.len() } else { path.len() == self.segments.len() };
        is_long_enough && self.segments.iter().zip(path).all(|(mine, theirs)| mine.matches(theirs, case))
    }

    /// Whether every path that `other` matches is matched by this pattern.
    pub fn covers(&self, other: &Self, case: Case) -> bool {
        let is_long_enough = match (self.any_depth, other.any_depth) {
            (true, _) => other.segments.len() >= self.segments.len(),
            (false, true) => false,
            (false, false) => other.segments.len() == self.segments.len(),
        };
        is_long_enough && self.segments.iter().zip(&other.segments).all(|(mine, theirs)| mine.covers(theirs, case))
    }

    /// Whether a path may match both patterns.
    pub fn intersects(&self, other: &Self, case: Case) -> bool {
        let may_be_longer = |short: &Self, long: &Self| short.any_depth || short.segments.len() >= long.segments.len();
        may_be_longer(self, other)
            && may_be_longer(other, self)
            && self.segments.iter().zip(&other.segments).all(|(a, b)| a.covers(b, case) || b.covers(a, case))
    }
}

impl Segment {
    fn matches(&self, segment: &[u8], case: Case) -> bool {
        match (self, case) {
            (Self::Any, _) => true,
            (Self::Exact(exact), Case::Exact) => exact.as_bytes() == segment,
            (Self::Exact(exact), Case::Ignored) => exact.as_bytes().eq_ignore_ascii_case(segment),
        }
    }

    fn covers(&self, other: &Self, case: Case) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(_), Self::Any) => false,
            (Self::Exact(_), Self::Exact(other)) => self.matches(other.as_bytes(), case),
        }
    }
}

impl FromStr for PathPattern {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let rest = text.strip_prefix('/').ok_or_else(|| InvalidPath::Relative(text.to_owned()))?;
        let (rest, any_depth) = match rest.strip_suffix("**") {
            Some("") => (None, true),
            Some(rest) => (Some(rest.strip_suffix('/').ok_or_else(|| InvalidPath::Partial(text.to_owned()))?), true),
            None => (Some(rest).filter(|rest| !rest.is_empty()), false),
        };
        let segments = rest.map(|rest| rest.split('/').map(segment).collect::<Result<_, _>>()).transpose()?;
        Ok(Self { segments: segments.unwrap_or_default(), any_depth })
    }
}

fn segment(text: &str) -> Result<Segment, InvalidPath> {
    let is_plain = text.chars().all(|it| it.is_ascii_graphic() && !RESERVED.contains(&it));
    match text {
        "*" => Ok(Segment::Any),
        "**" => Err(InvalidPath::Depth),
        "." | ".." => Err(InvalidPath::Segment(text.to_owned())),
        _ if text.contains('*') => Err(InvalidPath::Partial(text.to_owned())),
        _ if is_plain => Ok(Segment::Exact(text.to_owned())),
        _ => Err(InvalidPath::Segment(text.to_owned())),
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Any => "*",
            Segment::Exact(exact) => exact,
        });
        let all: Vec<&str> = segments.chain(self.any_depth.then_some("**")).collect();
        write!(f, "/{}", all.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> PathPattern {
        text.parse().unwrap()
    }

    fn path(text: &str) -> Vec<Vec<u8>> {
        let rest = text.strip_prefix('/').unwrap();
        if rest.is_empty() { Vec::new() } else { rest.split('/').map(|it| it.as_bytes().to_vec()).collect() }
    }

    #[test]
    fn one_star_is_one_segment_and_two_are_any_number() {
        let table = [
            ("/", "/", true),
            ("/", "/x", false),
            ("/x", "/x", true),
            ("/x", "/X", false),
            ("/x", "/x/", false),
            ("/x", "/xy", false),
            ("/x/*", "/x/y", true),
            ("/x/*", "/x", false),
            ("/x/*", "/x/y/z", false),
            ("/x/**", "/x", true),
            ("/x/**", "/x/", true),
            ("/x/**", "/x/y/z", true),
            ("/x/**", "/xy", false),
            ("/*/y", "/x/y", true),
            ("/**", "/", true),
            ("/**", "/x/y", true),
        ];
        for (rule, text, expected) in table {
            assert_eq!(pattern(rule).matches(&path(text), Case::Exact), expected, "{rule} {text}");
        }
        assert!(pattern("/Me/x").matches(&path("/mE/X"), Case::Ignored));
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for text in [
            "", "x", "**", "/x**", "/**/x", "/***", "/a*", "/a?b", "/a#b", "/%2e", "/a\\b", "/a;b", "/a,b", "/..",
            "/a/./b", "/a b", "/ä",
        ] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }

    fn segments() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "A", "b", "*"]), 0..4)
    }

    fn patterns() -> impl Strategy<Value = PathPattern> {
        (segments(), any::<bool>()).prop_map(|(segments, depth)| {
            let all: Vec<&str> = segments.into_iter().chain(depth.then_some("**")).collect();
            pattern(&format!("/{}", all.join("/")))
        })
    }

    fn paths() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let segments = prop::collection::vec(prop::sample::select(vec!["a", "A", "b", "x", ""]), 0..5);
        segments.prop_map(|all| all.into_iter().map(|it| it.as_bytes().to_vec()).collect())
    }

    proptest! {
        #[test]
        fn patterns_round_trip(pattern in patterns()) {
            prop_assert_eq!(pattern.to_string().parse::<PathPattern>().unwrap(), pattern);
        }

        #[test]
        fn covers_and_intersects_agree_with_matches(one in patterns(), other in patterns(), path in paths()) {
            for case in [Case::Exact, Case::Ignored] {
                let (first, second) = (one.matches(&path, case), other.matches(&path, case));
                prop_assert!(!one.covers(&other, case) || !second || first, "{one} covers {other}");
                prop_assert!(!(first && second) || one.intersects(&other, case), "{one} and {other}");
                prop_assert!(one.covers(&one, case) && pattern("/**").covers(&one, case));
            }
        }
    }
}
