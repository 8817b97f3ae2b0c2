//! A plan as what was asked for: text with a summary, or one document.
//!
//! Both forms are promised in `docs/reference/plan.md`; the lines themselves are the plan's own.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::json::stream;
use crate::ui::terminal::style::{CARE, GOOD};
use moat_model::resource::{Kind, ResourceId, Run};
use moat_plan::{FieldDiff, Operation, Plan, Widening};

/// The plan as scripts get it.
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
}

/// Whether the plan may be carried out.
#[derive(Debug, Serialize)]
struct ApprovalDocument<'a> {
    needed: bool,
    /// Of the text that is to be approved, or is.
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    asks: &'a [String],
    not_fetched: Vec<String>,
}

/// What is known of the approval of a plan's spec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Approval<'a> {
    /// Of its canonical text.
    pub digest: &'a str,
    /// `None`: it is approved, or will be by its first apply.
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

/// Why a spec may not take effect.
#[derive(Debug, Clone, Copy)]
pub struct Missing<'a> {
    pub reason: &'a str,
    pub asks: &'a [String],
}

/// An operation as scripts get it, here and in the event stream. Numbers are those of the text.
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

/// The plan's lines and a summary. `spec` is the file as the user named it.
/// What widens is told of what was applied before: of what is new its marks say it.
/// `sessions`: how many it would end.
pub fn text(run: &Run, spec: &str, plan: &Plan, (widens, sessions): (&[Widening], usize), colour: Colour) -> String {
    if plan.is_empty() {
        return format!("{}: {} is as {spec} says\n", colour.paint(GOOD, "Nothing to do"), run.agent);
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
    for widening in widens.iter().filter(|widening| widening.known) {
        text.push_str(&format!("{}: {widening}\n", colour.paint(CARE, "Widens")));
    }
    if sessions > 0 {
        let plural = if sessions == 1 { "" } else { "s" };
        text.push_str(&format!("{}: {sessions} session{plural} in container/main\n", colour.paint(CARE, "Ends")));
    }
    text
}

/// What follows a plan of which something is not approved; empty, if all is.
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
    withheld.iter().map(|it| format!("  {it}: not fetched (not approved)\n")).collect()
}

/// What follows a plan that leaves volumes which the spec no longer has; empty, if there are none.
pub fn kept(volumes: &[String]) -> String {
    let line = |name: &String| {
        format!("Kept: volume {name} is no longer in the spec; `docker volume rm {name}` deletes it and its data\n")
    };
    volumes.iter().map(line).collect()
}

/// In place of a plan for a run that a user has stopped.
pub fn stopped(run: &Run, colour: Colour) -> String {
    let head = colour.paint(GOOD, "Nothing to do");
    format!("{head}: {} is stopped, and stays so until `moat start`\n", run.agent)
}

/// In place of a plan for a run whose command has come to its end.
pub fn completed(run: &Run, colour: Colour) -> String {
    let head = colour.paint(GOOD, "Nothing to do");
    format!("{head}: {} has completed, and `moat restart` runs it again\n", run.agent)
}

/// The plan as one document; ends with a line feed.
pub fn json(
    run: &Run,
    plan: &Plan,
    widens: &[Widening],
    (sessions, approval, kept): (usize, Approval<'_>, &[String]),
) -> String {
    stream::json(&Document {
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

/// The number that an operation has in the plan's text.
pub(in crate::ui) fn number(operation: &Operation) -> usize {
    operation.id.0 + 1
}

/// As in `Plan: 3 to do (2 create, 1 start)`, in the order in which the actions first come.
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

/// A bracket in a line is a mark only if it is the line of an operation that has one: a value may have brackets too.
fn is_marked(plan: &Plan, line: &str) -> bool {
    plan.operations.iter().any(|operation| operation.mark().is_some() && operation.to_string() == line)
}
