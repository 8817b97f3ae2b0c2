//! What was found of an engine and a machine, and what to do about it.

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::json::stream;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, bytes, harmless};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Good,
    /// It works, and could work better.
    Care,
    /// A sandbox will not come up.
    Bad,
    /// It cannot be found out.
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

/// One line for each check, and below it what to do; a summary at the end.
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
        (0, 0) => "\nSandboxes should come up here.\n".to_owned(),
        (0, care) => format!("\nSandboxes should come up here; {care} to take care of.\n"),
        (bad, _) => format!("\nSandboxes will not come up here: {bad} to mend first.\n"),
    });
    text
}

/// Ends with a line feed.
pub fn json(checks: &[Check]) -> String {
    stream::json(&Document { checks })
}

/// An amount of bytes for people.
pub fn amount(amount: u64) -> String {
    bytes(amount)
}
