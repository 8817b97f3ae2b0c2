//! The reasons for the state of resources and for pending changes, as text or JSON.

use serde::Serialize;

use crate::clock::at_second;
use crate::ui::encode;
use moat_model::resource::{ResourceId, Run};
use moat_plan::{Cause, FieldDiff};

/// One resource.
#[derive(Debug)]
pub struct Reason {
    pub resource: ResourceId,
    /// `None` if the resource is in sync.
    pub cause: Option<Cause>,
    /// The creation time in seconds since 1970; `None` if the resource is missing or the time is unknown.
    pub since: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    resources: Vec<ReasonDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ReasonDocument<'a> {
    resource: &'a ResourceId,
    as_wanted: bool,
    cause: Option<&'static str>,
    text: Option<String>,
    diffs: &'a [FieldDiff],
    since: Option<String>,
}

/// Returns one line for each resource, with the differing fields below.
pub fn text(reasons: &[Reason]) -> String {
    let mut text = String::new();
    for Reason { resource, cause, since } in reasons {
        let since = since.map(|since| format!(", created at {}", at_second(since))).unwrap_or_default();
        match cause {
            None => text.push_str(&format!("{resource}: in sync{since}\n")),
            Some(Cause::Changed(diffs)) => {
                text.push_str(&format!("{resource}: out of sync{since}\n"));
                text.extend(diffs.iter().map(|diff| format!("    {diff}\n")));
            }
            Some(cause) => text.push_str(&format!("{resource}: {cause}{since}\n")),
        }
    }
    text
}

/// Returns the JSON document, which ends with a line feed.
pub fn json(run: &Run, reasons: &[Reason]) -> String {
    let resources = reasons.iter().map(|reason| {
        let (text, since) = (reason.cause.as_ref().map(ToString::to_string), reason.since.map(at_second));
        let (cause, diffs) =
            (reason.cause.as_ref().map(Cause::code), reason.cause.as_ref().map_or(&[][..], Cause::diffs));
        ReasonDocument { resource: &reason.resource, as_wanted: cause.is_none(), cause, text, diffs, since }
    });
    encode::json(&Document { run: run.id.as_str(), agent: run.agent.as_str(), resources: resources.collect() })
}
