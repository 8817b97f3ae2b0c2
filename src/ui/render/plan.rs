//! A plan as text with a summary, or as JSON.
//!
//! `docs/reference/plan.md` specifies both formats. `moat-plan` renders the lines of the operations.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{CARE, GOOD};
use moat_model::resource::{Kind, ResourceId, Run};
use moat_plan::{FieldDiff, Gain, Operation, Plan, Widening};

/// A plan for scripts.
#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    changes: bool,
    operations: Vec<OperationDocument<'a>>,
    widens: &'a [Widening],
    sessions: usize,
    approval: ApprovalDocument<'a>,
    kept: &'a [String],
    unchecked: &'a [&'a str],
    /// `None`: the spec has said it.
    isolation: Option<ChosenIsolation<'a>>,
    policy_limits: &'a [&'a str],
}

/// What a plan says besides its operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remarks<'a> {
    pub widens: &'a [Widening],
    /// The number of sessions that the plan ends.
    pub sessions: usize,
    pub approval: Approval<'a>,
    /// Volumes that the spec no longer has.
    pub kept: &'a [String],
    /// Mounted paths of a Docker host whose files moat cannot inspect.
    pub unchecked: &'a [&'a str],
    /// Whether the spec could do without privileged containers.
    pub could_be_rootless: bool,
    /// What `isolation: auto` has become.
    pub isolation: Option<ChosenIsolation<'a>>,
    /// What the network policy does not hold back on this engine, and the remedy.
    pub policy_limits: &'a [&'a str],
}

/// The isolation that the engine led to.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ChosenIsolation<'a> {
    pub kind: &'a str,
    pub reason: &'a str,
}

/// Whether the plan is approved.
#[derive(Debug, Serialize)]
struct ApprovalDocument<'a> {
    needed: bool,
    /// The digest of the text to approve, or of the approved one.
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    asks: &'a [String],
    not_fetched: Vec<String>,
}

/// The approval of a plan's spec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Approval<'a> {
    /// The digest of the canonical text.
    pub digest: &'a str,
    /// `None` if the spec is approved, or the first apply approves it.
    pub missing: Option<Missing<'a>>,
    pub not_fetched: &'a [Withheld],
}

/// A part of a spec that has not been looked at, since it is not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// Its value, by its name.
    Secret(String),
    /// The files of the folder that an image is built from.
    Context(String),
    /// What a tag means in its registry.
    Image(String),
}

impl Withheld {
    /// The word for scripts: a secret has been its name alone from the beginning.
    fn code(&self) -> String {
        match self {
            Self::Secret(name) => name.clone(),
            Self::Context(_) | Self::Image(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Context(folder) => write!(f, "build context {folder}"),
            Self::Image(reference) => write!(f, "image {reference}"),
        }
    }
}

/// Why a spec is not approved.
#[derive(Debug, Clone, Copy)]
pub struct Missing<'a> {
    pub reason: &'a str,
    pub asks: &'a [String],
}

/// An operation for scripts, here and in the event stream. Numbers are the same as in the text.
#[derive(Debug, Serialize)]
pub(in crate::ui) struct OperationDocument<'a> {
    id: usize,
    action: &'static str,
    kind: Kind,
    resource: &'a ResourceId,
    name: &'a str,
    after: Vec<usize>,
    cause: CauseDocument<'a>,
    mark: Option<String>,
}

#[derive(Debug, Serialize)]
struct CauseDocument<'a> {
    code: &'static str,
    text: String,
    diffs: &'a [FieldDiff],
}

/// Returns the lines of the plan, a summary and the remarks about its effects. `spec` is the file as the user named it.
/// Widenings are listed for existing resources only: new ones have marks.
pub fn text(run: &Run, spec: &str, plan: &Plan, remarks: &Remarks<'_>, colour: Colour) -> String {
    let Remarks { widens, sessions, unchecked, .. } = *remarks;
    if plan.is_empty() {
        return format!("{}: {} matches {spec}\n", colour.paint(GOOD, "Nothing to do"), run.agent);
    }
    let mut text = String::new();
    for line in plan.to_string().lines() {
        match line.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once(']')?))) {
            Some((before, (mark, after))) if is_marked(plan, line) => {
                text.push_str(&format!("{before}{}{after}\n", colour.paint(CARE, &format!("[{mark}]"))));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text.push_str(&format!("\n{}\n", summary(plan)));
    if let Some(ChosenIsolation { kind, reason }) = remarks.isolation {
        text.push_str(&format!("Isolation: {kind}, chosen by `auto`: {reason}\n"));
    }
    if remarks.could_be_rootless && plan.operations.iter().any(is_privileged) {
        text.push_str("Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`\n");
    }
    for limit in remarks.policy_limits {
        text.push_str(&format!("Hint: {limit}\n"));
    }
    for widening in widens.iter().filter(|widening| widening.known) {
        text.push_str(&format!("{}: {widening}\n", colour.paint(CARE, "Widens")));
    }
    if sessions > 0 {
        let plural = if sessions == 1 { "" } else { "s" };
        text.push_str(&format!("{}: {sessions} session{plural} in container/main\n", colour.paint(CARE, "Ends")));
    }
    for path in unchecked {
        let why = "the Docker host may be another machine; moat cannot inspect its links";
        text.push_str(&format!("{}: {path}: {why}\n", colour.paint(CARE, "Unchecked")));
    }
    text
}

/// Returns the text after a plan that lacks an approval; empty if it is approved.
pub fn missing(approval: Approval<'_>, colour: Colour) -> String {
    let mut text = String::new();
    if let Some(Missing { reason, asks }) = approval.missing {
        text.push_str(&format!("{}: {reason}\n", colour.paint(CARE, "Not approved")));
        for line in asks {
            text.push_str(&format!("  + {line}\n"));
        }
    }
    text.push_str(&not_fetched(approval.not_fetched));
    if approval.missing.is_some() {
        text.push_str(&format!("Approve with: moat apply --approve {}\n", approval.digest));
    }
    text
}

/// A line for each.
pub fn not_fetched(withheld: &[Withheld]) -> String {
    let mut text = String::new();
    for source in withheld {
        text.push_str(&format!("  {source}: not fetched (not approved)\n"));
    }
    text
}

/// Returns the text about volumes that the plan keeps although the spec no longer has them; empty without any.
pub fn kept(volumes: &[String]) -> String {
    let line = |name: &String| {
        format!("Kept: volume {name} is no longer in the spec; `docker volume rm {name}` deletes it and its data\n")
    };
    volumes.iter().map(line).collect()
}

/// Returns the text in place of a plan for a run that the user stopped.
pub fn stopped(run: &Run, colour: Colour) -> String {
    let head = colour.paint(GOOD, "Nothing to do");
    format!("{head}: {} is stopped until `moat start`\n", run.agent)
}

/// Returns the text in place of a plan for a run whose command completed.
pub fn completed(run: &Run, colour: Colour) -> String {
    let head = colour.paint(GOOD, "Nothing to do");
    format!("{head}: {} has completed; `moat restart` runs it again\n", run.agent)
}

/// Returns the JSON document, which ends with a line feed.
pub fn json(run: &Run, plan: &Plan, remarks: &Remarks<'_>) -> String {
    let Remarks { widens, sessions, approval, kept, unchecked, .. } = *remarks;
    encode::json(&Document {
        run: run.id.as_str(),
        agent: run.agent.as_str(),
        changes: plan.changes(),
        operations: operations(plan),
        widens,
        sessions,
        approval: ApprovalDocument {
            needed: approval.missing.is_some(),
            digest: approval.digest,
            reason: approval.missing.map(|it| it.reason),
            asks: approval.missing.map_or(&[], |it| it.asks),
            not_fetched: approval.not_fetched.iter().map(Withheld::code).collect(),
        },
        kept,
        unchecked,
        isolation: remarks.isolation,
        policy_limits: remarks.policy_limits,
    })
}

pub(in crate::ui) fn operations(plan: &Plan) -> Vec<OperationDocument<'_>> {
    plan.operations.iter().map(OperationDocument::of).collect()
}

impl<'a> OperationDocument<'a> {
    pub(in crate::ui) fn of(operation: &'a Operation) -> Self {
        Self {
            id: number(operation),
            action: operation.action.verb(),
            kind: operation.resource.kind,
            resource: &operation.resource,
            name: &operation.name,
            after: operation.after.iter().map(|id| id.0 + 1).collect(),
            cause: CauseDocument {
                code: operation.cause.code(),
                text: operation.cause.to_string(),
                diffs: operation.cause.diffs(),
            },
            mark: operation.mark(),
        }
    }
}

/// Returns the number of an operation in the plan's text.
pub(in crate::ui) fn number(operation: &Operation) -> usize {
    operation.id.0 + 1
}

/// Returns a summary such as `Plan: 3 to do (2 create, 1 start)`, with the actions in order of first occurrence.
fn summary(plan: &Plan) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in &plan.operations {
        let verb = operation.action.verb();
        if !order.contains(&verb) {
            order.push(verb);
        }
        *counts.entry(verb).or_default() += 1;
    }
    let parts: Vec<_> = order.iter().map(|verb| format!("{} {verb}", counts[verb])).collect();
    format!("Plan: {} to do ({})", plan.operations.len(), parts.join(", "))
}

fn is_privileged(operation: &Operation) -> bool {
    operation.mark().is_some_and(|mark| mark.split(", ").any(|mark| Some(mark) == Gain::Privileged.mark()))
}

/// Whether a line belongs to an operation with a mark. Values can contain brackets as well.
fn is_marked(plan: &Plan, line: &str) -> bool {
    plan.operations.iter().any(|operation| operation.mark().is_some() && operation.to_string() == line)
}
