//! Encodes JSON documents, safe for terminals.

use serde::Serialize;

/// Serialises a document with indentation; ends with a line feed.
#[expect(clippy::missing_panics_doc, reason = "structs with string keys always serialise")]
pub fn json(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("plain structs with string keys always serialise");
    escaped(text) + "\n"
}

/// Joins documents to a JSON array; ends with a line feed.
pub fn array(documents: &[String]) -> String {
    let indented = documents.iter().map(|document| {
        let lines: Vec<String> = document.lines().map(|line| format!("  {line}")).collect();
        lines.join("\n")
    });
    let all: Vec<String> = indented.collect();
    if all.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", all.join(",\n")) }
}

/// Serialises a document to one line; ends with a line feed.
pub(in crate::ui) fn compact(line: &impl Serialize) -> String {
    escaped(serde_json::to_string(line).expect("plain structs with string keys always serialise")) + "\n"
}

/// Escapes DEL and the C1 control characters. JSON requires this only for C0, but terminals interpret the others as well
/// (U+009B is the same as ESC `[`). They can only occur in strings.
fn escaped(json: String) -> String {
    let is_control = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !json.contains(is_control) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_control(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}
