//! Rules for HTTP requests to a host: `allow GET /x/**`, `deny * /**`. The first one that matches decides.

use std::fmt;
use std::str::FromStr;

use super::path::{Case, InvalidPath, PathPattern};
use super::request_path::RequestPath;

/// One rule for requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestRule {
    pub effect: Effect,
    pub method: MethodPattern,
    pub path: PathPattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Allow,
    Deny,
}

/// A method, or any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodPattern {
    Any,
    /// In capital letters.
    Exact(String),
}

/// A request, as far as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a RequestPath,
}

/// Why a text is no rule for requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    #[error("`{0}` is not a rule for requests")]
    Form(String),
    #[error("`{0}` is not a method")]
    Method(String),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("a list of rules for requests cannot be empty")]
    Empty,
    #[error("rules for requests are possible only on ports 80 and 443")]
    Port,
}

/// Longer than any method.
const METHOD_MAX: usize = 32;

impl RequestRule {
    /// Whether the rule is about a request in one reading of its path. Denials always ignore the case of letters,
    /// because some servers do.
    fn matches(&self, method: &str, path: &[Vec<u8>], case: Case) -> bool {
        let case = if self.effect == Effect::Deny { Case::Ignored } else { case };
        self.method.matches(method) && self.path.matches(path, case)
    }
}

impl MethodPattern {
    fn matches(&self, method: &str) -> bool {
        matches!(self, Self::Any) || matches!(self, Self::Exact(exact) if exact == method)
    }

    fn covers(&self, other: &Self) -> bool {
        *self == Self::Any || self == other
    }
}

/// What rules say about a request; `None`: no rule matches. In each reading of the path the first match decides, and a
/// denial of one reading is a denial.
pub(crate) fn effect(rules: &[RequestRule], asked: &Asked<'_>, case: Case) -> Option<Effect> {
    let mut effects = asked.path.readings().iter().map(|path| {
        let first = rules.iter().find(|rule| rule.matches(asked.method, path, case));
        first.map(|rule| rule.effect)
    });
    let first = effects.next().flatten();
    effects.fold(first, |all, effect| match (all, effect) {
        (Some(Effect::Deny), _) | (_, Some(Effect::Deny)) => Some(Effect::Deny),
        (Some(Effect::Allow), Some(Effect::Allow)) => Some(Effect::Allow),
        _ => None,
    })
}

/// Whether old rules allow every request that new ones do. Conservative: what several old rules allow only together is
/// not covered.
///
/// `case`: how the old rules compare what they allow.
pub(crate) fn covers(old: &[&RequestRule], new: &[&RequestRule], case: Case) -> bool {
    let denials = |rules: &[&RequestRule], before: usize| -> Vec<RequestRule> {
        rules[..before].iter().filter(|rule| rule.effect == Effect::Deny).map(|rule| (*rule).clone()).collect()
    };
    let is_covered = |at: usize, rule: &RequestRule| {
        let denied = denials(new, at);
        old.iter().enumerate().any(|(before, other)| {
            other.effect == Effect::Allow
                && other.method.covers(&rule.method)
                && other.path.covers(&rule.path, case)
                && denials(old, before).iter().all(|denial| !concerns(denial, rule) || is_kept(denial, &denied))
        })
    };
    new.iter().enumerate().filter(|(_, rule)| rule.effect == Effect::Allow).all(|(at, rule)| is_covered(at, rule))
}

/// Whether a denial takes something from what a later rule allows.
fn concerns(denial: &RequestRule, rule: &RequestRule) -> bool {
    (denial.method.covers(&rule.method) || rule.method.covers(&denial.method))
        && denial.path.intersects(&rule.path, Case::Ignored)
}

fn is_kept(denial: &RequestRule, denied: &[RequestRule]) -> bool {
    denied.iter().any(|it| it.method.covers(&denial.method) && it.path.covers(&denial.path, Case::Ignored))
}

impl FromStr for RequestRule {
    type Err = InvalidRequest;

    fn from_str(text: &str) -> Result<Self, InvalidRequest> {
        let mut words = text.split_whitespace();
        let (Some(effect), Some(method), Some(path), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidRequest::Form(text.to_owned()));
        };
        let effect = match effect {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => return Err(InvalidRequest::Form(text.to_owned())),
        };
        let is_method = method.len() <= METHOD_MAX && method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
        let method = match method {
            "*" => MethodPattern::Any,
            // A tunnel through the host, whose requests cannot be distinguished.
            "CONNECT" => return Err(InvalidRequest::Method(method.to_owned())),
            _ if is_method => MethodPattern::Exact(method.to_owned()),
            _ => return Err(InvalidRequest::Method(method.to_owned())),
        };
        Ok(Self { effect, method, path: path.parse()? })
    }
}

impl InvalidRequest {
    /// How to fix it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Form(_) => "expected `allow METHOD PATH` or `deny METHOD PATH`, such as `allow GET /x/**`",
            Self::Method(_) => "expected a method in capital letters, such as `GET`, or `*`",
            Self::Path(_) => "expected a path such as `/x`, `/x/*` or `/x/**`, without a query and not encoded",
            Self::Empty => "write the host alone to allow all requests to it",
            Self::Port => "remove the port, or write `:443`",
        }
    }
}

impl fmt::Display for RequestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        let method = match &self.method {
            MethodPattern::Any => "*",
            MethodPattern::Exact(exact) => exact,
        };
        write!(f, "{effect} {method} {}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(texts: &[&str]) -> Vec<RequestRule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn of(texts: &[&str], method: &str, path: &str) -> Option<Effect> {
        let path = RequestPath::new(path).unwrap();
        effect(&rules(texts), &Asked { method, path: &path }, Case::Exact)
    }

    #[test]
    fn the_first_match_decides() {
        let list = ["deny * /x/secret/**", "allow GET /x/**", "deny * /**", "allow POST /x"];
        assert_eq!(of(&list, "GET", "/x/y"), Some(Effect::Allow));
        assert_eq!(of(&list, "GET", "/x/secret/y"), Some(Effect::Deny));
        assert_eq!(of(&list, "POST", "/x"), Some(Effect::Deny), "an earlier rule denies it");
        assert_eq!(of(&list[..2], "POST", "/x/y"), None);
        assert_eq!(of(&["allow GET /x"], "get", "/x"), None, "methods have a case");
        assert_eq!(of(&["allow GET /x"], "HEAD", "/x"), None);
    }

    #[test]
    fn no_spelling_bypasses_a_rule() {
        let list = ["deny * /x/secret/**", "allow GET /x/**"];
        for path in [
            "/x/%73ecret/y",
            "/x/SECRET/y",
            "/x//secret/y",
            "//x/secret",
            "/x%2fsecret",
            "/x/secret;a=b/y",
            "/x\\secret",
            "/x/%2573ecret",
        ] {
            assert_ne!(of(&list, "GET", path), Some(Effect::Allow), "{path}");
        }
        for path in ["/@a%2fb", "/x//y", "/x/"] {
            assert_eq!(of(&["allow GET /**"], "GET", path), Some(Effect::Allow), "{path}");
        }
        assert_eq!(of(&["allow GET /a/*"], "GET", "/a/b%2fc"), None, "two segments for some servers");
    }

    #[test]
    fn each_error_has_a_remedy() {
        for (text, hint) in [
            ("GET /x", "allow METHOD PATH"),
            ("permit GET /x", "allow METHOD PATH"),
            ("allow GET", "allow METHOD PATH"),
            ("allow GET /x /y", "allow METHOD PATH"),
            ("allow get /x", "capital letters"),
            ("allow CONNECT /x", "capital letters"),
            ("allow GET,POST /x", "capital letters"),
            ("allow GET x", "/x/**"),
            ("allow GET /a*", "/x/**"),
        ] {
            let error = text.parse::<RequestRule>().expect_err(text);
            assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        }
    }

    fn rule() -> impl Strategy<Value = RequestRule> {
        let part = |all: &[&'static str]| prop::sample::select(all.to_vec());
        (
            part(&["allow", "deny"]),
            part(&["GET", "POST", "*"]),
            part(&["/", "/a", "/a/*", "/a/**", "/A/b", "/*/b", "/**"]),
        )
            .prop_map(|(effect, method, path)| format!("{effect} {method} {path}").parse().unwrap())
    }

    fn lists() -> impl Strategy<Value = Vec<RequestRule>> {
        prop::collection::vec(rule(), 0..4)
    }

    proptest! {
        #[test]
        fn rules_round_trip(rule in rule()) {
            prop_assert_eq!(rule.to_string().parse::<RequestRule>().unwrap(), rule);
        }

        /// Never wider than written: in all readings, the standard one among them, a rule says allow first.
        #[test]
        fn an_allowed_request_is_one_of_a_rule(rules in lists(), path in "(/([abAB]|%2f|%61|)){0,3}") {
            let Ok(path) = RequestPath::new(&format!("/{}", path.trim_start_matches('/'))) else { return Ok(()) };
            if effect(&rules, &Asked { method: "GET", path: &path }, Case::Exact) == Some(Effect::Allow) {
                for reading in path.readings() {
                    let first = rules.iter().find(|rule| rule.matches("GET", reading, Case::Exact));
                    prop_assert!(first.is_some_and(|rule| rule.effect == Effect::Allow));
                }
            }
        }

        #[test]
        fn covered_rules_allow_nothing_new(old in lists(), new in lists()) {
            let of = |rules: &'_ [RequestRule]| rules.to_vec();
            let (old, new) = (of(&old), of(&new));
            prop_assert!(covers(&new.iter().collect::<Vec<_>>(), &new.iter().collect::<Vec<_>>(), Case::Exact));
            if covers(&old.iter().collect::<Vec<_>>(), &new.iter().collect::<Vec<_>>(), Case::Exact) {
                for path in ["/", "/a", "/A", "/a/", "/a/b", "/A/b", "/a/B", "/x/b", "/a/b/c", "/x", "/a%2fb"] {
                    let path = RequestPath::new(path).unwrap();
                    for method in ["GET", "POST", "PUT"] {
                        let asked = Asked { method, path: &path };
                        let is_new = effect(&new, &asked, Case::Exact) == Some(Effect::Allow)
                            && effect(&old, &asked, Case::Exact) != Some(Effect::Allow);
                        prop_assert!(!is_new, "{method} {path:?}");
                    }
                }
            }
        }
    }
}
