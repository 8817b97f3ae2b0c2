//! The API version in use, and the features that depend on it.
//!
//! An engine silently drops fields that it does not know, and a dropped field would be drift for ever. A field is
//! therefore sent only if the table here says that the engine supports it.

use std::fmt;
use std::str::FromStr;

/// A version of the engine API, such as `1.45`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    pub major: u16,
    pub minor: u16,
}

/// The newest version whose changes were reviewed. Newer engines are used with this version.
pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 51 };

/// Docker 20.10, which Debian 12 ships: the oldest one in common use.
pub const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// The program behind the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    Docker,
    /// Its API is that of Docker 20.10 in name, and differs in places.
    Podman,
}

/// A feature that some engines lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `Healthcheck.StartInterval`: quick checks until the first success.
    StartInterval,
    /// `ConsoleSize` of an exec: the terminal has the right size from the first byte.
    ExecConsoleSize,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an engine API version")]
pub struct NotAVersion(String);

impl Feature {
    /// The first version with the feature, from the engine's API version history.
    pub const fn since(self) -> ApiVersion {
        match self {
            Self::StartInterval => ApiVersion { major: 1, minor: 44 },
            Self::ExecConsoleSize => ApiVersion { major: 1, minor: 42 },
        }
    }
}

impl ApiVersion {
    /// Negotiates the version with an engine whose newest is `engine`; `None` if that is too old.
    pub fn agree(engine: Self) -> Option<Self> {
        let agreed = engine.min(NEWEST);
        (agreed >= OLDEST).then_some(agreed)
    }

    pub fn has(self, feature: Feature) -> bool {
        self >= feature.since()
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let wrong = || NotAVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self { major: major.parse().map_err(|_| wrong())?, minor: minor.parse().map_err(|_| wrong())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_of_both_versions_is_used() {
        let table = [
            ("1.40", None),
            ("1.41", Some("1.41")),
            ("1.45", Some("1.45")),
            ("1.51", Some("1.51")),
            ("1.99", Some("1.51")),
            ("2.0", Some("1.51")),
        ];
        for (engine, agreed) in table {
            let engine: ApiVersion = engine.parse().expect(engine);
            assert_eq!(ApiVersion::agree(engine).map(|v| v.to_string()).as_deref(), agreed, "{engine}");
        }
    }

    #[test]
    fn minor_versions_are_numbers() {
        let old: ApiVersion = "1.9".parse().expect("a version");
        assert!(old < OLDEST, "1.9 is older than 1.41, though not as text");
        for bad in ["", "1", "1.", "1.x", "v1.41", "1.41.0"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_feature_depends_on_the_version() {
        assert!(!ApiVersion { major: 1, minor: 43 }.has(Feature::StartInterval));
        assert!(ApiVersion { major: 1, minor: 44 }.has(Feature::StartInterval));
        assert!(!OLDEST.has(Feature::ExecConsoleSize));
    }
}
