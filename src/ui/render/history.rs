//! The history of sandboxes as a table.

use crate::ui::Colour;
use crate::ui::terminal::style::{BAD, CARE, GOOD, harmless, notice};
use crate::ui::terminal::table;

/// One command on one sandbox.
#[derive(Debug, Clone)]
pub struct Row {
    pub time: String,
    pub run: String,
    pub trigger: String,
    pub outcome: String,
    pub good: bool,
    pub state: String,
    pub done: usize,
    pub took_ms: u64,
    /// The errors with their hints.
    pub errors: Vec<(String, Option<String>)>,
    pub steps: Vec<Step>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Step {
    /// For example `create network moat-builder-1f2e3d4c`.
    pub what: String,
    pub cause: String,
    pub result: String,
    pub took_ms: Option<u64>,
}

/// Returns one line for each command, with its errors and, if `steps`, its operations below. `several` adds the column
/// of the run.
pub fn text(rows: &[Row], several: bool, steps: bool, colour: Colour) -> String {
    let cells = |row: &Row| {
        let done = if row.done == 0 { "nothing to do".to_owned() } else { format!("{} done", row.done) };
        let run = if several { row.run.clone() } else { String::new() };
        [row.time.clone(), run, row.trigger.clone(), row.outcome.clone(), row.state.clone(), done, seconds(row.took_ms)]
    };
    let head = ["TIME", if several { "RUN" } else { "" }, "TRIGGER", "OUTCOME", "STATE", "WORK", "TOOK"];
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let table = table::painted(head, &cells, |row, column, cell| match column {
        OUTCOME => colour.paint(if rows[row].good { GOOD } else { BAD }, cell),
        _ => cell.to_owned(),
    });
    let mut lines = table.lines();
    let mut text = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    for (line, row) in lines.zip(rows) {
        text.push_str(line);
        text.push('\n');
        for (message, hint) in &row.errors {
            text.push_str(&format!("    {}\n", harmless(message)));
            text.extend(hint.iter().map(|hint| format!("    = help: {}\n", harmless(hint))));
        }
        if steps {
            let cells = |step: &Step| {
                let took = step.took_ms.map(seconds).unwrap_or_default();
                ["  ".to_owned(), step.what.clone(), step.result.clone(), step.cause.clone(), took]
            };
            let table = table::text(["", "", "", "", ""], &row.steps.iter().map(cells).collect::<Vec<_>>());
            text.extend(table.lines().skip(1).map(|line| format!("{line}\n")));
        }
    }
    text
}

/// The column of the table that is coloured.
const OUTCOME: usize = 3;

/// Returns a warning, for example about an unreadable part of the history.
pub fn warning(message: &str, colour: Colour) -> String {
    notice("warning", CARE, message, None, colour)
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
