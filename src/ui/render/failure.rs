//! A failure for people and scripts: the operation, the reason, the last lines of the log, and a hint.

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::phrases;
use crate::ui::terminal::style::{BAD, FAINT, harmless, help};
use moat_model::engine::Fault;
use moat_model::resource::{Kind, ResourceId};
use moat_plan::event::{Asked, Code, Failure};

/// The verb of a wait in a plan.
const AWAIT: &str = "await";

/// A failure for scripts.
#[derive(Debug, Serialize)]
pub(in crate::ui) struct Document<'a> {
    resource: &'a ResourceId,
    name: &'a str,
    action: &'static str,
    code: Code,
    fault: Option<&'static str>,
    message: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<ProbeDocument<'a>>,
    log: &'a [String],
}

/// The failed probe of a container.
#[derive(Debug, Serialize)]
struct ProbeDocument<'a> {
    command: &'a str,
    exit_code: Option<i64>,
    output: Option<&'a str>,
}

/// Ends with a line feed.
pub(in crate::ui) fn text(failure: &Failure, colour: Colour) -> String {
    let mut text = format!("{}: {}\n", colour.paint(BAD, "error"), sentence(failure));
    if !failure.log.is_empty() {
        let about = match failure.resource.kind {
            Kind::Image => "the last lines of the step".to_owned(),
            kind => format!("the last lines of {}", phrases::named(kind, &failure.name)),
        };
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

/// Returns the failed operation and the reason in one sentence. A message that names the resource is already complete.
fn sentence(failure: &Failure) -> String {
    let message = harmless(&failure.message);
    if failure.verb == AWAIT || message.contains(&format!("`{}`", failure.name)) {
        return message;
    }
    let verb = phrases::verb(failure.verb);
    format!("cannot {verb} {} `{}`: {message}", failure.resource.kind, failure.name)
}

impl<'a> Document<'a> {
    pub(in crate::ui) fn of(failure: &'a Failure) -> Self {
        Self {
            resource: &failure.resource,
            name: &failure.name,
            action: failure.verb,
            code: failure.code,
            fault: failure.fault.map(Fault::code),
            message: &failure.message,
            hint: failure.hint.as_deref(),
            exit_code: failure.exit_code,
            probe: failure.probe.as_ref().map(ProbeDocument::of),
            log: &failure.log,
        }
    }
}

impl<'a> ProbeDocument<'a> {
    fn of(asked: &'a Asked) -> Self {
        Self { command: &asked.command, exit_code: asked.exit_code, output: asked.output.as_deref() }
    }
}
