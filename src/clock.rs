//! The wall clock, for timestamps in output and files.
//!
//! Decisions and delays do not use it: they use the clock of the runtime.

use jiff::Timestamp;

/// The source of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    System,
    /// A constant time, for reproducible output.
    Fixed(Timestamp),
}

impl Clock {
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Fixed(time) => time,
        }
    }
}

/// Formats a time for scripts: RFC 3339 in UTC, with milliseconds.
pub fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Formats a time in seconds since 1970 as RFC 3339.
pub fn at_second(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_have_the_same_length() {
        for (nanoseconds, text) in [(0, "1970-01-01T00:00:00.000Z"), (1_999_999_999, "1970-01-01T00:00:01.999Z")] {
            let time = Timestamp::from_nanosecond(nanoseconds).expect("in range");
            assert_eq!(written(Clock::Fixed(time).now()), text);
        }
    }
}
