//! Colours and common elements of text.
//!
//! Colours only repeat information that the text contains.

use anstyle::{AnsiColor, Style};

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Never,
    Always,
}

pub(in crate::ui) const GOOD: Style = AnsiColor::Green.on_default();
pub(in crate::ui) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(in crate::ui) const CARE: Style = AnsiColor::Yellow.on_default();
pub(in crate::ui) const STRONG: Style = Style::new().bold();
pub(in crate::ui) const FAINT: Style = Style::new().dimmed();

impl Colour {
    /// Returns `text` in `style`, if colours are used.
    pub(in crate::ui) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Never => text.to_owned(),
            Self::Always => format!("{style}{text}{style:#}"),
        }
    }
}

/// Returns a message with its label and hint, in the format of diagnostics: `error: …`. Ends with a line feed.
pub(in crate::ui) fn notice(label: &str, style: Style, message: &str, hint: Option<&str>, colour: Colour) -> String {
    let mut text = format!("{}: {message}\n", colour.paint(style, label));
    if let Some(hint) = hint {
        text.push_str(&help(hint, colour));
    }
    text
}

/// Returns a hint as a line below a message.
pub(in crate::ui) fn help(hint: &str, colour: Colour) -> String {
    format!("  = {}: {hint}\n", colour.paint(STRONG, "help"))
}

/// Formats an amount of bytes as Docker does: in powers of 1000, with one decimal.
pub(in crate::ui) fn bytes(amount: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(size, _)| amount >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", amount / size, amount % size * 10 / size),
        None => format!("{amount} B"),
    }
}

/// Replaces control characters in text from a container or a registry, which must not move the cursor or change colours.
pub(in crate::ui) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c == '\t' || !c.is_control() { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_one_decimal_and_a_unit() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999_999, "999.9 MB"),
            (1_000_000_000, "1.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ];
        for (amount, text) in table {
            assert_eq!(bytes(amount), text);
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(harmless("a\u{1b}[2J\tb\r"), "a\u{fffd}[2J\tb\u{fffd}");
    }
}
