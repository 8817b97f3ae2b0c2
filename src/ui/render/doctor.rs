//! The checks of `moat doctor` with their hints.

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, bytes, harmless};

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Good,
    /// Works, with a disadvantage.
    Care,
    /// Prevents a sandbox from starting.
    Bad,
    /// Cannot be determined.
    Unknown,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    checks: &'a [Check],
}

impl Check {
    pub fn good(check: &'static str, found: String) -> Self {
        Self { check, verdict: Verdict::Good, found, hint: None }
    }

    pub fn care(check: &'static str, found: String, hint: &str) -> Self {
        Self { check, verdict: Verdict::Care, found, hint: Some(hint.to_owned()) }
    }

    pub fn bad(check: &'static str, found: String, hint: &str) -> Self {
        Self { check, verdict: Verdict::Bad, found, hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()) }
    }

    pub fn unknown(check: &'static str, found: String) -> Self {
        Self { check, verdict: Verdict::Unknown, found, hint: None }
    }
}

/// Returns one line for each check, with its hint below, and a summary at the end.
pub fn text(checks: &[Check], colour: Colour) -> String {
    let width = checks.iter().map(|it| it.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for it in checks {
        let (word, style) = match it.verdict {
            Verdict::Good => ("good", GOOD),
            Verdict::Care => ("care", CARE),
            Verdict::Bad => ("bad ", BAD),
            Verdict::Unknown => ("?   ", FAINT),
        };
        text.push_str(&format!("{}  {:width$}  {}\n", colour.paint(style, word), it.check, harmless(&it.found)));
        if let Some(hint) = &it.hint {
            text.push_str(&format!("      {:width$}  -> {hint}\n", ""));
        }
    }
    let count = |verdict| checks.iter().filter(|it| it.verdict == verdict).count();
    text.push_str(&match (count(Verdict::Bad), count(Verdict::Care)) {
        (0, 0) => "\nSandboxes should start on this engine.\n".to_owned(),
        (0, 1) => "\nSandboxes should start on this engine; 1 warning.\n".to_owned(),
        (0, care) => format!("\nSandboxes should start on this engine; {care} warnings.\n"),
        (1, _) => "\nSandboxes cannot start on this engine: fix 1 problem.\n".to_owned(),
        (bad, _) => format!("\nSandboxes cannot start on this engine: fix {bad} problems.\n"),
    });
    text
}

/// Ends with a line feed.
pub fn json(checks: &[Check]) -> String {
    encode::json(&Document { checks })
}

/// Formats an amount of bytes.
pub fn amount(amount: u64) -> String {
    bytes(amount)
}
