//! The differences of two canonical configurations, field by field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::FieldDiff;

/// The fields in which the last applied configuration differs from the desired one, sorted by name.
///
/// Objects are compared by field, so that each environment variable is a field; lists are compared whole.
pub fn between(applied: &str, desired: &str) -> Vec<FieldDiff> {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or(Value::Object(Map::new()));
    let mut diffs = Vec::new();
    walk("", &parse(applied), &parse(desired), &mut diffs);
    diffs
}

fn walk(path: &str, old: &Value, new: &Value, diffs: &mut Vec<FieldDiff>) {
    let (Value::Object(olds), Value::Object(news)) = (old, new) else {
        if old != new {
            let side = |value: &Value| if value.is_null() { None } else { Some(value.clone()) };
            diffs.push(FieldDiff { field: path.to_owned(), old: side(old), new: side(new) });
        }
        return;
    };
    let keys: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
    for key in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let absent = match (olds.get(key), news.get(key)) {
            // A map that was unset is shown by its entries too.
            (Some(Value::Object(_)), None) | (None, Some(Value::Object(_))) => Value::Object(Map::new()),
            _ => Value::Null,
        };
        let side = |values: &Map<String, Value>| values.get(key).cloned().unwrap_or_else(|| absent.clone());
        walk(&path, &side(olds), &side(news), diffs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_reported_by_field() {
        let old = r#"{"image":"a:1","env":{"A":"1","B":"2"},"init":true}"#;
        let new = r#"{"image":"a:2","env":{"A":"1","C":"3"},"command":["x"]}"#;
        let text: Vec<_> = between(old, new).iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                r#"command unset -> ["x"]"#,
                r#"env.B "2" -> unset"#,
                r#"env.C unset -> "3""#,
                r#"image "a:1" -> "a:2""#,
                "init true -> unset",
            ]
        );
        assert_eq!(between(old, old), []);
    }

    #[test]
    fn an_added_or_removed_map_is_reported_by_its_entries() {
        let text: Vec<_> = between("{}", r#"{"env":{"A":"1"}}"#).iter().map(ToString::to_string).collect();
        assert_eq!(text, [r#"env.A unset -> "1""#]);
        assert_eq!(between(r#"{"env":{"A":"1"}}"#, "{}").len(), 1);
    }

    #[test]
    fn an_unreadable_record_differs_in_every_desired_field() {
        assert_eq!(between("not json", r#"{"a":1}"#).len(), 1);
    }
}
