//! What a verification of a network policy found.

use serde::Serialize;

use crate::observe::verification::{Check, Origin, Subject, Verdict, is_proven};
use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{BAD, CARE, GOOD, harmless};
use crate::ui::terminal::table;
use moat_model::resource::Run;

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    verified: bool,
    checks: &'a [Check],
}

/// Returns a table.
pub fn text(checks: &[Check], colour: Colour) -> String {
    let row = |check: &Check| {
        let subject = check.subject.as_ref().map_or("everything", subject);
        let target = check.target.clone().unwrap_or_default();
        [origin(check.from), subject, &target, verdict(check.result), &harmless(&check.detail)].map(str::to_owned)
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    let paint = |row: usize, column: usize, cell: &str| {
        let style = match checks[row].result {
            Verdict::Passed => GOOD,
            Verdict::Failed => BAD,
            Verdict::Untried => CARE,
        };
        if column == 3 { colour.paint(style, cell) } else { cell.to_owned() }
    };
    table::painted(["FROM", "WHAT", "TARGET", "RESULT", "DETAIL"], &rows, paint)
}

/// Ends with a line feed.
pub fn json(run: &Run, checks: &[Check]) -> String {
    let verified = is_proven(checks);
    encode::json(&Document { run: run.id.as_str(), agent: run.agent.as_str(), verified, checks })
}

fn origin(from: Origin) -> &'static str {
    match from {
        Origin::Main => "main",
        Origin::Container => "container inside",
        Origin::Build => "build",
    }
}

fn subject(subject: &Subject) -> &'static str {
    match subject {
        Subject::AllowedName => "allowed name",
        Subject::DeniedName => "denied name",
        Subject::PublicAddress => "public address",
        Subject::Host => "Docker host",
        Subject::OtherSandbox => "other sandbox",
        Subject::Metadata => "metadata address",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "ok",
        Verdict::Failed => "FAILED",
        Verdict::Untried => "not tried",
    }
}
