//! The audit log as a table or JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{BAD, CARE, GOOD, harmless};
use crate::ui::terminal::table;

/// An intent with its outcome, or a fact.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row<'a> {
    pub seq: u64,
    pub time: &'a str,
    pub event: &'a str,
    pub run: Option<&'a str>,
    pub agent: Option<&'a str>,
    pub engine: Option<&'a str>,
    pub command: &'a str,
    #[serde(skip)]
    pub is_intent: bool,
    /// The result of an intent: `done`, `failed`, `skipped` or `unknown`; `None` while it is open, and for a fact.
    pub result: Option<&'static str>,
    pub data: &'a Map<String, Value>,
    /// The data that the outcome adds.
    #[serde(rename = "came_of_it")]
    pub outcome_data: Option<&'a Map<String, Value>>,
}

/// The fields of an entry's data that describe it to a person, the best first.
const DESCRIPTIVE: [&str; 7] = ["name", "network", "volume", "image", "program", "path", "to_lose"];

impl Row<'_> {
    /// Whether the intent failed, is open or has an unknown result.
    pub fn is_bad(&self) -> bool {
        self.is_intent && !matches!(self.result, Some("done" | "skipped"))
    }

    fn result(&self) -> &'static str {
        match self.result {
            Some(result) => result,
            None if self.is_intent => "open",
            None => "-",
        }
    }

    fn what(&self) -> String {
        let found = DESCRIPTIVE.iter().find_map(|field| self.data.get(*field)?.as_str());
        let mut text = found.map(harmless).unwrap_or_default();
        if self.data.get("privileged") == Some(&Value::Bool(true)) {
            text.push_str(" [privileged]");
        }
        if let Some(code) = self.outcome_data.and_then(|it| it.get("exit_code")) {
            text.push_str(&format!(" (exit code {code})"));
        }
        text
    }
}

/// Returns one line for each row; empty without rows.
pub fn text(rows: &[Row<'_>], colour: Colour) -> String {
    let cells = |row: &Row<'_>| {
        let run = row.run.unwrap_or("-").to_owned();
        [row.seq.to_string(), row.time.to_owned(), row.event.to_owned(), row.result().to_owned(), run, row.what()]
    };
    let cells: Vec<_> = rows.iter().map(cells).collect();
    table::painted(["ENTRY", "TIME", "EVENT", "RESULT", "RUN", "WHAT"], &cells, |_, column, cell| {
        match (column, cell) {
            (RESULT, "failed") => colour.paint(BAD, cell),
            (RESULT, "unknown" | "open" | "skipped") => colour.paint(CARE, cell),
            (RESULT, _) => colour.paint(GOOD, cell),
            _ => cell.to_owned(),
        }
    })
}

/// The column of the table that is coloured.
const RESULT: usize = 3;

/// Returns a JSON array, which ends with a line feed.
pub fn json(rows: &[Row<'_>]) -> String {
    encode::json(&rows)
}

/// Reports an intact log.
pub fn verified(entries: u64, open: usize, torn: u64, key: &str, json: bool) -> String {
    if json {
        let document =
            serde_json::json!({ "valid": true, "entries": entries, "open": open, "torn_bytes": torn, "key": key });
        return encode::json(&document);
    }
    let mut text = format!("{entries} entries, all intact\nkey {key}\n");
    if open > 0 {
        text.push_str(&format!("{open} without an outcome: a command is still running, or was killed\n"));
    }
    if torn > 0 {
        text.push_str(&format!("{torn} bytes of a line cut short by a crash; the next command removes them\n"));
    }
    text
}

/// Reports the first broken entry of a log; entry 0 is the head.
pub fn broken(entry: u64, why: &str, json: bool, colour: Colour) -> String {
    if json {
        let first = (entry > 0).then_some(entry);
        return encode::json(&serde_json::json!({ "valid": false, "entry": first, "why": why }));
    }
    let place = if entry == 0 { String::new() } else { format!("entry {entry}: ") };
    format!("{}: {place}{why}\n", colour.paint(BAD, "broken"))
}

pub fn exported(file: &str, key: &str, json: bool) -> String {
    if json {
        return encode::json(&serde_json::json!({ "file": file, "key": key }));
    }
    format!("{file}\nkey {key}\nmoat audit verify {file} --key {key}\n")
}

pub fn rotated(key: &str, json: bool) -> String {
    if json {
        return encode::json(&serde_json::json!({ "key": key }));
    }
    format!("the old log was set aside and a new one started\nkey {key}\n")
}
