//! The time of day, for whoever tells people and scripts when something happened.
//!
//! Nothing is decided by it, and nothing waits for it: those measure with the runtime's own clock.

use jiff::Timestamp;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    System,
    /// Always the same time, for output that is compared.
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

/// A time as it is written for scripts: RFC 3339, in UTC, to the millisecond.
pub fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A second since 1970 as people and scripts read it.
pub fn at_second(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_all_of_the_same_length() {
        for (nanoseconds, text) in [(0, "1970-01-01T00:00:00.000Z"), (1_999_999_999, "1970-01-01T00:00:01.999Z")] {
            let time = Timestamp::from_nanosecond(nanoseconds).expect("in range");
            assert_eq!(written(Clock::Fixed(time).now()), text);
        }
    }
}
