//! Which version of the engine's interface is spoken, and what that version understands.
//!
//! An engine drops the fields that it does not know without a word, and what was dropped would be drift for
//! ever: so a field is only sent if the table here says that it is understood.

use std::fmt;
use std::str::FromStr;

/// A version of the engine's interface, as in `1.45`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    pub major: u16,
    pub minor: u16,
}

/// The newest version whose changes were read and found harmless. A newer engine is spoken to in this one.
pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 51 };

/// Docker 20.10, which Debian 12 ships: the oldest that is still in use.
pub const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// What only some engines understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `Healthcheck.StartInterval`: quick checks until the first success.
    StartInterval,
    /// `ConsoleSize` of an exec: its terminal has the right size from the first byte on.
    ExecConsoleSize,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of the engine's interface")]
pub struct NotAVersion(String);

impl Feature {
    /// The first version that understands it, from the engine's API version history.
    pub const fn since(self) -> ApiVersion {
        match self {
            Self::StartInterval => ApiVersion { major: 1, minor: 44 },
            Self::ExecConsoleSize => ApiVersion { major: 1, minor: 42 },
        }
    }
}

impl ApiVersion {
    /// The version to speak with an engine whose newest is `engine`; `None`: it is too old.
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
    fn the_older_of_the_two_is_spoken() {
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
    fn a_feature_begins_with_its_version() {
        assert!(!ApiVersion { major: 1, minor: 43 }.has(Feature::StartInterval));
        assert!(ApiVersion { major: 1, minor: 44 }.has(Feature::StartInterval));
        assert!(!OLDEST.has(Feature::ExecConsoleSize));
    }
}
