//! A failure, as a person needs it: what, why, the container's last words, what to do.

use super::style::{BAD, FAINT, harmless, help};
use super::{Colour, words};
use crate::event::Failure;

/// What waiting is called in a plan.
const AWAIT: &str = "await";

/// Ends with a line feed.
pub(super) fn text(failure: &Failure, colour: Colour) -> String {
    let mut text = format!("{}: {}\n", colour.paint(BAD, "error"), sentence(failure));
    if !failure.log.is_empty() {
        let about = format!("the last lines of {}", words::named(failure.resource.kind, &failure.name));
        text.push_str(&format!("  {} {about}\n", colour.paint(FAINT, "|")));
        for line in &failure.log {
            text.push_str(&format!("  {}   {}\n", colour.paint(FAINT, "|"), harmless(line)));
        }
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&help(hint, colour));
    }
    text
}

/// In one sentence: what could not be done, and why. A message that names the thing says both by itself.
fn sentence(failure: &Failure) -> String {
    let message = harmless(&failure.message);
    if failure.verb == AWAIT || message.contains(&format!("`{}`", failure.name)) {
        return message;
    }
    let verb = words::verb(failure.verb);
    format!("cannot {verb} {} `{}`: {message}", failure.resource.kind, failure.name)
}
