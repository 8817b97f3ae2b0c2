//! The runs on an engine as a table or JSON.

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::written;
use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::phrases;
use crate::ui::render::outcome;
use crate::ui::terminal::style::{CARE, GOOD};
use crate::ui::terminal::table;
use moat_model::resource::Run;
use moat_model::state::{ContainerState, Observed};

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub run: &'a Run,
    pub observed: &'a Observed,
    /// The docker context of its engine, if several were asked.
    pub context: Option<&'a str>,
    /// Why no spec describes the run any more; `None` if one does.
    pub orphaned: Option<&'static str>,
    /// The reference time of ages.
    pub now: Timestamp,
}

/// The state of a run, derived from its containers without its spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// All containers run.
    Running,
    /// Some containers run.
    Partial,
    /// The command of the main container exited with 0, and the other containers run.
    Completed,
    /// The command of the main container exited with another code, and the other containers run.
    Failed,
    /// No container runs.
    Stopped,
    /// Only volumes exist.
    Kept,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    spec: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    state: RunStatus,
    /// The creation time of the oldest container.
    created_at: Option<String>,
    orphaned: Option<&'static str>,
    resources: Vec<String>,
}

impl RunStatus {
    pub fn of(observed: &Observed) -> Self {
        let up = observed.containers.iter().filter(|it| it.state == ContainerState::Running).count();
        let all_but_one = up + 1 == observed.containers.len() && !observed.is_stopped();
        match up {
            _ if all_but_one && observed.has_completed() => Self::Completed,
            _ if all_but_one && observed.has_failed() => Self::Failed,
            0 if observed.containers.is_empty() && observed.networks.is_empty() => Self::Kept,
            0 => Self::Stopped,
            _ if up == observed.containers.len() => Self::Running,
            _ => Self::Partial,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Partial => "partial",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Kept => "kept",
        }
    }
}

/// Columns of the table that are coloured.
const STATE: usize = 3;
const SPEC: usize = 6;

/// Returns the ids of the runs, one per line.
pub fn ids(rows: &[Row<'_>]) -> String {
    rows.iter().flat_map(|row| [row.run.id.as_str(), "\n"]).collect()
}

/// Returns one line for each run; empty without runs.
pub fn text(rows: &[Row<'_>], colour: Colour) -> String {
    let cells: Vec<[String; 7]> = rows.iter().map(Row::cells).collect();
    let context = if rows.iter().any(|row| row.context.is_some()) { "CONTEXT" } else { "" };
    table::painted(["RUN", "AGENT", context, "STATE", "AGE", "RESOURCES", "SPEC"], &cells, |row, column, cell| {
        let row = &rows[row];
        match (column, row.orphaned) {
            (STATE, _) if row.is_good() => colour.paint(GOOD, cell),
            (STATE, _) => colour.paint(CARE, cell),
            (SPEC, Some(why)) => format!("{cell} ({})", colour.paint(CARE, why)),
            _ => cell.to_owned(),
        }
    })
}

/// Returns a JSON array, which ends with a line feed.
pub fn json(rows: &[Row<'_>]) -> String {
    let documents: Vec<Document<'_>> = rows.iter().map(Row::document).collect();
    encode::json(&documents)
}

/// Returns the resources to remove and to keep for each run; ends with a line feed.
pub fn removal(rows: &[Row<'_>], stays: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for row in rows {
        let why = row.orphaned.unwrap_or_default();
        text.push_str(&format!("{} (spec {}: {why})\n", row.run.id, row.run.spec));
        for name in outcome::names(row.observed) {
            let verb = if stays(name.rsplit(' ').next().unwrap_or_default()) { "keep  " } else { "remove" };
            text.push_str(&format!("  {verb}  {name}\n"));
        }
    }
    text
}

impl<'a> Row<'a> {
    fn is_good(&self) -> bool {
        matches!(RunStatus::of(self.observed), RunStatus::Running | RunStatus::Completed)
    }

    fn cells(&self) -> [String; 7] {
        let context = self.context.unwrap_or_default().to_owned();
        let state = RunStatus::of(self.observed).as_str().to_owned();
        let count = outcome::names(self.observed).len().to_string();
        let age = self.created().map_or_else(|| "-".to_owned(), |then| phrases::age(self.now.duration_since(then)));
        [self.run.id.to_string(), self.run.agent.to_string(), context, state, age, count, self.run.spec.clone()]
    }

    fn created(&self) -> Option<Timestamp> {
        let oldest = self.observed.containers.iter().map(|it| it.created).min()?;
        Timestamp::from_second(oldest).ok()
    }

    fn document(&self) -> Document<'a> {
        Document {
            run: self.run.id.as_str(),
            agent: self.run.agent.as_str(),
            spec: &self.run.spec,
            context: self.context,
            state: RunStatus::of(self.observed),
            created_at: self.created().map(written),
            orphaned: self.orphaned,
            resources: outcome::names(self.observed),
        }
    }
}
