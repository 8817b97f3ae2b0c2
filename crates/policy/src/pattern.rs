//! Patterns of host names: `example.com`, `*.example.com`, `**.example.com`.

use std::fmt;
use std::str::FromStr;

use super::name::{HostName, InvalidName, check_label, check_length, is_number};

/// A pattern: labels, optionally preceded by any number of further ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPattern {
    /// In the order of DNS, the most general one first.
    labels: Vec<Label>,
    /// Whether the pattern starts with `**`.
    any_depth: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    /// `*`
    Any,
    Exact(String),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("`*` matches a whole label, not a part of one such as `{0}`")]
    Partial(String),
    #[error("`**` is only possible as the first label")]
    Depth,
    #[error("the last label of a pattern cannot be `*`")]
    Last,
}

impl HostPattern {
    /// Every name.
    pub fn any() -> Self {
        Self { labels: Vec::new(), any_depth: true }
    }

    /// A name and nothing else.
    pub fn exactly(name: &HostName) -> Self {
        let labels = name.labels_from_the_right().map(|label| Label::Exact(label.to_owned())).collect();
        Self { labels, any_depth: false }
    }

    pub fn matches(&self, name: &HostName) -> bool {
        let mut names = name.labels_from_the_right();
        let all = self.labels.iter().all(|label| names.next().is_some_and(|name| label.matches(name)));
        all && (self.any_depth || names.next().is_none())
    }

    /// Whether every name that `other` matches is matched by this pattern.
    pub fn covers(&self, other: &Self) -> bool {
        let is_long_enough = match (self.any_depth, other.any_depth) {
            (true, _) => other.labels.len() >= self.labels.len(),
            (false, true) => false,
            (false, false) => other.labels.len() == self.labels.len(),
        };
        is_long_enough && self.labels.iter().zip(&other.labels).all(|(mine, theirs)| mine.covers(theirs))
    }

    /// Whether a name may match both patterns.
    pub fn intersects(&self, other: &Self) -> bool {
        let may_be_longer = |short: &Self, long: &Self| short.any_depth || short.labels.len() >= long.labels.len();
        may_be_longer(self, other)
            && may_be_longer(other, self)
            && self.labels.iter().zip(&other.labels).all(|(mine, theirs)| mine.covers(theirs) || theirs.covers(mine))
    }

    /// The name, if the pattern matches only one.
    pub fn single_name(&self) -> Option<HostName> {
        self.to_string().parse().ok()
    }
}

impl Label {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == name,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        *self == Self::Any || self == other
    }
}

impl FromStr for HostPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let name = text.strip_suffix('.').unwrap_or(text);
        check_length(name)?;
        if name == "**" {
            return Ok(Self::any());
        }
        let (any_depth, rest) = match name.strip_prefix("**.") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let labels = rest.rsplit('.').map(label).collect::<Result<Vec<_>, _>>()?;
        match labels.first() {
            Some(Label::Any) => Err(InvalidPattern::Last),
            Some(Label::Exact(last)) if is_number(last) => Err(InvalidName::Address(text.to_owned()).into()),
            _ => Ok(Self { labels, any_depth }),
        }
    }
}

fn label(text: &str) -> Result<Label, InvalidPattern> {
    match text {
        "*" => Ok(Label::Any),
        "**" => Err(InvalidPattern::Depth),
        _ if text.contains('*') => Err(InvalidPattern::Partial(text.to_owned())),
        _ => {
            check_label(text)?;
            Ok(Label::Exact(text.to_ascii_lowercase()))
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().rev().map(|label| match label {
            Label::Any => "*",
            Label::Exact(exact) => exact,
        });
        let all: Vec<&str> = self.any_depth.then_some("**").into_iter().chain(labels).collect();
        f.write_str(&all.join("."))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn one_star_is_one_label_and_two_are_any_number() {
        let table = [
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", false),
            ("example.com", "notexample.com", false),
            ("example.com", "com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("**.example.com", "example.com", true),
            ("**.example.com", "a.b.c.example.com", true),
            ("**.example.com", "notexample.com", false),
            ("**.example.com", "example.com.evil.org", false),
            ("a.*.example.com", "a.b.example.com", true),
            ("a.*.example.com", "b.b.example.com", false),
            ("**.*.example.com", "example.com", false),
            ("**.*.example.com", "a.b.example.com", true),
            ("**", "com", true),
            ("EXAMPLE.com.", "example.COM", true),
        ];
        for (rule, host, expected) in table {
            assert_eq!(pattern(rule).matches(&name(host)), expected, "{rule} {host}");
        }
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for text in
            ["", "*", "a.*", "**.*", "a.**", "a.**.b", "**a", "fo*.com", "***.com", "**.**.com", "*.1", "**..", "a..b"]
        {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    /// Few labels, so that random patterns and names often match.
    fn labels() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..4)
    }

    fn patterns() -> impl Strategy<Value = HostPattern> {
        (any::<bool>(), labels(), prop::sample::select(vec!["c", "d"])).prop_map(|(depth, labels, last)| {
            let all: Vec<&str> = depth.then_some("**").into_iter().chain(labels).chain([last]).collect();
            pattern(&all.join("."))
        })
    }

    fn names() -> impl Strategy<Value = HostName> {
        let labels = prop::collection::vec(prop::sample::select(vec!["a", "b", "x"]), 0..5);
        (labels, prop::sample::select(vec!["c", "d"])).prop_map(|(mut labels, last)| {
            labels.push(last);
            name(&labels.join("."))
        })
    }

    /// The textbook matcher, by recursion over both lists.
    fn matches_slowly(pattern: &[&str], name: &[&str]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((&"**", rest)) => (0..=name.len()).any(|skipped| matches_slowly(rest, &name[skipped..])),
            Some((label, rest)) => name
                .split_first()
                .is_some_and(|(first, names)| (*label == "*" || label == first) && matches_slowly(rest, names)),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_defined(pattern in patterns(), name in names()) {
            let (text, host) = (pattern.to_string(), name.to_string());
            let slow = matches_slowly(&text.split('.').collect::<Vec<_>>(), &host.split('.').collect::<Vec<_>>());
            prop_assert_eq!(pattern.matches(&name), slow, "{} {}", text, host);
        }

        #[test]
        fn a_pattern_round_trips(pattern in patterns()) {
            prop_assert_eq!(pattern.to_string().parse::<HostPattern>().unwrap(), pattern);
        }

        #[test]
        fn a_covering_pattern_matches_every_name_of_the_other(one in patterns(), other in patterns(), name in names()) {
            if one.covers(&other) && other.matches(&name) {
                prop_assert!(one.matches(&name), "{} {} {}", one, other, name);
            }
            prop_assert!(one.covers(&one));
            prop_assert!(!(one.matches(&name) && other.matches(&name)) || one.intersects(&other), "{} {}", one, other);
            prop_assert!(HostPattern::any().covers(&one));
        }

        /// The opposite direction: `covers` is not merely always false. `x` and `y` are in no pattern, so they stand for any label.
        #[test]
        fn a_pattern_that_does_not_cover_misses_a_name(one in patterns(), other in patterns()) {
            if !one.covers(&other) {
                let text = other.to_string();
                let with = |depth: &str| name(&text.replace("**.", depth).replace('*', "x"));
                let witnesses = [with(""), with("y."), with("y.y.y.y.y.y.")];
                let missed = witnesses.iter().any(|name| other.matches(name) && !one.matches(name));
                prop_assert!(missed, "{} {}", one, other);
            }
        }

        #[test]
        fn any_text_is_parsed_or_rejected(text in "\\PC{0,40}") {
            if let Ok(pattern) = text.parse::<HostPattern>() {
                prop_assert_eq!(pattern.to_string().parse::<HostPattern>().unwrap(), pattern);
            }
        }
    }
}
