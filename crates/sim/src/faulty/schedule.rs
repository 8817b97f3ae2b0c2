//! Faults as data: which fault occurs at which call. Small enough to read in a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::interference::Interference;
use moat_model::engine::{Call, EngineError, Fault};

/// All faults of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule(pub Vec<Planned>);

/// One fault and its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    pub at: At,
    pub inject: Injection,
}

/// A call by its number, from 0, written `change 3` or `look 12`.
///
/// Changing calls are counted apart from reads: the number of probes
/// depends on timing, and would shift the numbers of all later calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum At {
    Change(u32),
    Look(u32),
}

/// The kind of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Injection {
    /// The call is refused without effect.
    FailBefore { error: Broken },
    /// The call takes effect, and the answer is lost.
    FailAfter { error: Broken },
    /// The call waits before it reaches the engine. In milliseconds.
    Slow { ms: u64 },
    /// The caller crashes before the call reaches the engine, or after it took effect.
    Crash { after: bool },
    /// Interference from outside just before the call arrives.
    Interfere { with: Interference },
    /// The engine goes down just before the call arrives. In milliseconds.
    EngineRestart { down_ms: u64 },
    /// No events are delivered for a while. In milliseconds. Without effect if there is no listener.
    EventsLost { ms: u64 },
}

/// The error of an injected failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Broken {
    Busy,
    Engine,
    Unreachable,
    TimedOut,
}

impl At {
    pub(super) fn of(call: Call, number: u32) -> Self {
        if call.changes() { Self::Change(number) } else { Self::Look(number) }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(number) => write!(f, "change {number}"),
            Self::Look(number) => write!(f, "look {number}"),
        }
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form `change 3` or `look 12`");
        let (word, number) = text.split_once(' ').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        match word {
            "change" => Ok(Self::Change(number)),
            "look" => Ok(Self::Look(number)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<At> for String {
    fn from(at: At) -> Self {
        at.to_string()
    }
}

impl Broken {
    pub(super) fn error(self) -> EngineError {
        match self {
            Self::Busy => EngineError::new(Fault::Busy, "injected: try again later"),
            Self::Engine => EngineError::new(Fault::Engine, "injected: the engine failed"),
            Self::Unreachable => EngineError::new(Fault::Unreachable, "injected: connection reset"),
            Self::TimedOut => EngineError::new(Fault::TimedOut, "injected: no answer"),
        }
    }
}
