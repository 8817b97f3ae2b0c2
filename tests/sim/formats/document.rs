//! Parses a page of `docs/reference/`: its sections and their tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The rows of each section's table: the cells, without the backticks of the first.
pub type Tables = BTreeMap<String, Vec<Vec<String>>>;

pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the tables of a page by heading; a table before the first heading belongs to the title.
pub fn tables(text: &str) -> Tables {
    let mut tables = Tables::new();
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix('#') {
            title.trim_start_matches('#').trim().clone_into(&mut heading);
        } else if line.starts_with('|') && !line.starts_with("| ---") {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            tables.entry(heading.clone()).or_default().push(cells.collect());
        }
    }
    for rows in tables.values_mut() {
        rows.remove(0);
        for row in rows {
            let name = row[0].trim_matches('`').to_owned();
            row[0] = name;
        }
    }
    tables
}

/// Returns the first cells of a section's table.
pub fn names(tables: &Tables, heading: &str) -> BTreeSet<String> {
    let rows = tables.get(heading).unwrap_or_else(|| panic!("no table under `{heading}`"));
    rows.iter().map(|row| row[0].clone()).collect()
}

/// Returns all fields of a document, grouped by the section that describes their object.
///
/// `section` describes `value` itself. An object in it is described by the section with the name of its field, or by its
/// alias in `aliases`.
pub fn fields(
    value: &Value,
    section: &str,
    aliases: &BTreeMap<&str, &str>,
    seen: &mut BTreeMap<String, BTreeSet<String>>,
) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                seen.entry(section.to_owned()).or_default().insert(key.clone());
                fields(value, aliases.get(key.as_str()).copied().unwrap_or(key), aliases, seen);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, section, aliases, seen)),
        _ => {}
    }
}
