//! Limits of a container, and their units.
//!
//! Amounts use the notation of engines: sizes with powers of 1024, CPUs with fractions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The limits of a container. Unset limits are omitted from the canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// An amount of memory or disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A share of the host's CPUs, in billionths of one: the engine's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub u64);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("`{0}` is not a size")]
    Size(String),
    #[error("`{0}` is not a number of processors")]
    Cpus(String),
}

/// The suffixes of powers of 1024, as in docker, the largest first.
const UNITS: [(char, u64); 4] = [('t', 1 << 40), ('g', 1 << 30), ('m', 1 << 20), ('k', 1 << 10)];

/// Billionths of one CPU.
const NANO: u64 = 1_000_000_000;

impl Limits {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Size {
    /// Parses a size as docker does: `512m`, `1.5g`, `64KiB`; always powers of 1024. A bare number counts
    /// `bare` bytes.
    ///
    /// # Errors
    /// [`AmountError::Size`] if it is no size, or too large.
    pub fn parse(text: &str, bare: u64) -> Result<Self, AmountError> {
        let wrong = || AmountError::Size(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
        let (number, unit) = lower.split_at(digits);
        let unit = match unit.trim_start() {
            "" => bare,
            "b" => 1,
            letters => {
                let mut rest = letters.chars();
                let known = UNITS.iter().find(|(letter, _)| rest.clone().next() == Some(*letter));
                let (_, size) = known.ok_or_else(wrong)?;
                rest.next();
                match rest.as_str() {
                    "" | "b" | "ib" => *size,
                    _ => return Err(wrong()),
                }
            }
        };
        scaled(number, unit).map(Self).ok_or_else(wrong)
    }
}

/// A decimal number times a unit, without floating-point rounding.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    // Nine digits are more than needed, and fit.
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let total = whole.parse::<u128>().ok()?.checked_mul(unit.into())? + part * u128::from(unit) / 10_u128.pow(digits);
    u64::try_from(total).ok().filter(|total| i64::try_from(*total).is_ok())
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => write!(f, "{}b", self.0),
        }
    }
}

impl FromStr for Cpus {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let cpus = scaled(text.trim(), NANO).filter(|nano| *nano > 0);
        cpus.map(Self).ok_or_else(|| AmountError::Cpus(text.to_owned()))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / NANO, self.0 % NANO);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{part:09}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text, 1).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A kernel limit of each process: the soft and the hard limit. -1: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

impl Serialize for Ulimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.soft, self.hard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_as_by_docker() {
        let table = [
            ("512m", 512 << 20, "512m"),
            ("1.5g", 1536 << 20, "1536m"),
            ("64KiB", 64 << 10, "64k"),
            ("2GB", 2 << 30, "2g"),
            ("100b", 100, "100b"),
            ("512", 512 << 20, "512m"),
            ("1 g", 1 << 30, "1g"),
            ("0.1k", 102, "102b"),
        ];
        for (text, bytes, shown) in table {
            let size = Size::parse(text, 1 << 20).expect(text);
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for text in
            ["", "m", "-1m", "1x", "1mm", "1.g", ".5g", "1e3", "99999999999999999999t", "8388608t", "1.0000000001g"]
        {
            assert!(Size::parse(text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn processors_are_counted_exactly() {
        for (text, nano, shown) in [("2", 2 * NANO, "2"), ("1.5", 1_500_000_000, "1.5"), ("0.10", NANO / 10, "0.1")] {
            let cpus: Cpus = text.parse().expect(text);
            assert_eq!((cpus.0, cpus.to_string().as_str()), (nano, shown), "{text}");
        }
        for text in ["", "0", "0.0", "-1", "two", "1.0000000001", ".5"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }
}
