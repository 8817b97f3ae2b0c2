//! The language as a JSON Schema, for editors and validators, generated from the table that files are checked against.
//!
//! Structure only: keys, types and choices. The rules for texts are not included.

use serde_json::{Map, Value, json};

use super::language;
use super::language::foreign_keys::{FOREIGN_KEYS, Handling};
use super::shape::{Key, Shape};

/// A value with a variable is a string until it is substituted.
const VARIABLE: &str = "\\$\\{";

/// The content of `specs/agent.schema.json`; ends with a line feed.
pub fn schema() -> String {
    let mut schema = of(&language::AGENT);
    let ignored = FOREIGN_KEYS.iter().filter(|it| it.handling == Handling::Ignored);
    for it in ignored {
        schema["properties"][it.path] =
            json!({ "deprecated": true, "description": format!("Ignored: {}.", it.reason) });
    }
    // An extended file may provide the name.
    schema["anyOf"] = ["agent", "name", "extends", "include"].iter().map(|key| json!({ "required": [key] })).collect();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("agent.yaml");
    schema["description"] = json!("The sandbox of a coding agent, managed by moat.");
    serde_json::to_string_pretty(&schema).unwrap_or_else(|error| unreachable!("a tree of plain values: {error}")) + "\n"
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Line(_) => json!({ "type": "string" }),
        Shape::Text(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::Scalar(_) => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Bool => json!({ "anyOf": [{ "type": "boolean" }, filled("^(true|false)$|")] }),
        Shape::Choice(words) => json!({ "anyOf": [{ "enum": words }, filled("")] }),
        Shape::List { item, if_empty, unique } => {
            let mut schema = json!({ "type": "array", "items": of(item) });
            if if_empty.is_some() {
                schema["minItems"] = json!(1);
            }
            if *unique {
                schema["uniqueItems"] = json!(true);
            }
            schema
        }
        Shape::Map { value, .. } => json!({ "type": "object", "additionalProperties": of(value) }),
        Shape::Keys(keys) => object(keys),
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
    }
}

fn filled(or: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{or}{VARIABLE}") })
}

fn object(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let schema = property(key);
        for name in [key.name].iter().chain(key.alias) {
            properties.insert((*name).to_owned(), schema.clone());
        }
    }
    // A required key with aliases is handled by the `anyOf` of the whole schema.
    let required = keys.iter().filter(|key| key.required.is_some() && key.alias.is_empty());
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = of(&key.shape);
    let default = if key.required.is_some() { "Required.".to_owned() } else { format!("Default: {}.", key.default) };
    let change = key.effect.as_str();
    schema["description"] = json!(format!("{}. {default} Change: {change}.", capital(key.summary)));
    schema["examples"] = json!([serde_yaml::from_str::<Value>(key.example).unwrap_or(Value::Null)]);
    schema
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
