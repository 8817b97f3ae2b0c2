//! `specs/agent.schema.json` in an independent validator: it accepts valid specs and rejects wrong structure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use moat_spec::{Source, agent, explained};
use serde::Deserialize;
use serde_json::Value;
use testkit::effects::OF_THE_AGENT_PLANE;

struct Validator {
    schemas: Schemas,
    schema: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        let text = include_str!("../../specs/agent.schema.json");
        let name = "agent.schema.json";
        compiler.add_resource(name, serde_json::from_str(text).expect("JSON")).expect("a resource");
        let schema = compiler.compile(name, &mut schemas).unwrap_or_else(|error| panic!("{error}"));
        Self { schemas, schema }
    }

    fn check(&self, document: &Value) -> Result<(), String> {
        self.schemas.validate(document, self.schema).map_err(|error| error.to_string())
    }
}

/// The documents of a text, as values for the validator.
fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents.map(|document| Value::deserialize(document).unwrap_or(Value::Null)).collect()
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folders = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> =
        folders.map(|folder| folder.join("agent.yaml")).filter(|file| file.exists()).collect();
    found.sort();
    found
}

#[test]
fn every_example_is_valid() {
    let validator = Validator::new();
    let examples = examples();
    assert!(examples.len() >= 4, "{examples:?}");
    for example in examples {
        for document in documents(&fs::read_to_string(&example).expect("text")) {
            validator.check(&document).unwrap_or_else(|error| panic!("{}: {error}", example.display()));
        }
    }
}

/// Each key that `moat explain` lists, including keys below names chosen by the user.
#[test]
fn every_key_is_used_in_an_example() {
    fn walk(value: &Value, at: &str, known: &BTreeSet<String>, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let at = if known.contains(&path) {
                    used.insert(path.clone());
                    path
                } else {
                    at.to_owned()
                };
                walk(value, &at, known, used);
            }),
            Value::Array(all) => all.iter().for_each(|value| walk(value, at, known, used)),
            _ => {}
        }
    }
    let known: BTreeSet<String> = explained(None).expect("all keys").into_iter().map(|it| it.key).collect();
    assert!(known.len() > 50, "{known:?}");
    let mut used = BTreeSet::new();
    let own_config = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/buildkit/own-config.yaml"));
    for example in examples().into_iter().chain([own_config]) {
        for document in documents(&fs::read_to_string(&example).expect("text")) {
            walk(&document, "", &known, &mut used);
        }
    }
    let unused: Vec<_> = known.difference(&used).filter(|key| !OF_THE_AGENT_PLANE.contains(&key.as_str())).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// The examples of every property, at any depth.
#[test]
fn the_examples_in_the_schema_are_valid() {
    fn walk(schema: &Value, seen: &mut usize, check: &mut dyn FnMut(&Value, &Value)) {
        if let (Some(examples), Some(_)) = (schema["examples"].as_array(), schema.as_object()) {
            for example in examples {
                *seen += 1;
                check(schema, example);
            }
        }
        let children: Vec<&Value> = match schema {
            Value::Object(map) => map.values().collect(),
            Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        for child in children {
            walk(child, seen, check);
        }
    }
    let schema: Value = serde_json::from_str(include_str!("../../specs/agent.schema.json")).expect("JSON");
    let mut seen = 0;
    walk(&schema, &mut seen, &mut |schema, example| {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource("one.json", schema.clone()).expect("a resource");
        let index = compiler.compile("one.json", &mut schemas).expect("a schema");
        schemas.validate(example, index).unwrap_or_else(|error| panic!("{example}: {error}"));
    });
    assert!(seen > 50, "{seen}");
}

const WRONG_STRUCTURE: &[&str] = &[
    "[]",
    "just words",
    "image: x",
    "agent: 42",
    "agent: true",
    "agent: ''",
    "agent: [a]",
    "agent: a\nimagee: x",
    "agent: a\nimage: [x]",
    "agent: a\ndependencies: docker:dind",
    "agent: a\ndependencies: [docker: dind]",
    "agent: a\ndependencies: [git, git]",
    "agent: a\ncommand: []",
    "agent: a\ncommand: {a: b}",
    "agent: a\nentrypoint: 1",
    "agent: a\nuser: [root]",
    "agent: a\nworkdir: 1",
    "agent: a\ninteractive: yes please",
    "agent: a\nrestart: sometimes",
    "agent: a\nworkspace: {mode: copy}",
    "agent: a\nworkspace: {folder: x}",
    "agent: a\nworkspace: [x]",
    "agent: a\nenv: [A=b]",
    "agent: a\nenv: {A: [b]}",
    "agent: a\nenv: {A: ~}",
    "agent: a\nenv_file: {a: b}",
    "agent: a\nsecrets: [A]",
    "agent: a\nsecrets: {A: 1}",
    "agent: a\nmounts: ./a:/a",
    "agent: a\nmounts: [{source: ./a}]",
    "agent: a\nmounts: [{source: ./a, target: /a, mode: rx}]",
    "agent: a\nmounts: [[./a, /a]]",
    "agent: a\nvolumes: {a: /a}",
    "agent: a\nvolumes: [{name: aa}]",
    "agent: a\nports: 80",
    "agent: a\nports: [[80]]",
    "agent: a\nports: {web: {port: 80}}",
    "agent: a\ncontainer: 512m",
    "agent: a\ncontainer: {memory: [1g]}",
    "agent: a\ncontainer: {memori: 1g}",
    "agent: a\ncontainer: {dns: 1.1.1.1}",
    "agent: a\ncontainer: {ulimits: [nofile]}",
    "agent: a\nnetwork: host",
    "agent: a\nnetwork: {internal: maybe}",
    "agent: a\nnetwork: {policy: closed}",
    "agent: a\nnetwork: {extra_hosts: ['a:1.1.1.1']}",
    "agent: a\nhealthcheck: {interval: 1s}",
    "agent: a\nhealthcheck: {command: a, retry: 3}",
    "agent: a\nhealthcheck: []",
    "agent: a\nbuildkit: {cache: maybe}",
    "agent: a\nbuildkit: {resources: {disk: 1g}}",
    "agent: a\nlabels: [a]",
    "agent: a\ngrants: github",
    "agent: a\ngrants: {github: {}}",
    "agent: a\ngrants: [{github: {repo: a/b}}]",
    "agent: a\nclaude: {}",
    "agent: a\nsandbox: none",
];

#[test]
fn moat_and_the_schema_reject_wrong_structure() {
    let validator = Validator::new();
    for text in WRONG_STRUCTURE {
        assert!(agent::parse(Source::new("agent.yaml", "/agent.yaml", *text)).is_err(), "moat accepts {text:?}");
        for document in documents(text) {
            assert!(validator.check(&document).is_err(), "the schema accepts {text:?}");
        }
    }
}

#[test]
fn values_with_variables_are_valid() {
    let validator = Validator::new();
    let text =
        "agent: ${NAME}\ninteractive: ${YES:-true}\nrestart: ${HOW}\nports: ['${PORT}:80']\nextends: base.yaml\n";
    validator.check(&documents(text)[0]).expect("a valid spec");
    validator.check(&documents("extends: base.yaml\n")[0]).expect("an extended file may provide the name");
    assert!(validator.check(&documents("image: x\n")[0]).is_err());
}
