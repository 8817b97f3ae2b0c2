//! `docs/reference/history.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use moat::history::line::Fault;
use moat::history::{Line, Recorder, RunRecord};
use moat_plan::event::Event;
use moat_plan::{Options, compute};
use serde_json::Value;

use super::document::{fields, names, read, tables};
use super::sample;

fn seen(document: &Value, section: &str) -> BTreeMap<String, BTreeSet<String>> {
    let aliases = BTreeMap::from([("error", "errors")]);
    let mut seen = BTreeMap::new();
    fields(document, section, &aliases, &mut seen);
    seen
}

fn fault() -> Fault {
    let text = |text: &str| text.to_owned();
    let hint = Some(text("h"));
    let code = Some(text("port-taken"));
    Fault { resource: text("container/main"), name: text("n"), action: text("start"), code, message: text("m"), hint }
}

#[test]
fn every_field_of_a_record_is_described_and_written() {
    let graph = sample::graph();
    let now = Timestamp::UNIX_EPOCH;
    let mut record = RunRecord::of(&graph.run, "unix:///run/docker.sock", &sample::nothing(), now);
    record.error = Some(fault());
    let seen = seen(&serde_json::to_value(&record).expect("plain values"), "record");
    let tables = tables(&read("history.md"));
    assert_eq!(seen["record"], names(&tables, "record"));
    assert_eq!(seen["errors"], names(&tables, "errors"));
}

#[test]
fn every_field_of_a_line_is_described_and_written() {
    let graph = sample::graph();
    let plan = compute(&graph, &sample::nothing(), &Options::default());
    let recorder = Recorder::default();
    recorder.note(&Event::Planned { run: &graph.run, round: 1, plan: &plan });
    let took = Duration::from_millis(7);
    recorder.note(&Event::Succeeded { operation: &plan.operations[0], took });
    let rounds = recorder.rounds();
    let (first, second) = (&rounds[0].operations[0], &rounds[0].operations[1]);
    assert_eq!((first.result.as_str(), first.took_ms, second.result.as_str()), ("done", Some(7), "left"));
    let text = |text: &str| text.to_owned();
    let line = Line {
        v: 1,
        time: text("1970-01-01T00:00:00.000Z"),
        run: graph.run.id.to_string(),
        agent: graph.run.agent.to_string(),
        engine: text("unix:///run/docker.sock"),
        trigger: text("apply"),
        pid: 7,
        rounds,
        outcome: text("failed"),
        exit_code: 1,
        state: None,
        took_ms: 7,
        errors: vec![fault()],
    };
    let seen = seen(&serde_json::to_value(&line).expect("plain values"), "line");
    let tables = tables(&read("history.md"));
    for section in ["line", "operations", "errors"] {
        assert_eq!(seen[section], names(&tables, section), "{section}");
    }
    assert_eq!(seen["rounds"], BTreeSet::from([text("round"), text("operations")]));
}
