//! `docs/reference/documents.md`: each example has the fields of the real output.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use crate::daily::Running;

/// Optional fields, according to the page.
const SOMETIMES: [&str; 7] = ["cause", "log", "ports", "hint", "container", "isolation", "runtime"];

/// The examples by heading.
fn examples() -> Vec<(String, Value)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/documents.md"))
        .expect("the page");
    let sections = page.split("\n## ").skip(1).map(|section| section.split_once('\n').expect("a heading"));
    let example = |text: &str| -> String { text.lines().filter(|line| line.starts_with("    ")).collect() };
    let parse = |(name, text): (&str, &str)| {
        let value = serde_json::from_str(&example(text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.to_owned(), value)
    };
    sections.map(parse).collect()
}

/// The paths of all fields in a document, such as `resources[].id`.
fn fields(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                into.insert(format!("{at}{name}"));
                // The other fields depend on the event.
                if !matches!(name.as_str(), "data" | "came_of_it") {
                    fields(value, &format!("{at}{name}."), into);
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| fields(value, &format!("{at}[]"), into)),
        _ => {}
    }
}

/// Whether the field is below a null or an empty list.
fn is_below_nothing(field: &str, found: &Value) -> bool {
    let mut value = vec![found];
    for part in field.split('.').flat_map(|part| part.split_inclusive("[]")) {
        let name = part.trim_end_matches("[]");
        if value.iter().all(|it| it.is_null() || it.as_array().is_some_and(Vec::is_empty)) {
            return true;
        }
        value = value.into_iter().flat_map(|it| it.as_array().map_or(vec![it], |all| all.iter().collect())).collect();
        value = value.into_iter().filter_map(|it| if name.is_empty() { Some(it) } else { it.get(name) }).collect();
    }
    false
}

fn compare(name: &str, example: &Value, found: &Value) {
    let (mut promised, mut given) = (BTreeSet::new(), BTreeSet::new());
    fields(example, "", &mut promised);
    fields(found, "", &mut given);
    let unknown: Vec<_> = given.difference(&promised).collect();
    assert!(unknown.is_empty(), "{name}: the page does not know of {unknown:?} in {found:#}");
    let sometimes = |field: &str| {
        let last = field.rsplit(['.', ']']).next().unwrap_or(field);
        SOMETIMES.contains(&last) || SOMETIMES.iter().any(|it| field.starts_with(&format!("{it}[]")))
    };
    let lacking = promised.difference(&given).filter(|field| !sometimes(field) && !is_below_nothing(field, found));
    let lacking: Vec<_> = lacking.collect();
    assert!(lacking.is_empty(), "{name}: {lacking:?} are promised, and not in {found:#}");
}

/// The event of a connected container, from a command that does not exit.
fn connected(sandbox: &Sandbox, args: &[&str]) -> String {
    // The engine keeps 256 events, and the checks of other containers cause many.
    let (network, main) = (format!("moat-{}", sandbox.run_id()), sandbox.main());
    engine().docker(&["network", "disconnect", &network, &main]);
    engine().docker(&["network", "connect", &network, &main]);
    let is_it = |line: &&str| line.contains("\"connected\"") && line.ends_with('}');
    let listener = Running::start(sandbox, args);
    listener.wrote(|out| out.lines().any(|line| is_it(&line)));
    listener.out().lines().find(is_it).expect("it has come").to_owned()
}

#[test]
fn each_document_matches_its_page() {
    let sandbox = Sandbox::applied("dependencies: [docker:dind]\nports: {web: 3000}\nruntime: docker\n");
    fs::write(sandbox.path().join("file"), "x").expect("written");
    let limited = Sandbox::applied("image: busybox\nnetwork: {policy: strict}\n");
    let granted = Sandbox::new(
        "image: busybox\nnetwork: {policy: strict}\ngrants: [{own: {host: api.example, source: 'file://token'}}]\n",
    );
    fs::write(granted.path().join("token"), "value").expect("written");
    granted.apply();
    assert_ne!(limited.sh("wget -T 10 -qO- http://evil.example").code, 0);
    let edited = fs::read_to_string(sandbox.path().join("agent.yaml")).expect("a spec") + "workdir: /tmp\n";
    for (name, example) in examples() {
        let args: &[&str] = match name.as_str() {
            "deps" => &["deps", "postgres"],
            "explain" => &["explain", "container.memory"],
            "open" => &["open", "--port", "3000"],
            "exec" => &["exec", "--", "sh", "-c", "echo out; echo err >&2"],
            "cp" => &["cp", "file", ":/tmp/file"],
            "logs" => &["logs", "--tail", "1"],
            "events" => &["events", "--since", "1h"],
            "audit verify" => &["audit", "verify"],
            "audit export" => &["audit", "export", "bundle"],
            "audit rotate" => &["audit", "rotate"],
            "approve" => &["approve", "--yes"],
            "init" => &["init", "new.yaml"],
            "man" => &["man", "apply"],
            "completions" => &["completions", "bash"],
            "net log" => &["net", "log", "-n", "1"],
            "net denied" => &["net", "denied"],
            "net suggest" => &["net", "suggest"],
            "net check" => &["net", "check", "evil.example"],
            "grants revoke" => &["grants", "revoke", "own"],
            "grants restore" => &["grants", "restore", "own"],
            "net verify" => &["net", "verify"],
            other => &[other],
        };
        if name == "why" {
            fs::write(sandbox.path().join("agent.yaml"), &edited).expect("written");
        }
        let at = args.iter().position(|it| *it == "--").unwrap_or(args.len());
        let args = [&args[..at], &["--json"], &args[at..]].concat();
        let text = match name.as_str() {
            "events" => connected(&sandbox, &args),
            name if name.starts_with("grants") => granted.moat(&args).ok().stdout,
            name if name.starts_with("net ") => limited.moat(&args).run().stdout,
            _ => sandbox.moat(&args).ok().stdout,
        };
        let found = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        compare(&name, &example, &found);
    }
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
}
