//! Versions of dependencies, such as `17` and `3.12`, and ranges of them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Numbers separated by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Vec<u32>);

/// The available versions: `16..17` includes both ends, `18..` has no end, and a single version is a range too. A bound
/// compares only as many numbers as it has: 17.2 is in `16..17`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Versions {
    oldest: Version,
    newest: Option<Version>,
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version")]
pub struct NoVersion(String);

/// Tags of images have at most this many numbers.
const NUMBERS_MAX: usize = 4;

impl Version {
    /// Compares as many numbers as `bound` has; missing ones are zero.
    fn against(&self, bound: &Self) -> Ordering {
        let number = |i| self.0.get(i).copied().unwrap_or(0);
        (0..bound.0.len()).map(number).cmp(bound.0.iter().copied())
    }
}

impl Versions {
    pub fn contains(&self, version: &Version) -> bool {
        let not_too_new = |newest: &Version| version.against(newest) != Ordering::Greater;
        version.against(&self.oldest) != Ordering::Less && self.newest.as_ref().is_none_or(not_too_new)
    }

    /// The newest version, the default; `None`: the range has no end.
    pub fn newest(&self) -> Option<&Version> {
        self.newest.as_ref()
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let wrong = || NoVersion(text.to_owned());
        // A leading zero is another spelling of the same number, and not a tag.
        let number = |part: &str| {
            let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
            plain.then(|| part.parse().ok()).flatten().ok_or_else(wrong)
        };
        let numbers: Vec<u32> = text.split('.').map(number).collect::<Result<_, _>>()?;
        if numbers.len() > NUMBERS_MAX { Err(wrong()) } else { Ok(Self(numbers)) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("."))
    }
}

impl TryFrom<String> for Versions {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        let Some((oldest, newest)) = text.split_once("..") else {
            let only: Version = text.parse()?;
            return Ok(Self { oldest: only.clone(), newest: Some(only) });
        };
        let newest = if newest.is_empty() { None } else { Some(newest.parse()?) };
        Ok(Self { oldest: oldest.parse()?, newest })
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.to_string()
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.newest {
            Some(newest) if *newest == self.oldest => write!(f, "{newest}"),
            Some(newest) => write!(f, "{} to {newest}", self.oldest),
            None => write!(f, "{} and newer", self.oldest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_both_ends_and_their_patch_versions() {
        let table: [(&str, &[&str], &[&str]); 4] = [
            ("16..17", &["16", "16.0", "17", "17.2"], &["15", "15.9", "18", "18.0"]),
            ("3.9..3.14", &["3.9", "3.12", "3.14.1"], &["3.8", "3.15", "3", "4", "2.9"]),
            ("7", &["7", "7.4"], &["6", "8"]),
            ("1.80..", &["1.80", "1.95", "2"], &["1.79", "1"]),
        ];
        for (range, inside, outside) in table {
            let range = Versions::try_from(range.to_owned()).expect(range);
            let has = |text: &&&str| range.contains(&text.parse().expect("a version"));
            assert_eq!(inside.iter().filter(has).count(), inside.len(), "{range}");
            assert_eq!(outside.iter().filter(has).count(), 0, "{range}");
        }
    }

    #[test]
    fn texts_that_are_not_versions_are_rejected() {
        for bad in ["", "a", "1.", ".1", "01", "1..2", "1.2.3.4.5", "-1", "+1", "1 ", "99999999999"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
