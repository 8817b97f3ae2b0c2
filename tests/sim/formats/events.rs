//! `docs/reference/events.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::expect;
use jiff::Timestamp;
use moat::clock::Clock;
use moat::observe::builds::Builds;
use moat::ui::Problem;
use moat::ui::json::stream::Stream;
use moat::ui::render::outcome::{Command, Ending, OutcomeKind};
use moat_model::engine::{EventAction, Fault, PullProgress};
use moat_model::resource::ResourceId;
use moat_model::state::Observed;
use moat_plan::event::{Asked, Code, Event, Failure, Trigger};
use moat_plan::{Condition, OpId};
use moat_spec::{Source, agent};
use serde_json::Value;

use super::document::{fields, names, read, tables};
use super::sample;

const STREAM: Stream = Stream { clock: Clock::Fixed(Timestamp::UNIX_EPOCH), context: None };

fn failure() -> Failure {
    Failure {
        resource: ResourceId::main(),
        name: "moat-builder-1f2e3d4c".to_owned(),
        verb: "await",
        code: Code::ProbeFailed,
        fault: Some(Fault::Engine),
        message: "it ended".to_owned(),
        hint: Some("look".to_owned()),
        exit_code: Some(3),
        probe: Some(Asked { command: "ask".to_owned(), exit_code: Some(1), output: Some("no".to_owned()) }),
        log: vec!["last words".to_owned()],
    }
}

fn builds() -> Builds {
    let reason = Some("buildx 0.13.1 < 0.14".to_owned());
    Builds { routed: false, builder: "moat".to_owned(), reason, hint: Some("install it".to_owned()) }
}

/// Returns the name of an event. A new event does not compile without a name here, and then needs a sample below.
fn kind(event: &Event<'_>) -> &'static str {
    match event {
        Event::Planned { .. } => "planned",
        Event::Started { .. } => "started",
        Event::Progress { .. } => "progress",
        Event::Step { .. } => "step",
        Event::Retrying { .. } => "retrying",
        Event::Succeeded { .. } => "succeeded",
        Event::Failed { .. } => "failed",
        Event::Skipped { .. } => "skipped",
        Event::Undoing { .. } => "undoing",
        Event::Warning { .. } => "warning",
        Event::Woken { .. } => "woken",
        Event::Settled { .. } => "settled",
        Event::Unsettled { .. } => "unsettled",
        Event::BackingOff { .. } => "backing-off",
        Event::Reloaded { .. } => "reloaded",
        Event::Rejected { .. } => "rejected",
        Event::SpecGone { .. } => "spec-gone",
        Event::Held { .. } => "held",
        Event::Postponed { .. } => "postponed",
        Event::Denied { .. } => "denied",
        Event::EngineLost { .. } => "engine-lost",
        Event::EngineBack => "engine-back",
    }
}

/// Returns a line for each event, and a `done` line for each outcome.
fn lines() -> Vec<String> {
    let graph = sample::graph();
    let (run, mut plan, failure, builds) = (&graph.run, sample::plan(&graph), failure(), builds());
    plan.operations.truncate(1);
    let operation = &plan.operations[0];
    let (took, pause) = (Duration::from_millis(7), Duration::from_millis(50));
    let died = Trigger::Engine { what: EventAction::Died, name: "moat-builder-1f2e3d4c".to_owned() };
    let (failures, more) = (std::slice::from_ref(&failure), ["container/main: privileged".to_owned()]);
    let (resource, log) = (&ResourceId::main(), &failure.log);
    let events = [
        Event::Planned { run, round: 1, plan: &plan },
        Event::Started { operation },
        Event::Progress { operation, progress: PullProgress { current: 1, total: 2, layers_done: 1, layers: 3 } },
        Event::Step { operation, step: "Step 1/2 : FROM debian" },
        Event::Retrying { operation, error: "busy", attempt: 1, pause },
        Event::Succeeded { operation, took },
        Event::Failed { operation, failure: &failure, took },
        Event::Skipped { operation, because: OpId(0) },
        Event::Undoing { run, plan: &plan },
        Event::Warning { run, message: "m", hint: "h" },
        Event::Woken { run, trigger: &died, is_reported: false },
        Event::Settled { run, took },
        Event::Unsettled { run, failures, again: Some(pause) },
        Event::BackingOff { run, resource, repairs: 3, pause, log },
        Event::Reloaded { run, trigger: &died },
        Event::Rejected { run, problem: "p" },
        Event::SpecGone { run },
        Event::Held { run, more: &more },
        Event::Postponed { run, sessions: 1 },
        Event::Denied { run, hosts: &more, others: 2 },
        Event::EngineLost { error: "gone" },
        Event::EngineBack,
    ];
    let mut lines: Vec<String> = Vec::new();
    for event in &events {
        let line = STREAM.line(Some(run), event);
        assert!(line.contains(&format!("\"event\":\"{}\"", kind(event))), "{line}");
        lines.push(sample::anonymous(&line, &graph));
    }
    let remaining = Observed::default();
    let kept = ["moat-builder-1f2e3d4c-buildkit-cache".to_owned()];
    let failures = [failure];
    let ends = [
        OutcomeKind::Ready { graph: &graph, changed: true, builds: Some(&builds), exec: "moat exec" },
        OutcomeKind::Gone { changed: true, kept: &kept, of: Command::Destroy },
        OutcomeKind::Failed { failures: &failures, undone: true, undid: &plan.operations, of: Command::Apply },
        OutcomeKind::OutOfBudget { plan: &plan },
        OutcomeKind::Interrupted { remaining: &remaining },
    ];
    for how in ends {
        let ending = Ending { run, how, exit_code: 1, condition: Some(Condition::Absent) };
        lines.push(sample::anonymous(&STREAM.done(&ending), &graph));
    }
    let wrong = agent::parse(Source::new("agent.yaml", "/agent.yaml", "agnt: a\n")).expect_err("it is wrong");
    let problem = Problem { code: Code::SpecInvalid, message: "wrong", hint: Some("right"), findings: Some(&wrong) };
    lines.push(sample::anonymous(&STREAM.refused(Some(run), &[problem], 65), &graph));
    lines.push(sample::anonymous(&STREAM.summary(&[(run, 1)], 1), &graph));
    lines
}

#[test]
fn every_field_is_described_and_written() {
    let aliases =
        BTreeMap::from([("failures", "failure"), ("operations", "planned operation"), ("undid", "planned operation")]);
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines() {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
        let value: Value = serde_json::from_str(&line).expect("an object");
        let event = value["event"].as_str().expect("a kind").to_owned();
        fields(&value, &event, &aliases, &mut seen);
    }
    let tables = tables(&read("events.md"));
    for (section, described) in &tables {
        let mut written = seen.remove(section).unwrap_or_else(|| panic!("`{section}` is never written"));
        // Common fields: the page describes them once.
        let everywhere: &[&str] = if section == "agents" { &[] } else { &["time", "event", "run", "agent"] };
        written.retain(|field| !everywhere.contains(&field.as_str()));
        assert_eq!(written, names(&tables, section), "{section}: {described:?}");
    }
    // Described in plan.md, or in one row.
    for section in ["planned operation", "cause", "end"] {
        seen.remove(section);
    }
    assert!(seen.is_empty(), "not described: {seen:?}");
}

#[test]
fn every_fault_is_described() {
    let all = [
        Fault::NotFound,
        Fault::Conflict,
        Fault::InUse,
        Fault::Subnet,
        Fault::Port,
        Fault::Pull,
        Fault::Refused,
        Fault::Busy,
        Fault::Engine,
        Fault::Unreachable,
        Fault::TimedOut,
        Fault::Audit,
    ];
    let page = read("events.md");
    for fault in all {
        assert!(page.contains(&format!("`{}`", fault.code())), "{fault}");
    }
}

#[test]
fn every_event_has_its_line() {
    expect![[r#"
        {"time":"1970-01-01T00:00:00.000Z","event":"planned","run":"builder-1f2e3d4c","agent":"builder","round":1,"operations":[{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind","after":[],"cause":{"code":"missing","text":"missing","diffs":[]},"mark":null}]}
        {"time":"1970-01-01T00:00:00.000Z","event":"started","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"}}
        {"time":"1970-01-01T00:00:00.000Z","event":"progress","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"current_bytes":1,"total_bytes":2,"layers_done":1,"layers":3}
        {"time":"1970-01-01T00:00:00.000Z","event":"step","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"message":"Step 1/2 : FROM debian"}
        {"time":"1970-01-01T00:00:00.000Z","event":"retrying","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"attempt":1,"pause_ms":50,"message":"busy"}
        {"time":"1970-01-01T00:00:00.000Z","event":"succeeded","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"took_ms":7}
        {"time":"1970-01-01T00:00:00.000Z","event":"failed","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"took_ms":7,"failure":{"resource":"container/main","name":"moat-builder-1f2e3d4c","action":"await","code":"probe-failed","fault":"engine","message":"it ended","hint":"look","exit_code":3,"probe":{"command":"ask","exit_code":1,"output":"no"},"log":["last words"]}}
        {"time":"1970-01-01T00:00:00.000Z","event":"skipped","run":"builder-1f2e3d4c","agent":"builder","operation":{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind"},"because":1}
        {"time":"1970-01-01T00:00:00.000Z","event":"undoing","run":"builder-1f2e3d4c","agent":"builder","operations":[{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind","after":[],"cause":{"code":"missing","text":"missing","diffs":[]},"mark":null}]}
        {"time":"1970-01-01T00:00:00.000Z","event":"warning","run":"builder-1f2e3d4c","agent":"builder","message":"m","hint":"h"}
        {"time":"1970-01-01T00:00:00.000Z","event":"woken","run":"builder-1f2e3d4c","agent":"builder","trigger":{"kind":"engine","name":"moat-builder-1f2e3d4c","what":"died"}}
        {"time":"1970-01-01T00:00:00.000Z","event":"settled","run":"builder-1f2e3d4c","agent":"builder","took_ms":7}
        {"time":"1970-01-01T00:00:00.000Z","event":"unsettled","run":"builder-1f2e3d4c","agent":"builder","failures":[{"resource":"container/main","name":"moat-builder-1f2e3d4c","action":"await","code":"probe-failed","fault":"engine","message":"it ended","hint":"look","exit_code":3,"probe":{"command":"ask","exit_code":1,"output":"no"},"log":["last words"]}],"again_ms":50}
        {"time":"1970-01-01T00:00:00.000Z","event":"backing-off","run":"builder-1f2e3d4c","agent":"builder","pause_ms":50,"resource":"container/main","repairs":3,"log":["last words"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"reloaded","run":"builder-1f2e3d4c","agent":"builder"}
        {"time":"1970-01-01T00:00:00.000Z","event":"rejected","run":"builder-1f2e3d4c","agent":"builder","message":"p"}
        {"time":"1970-01-01T00:00:00.000Z","event":"spec-gone","run":"builder-1f2e3d4c","agent":"builder"}
        {"time":"1970-01-01T00:00:00.000Z","event":"held","run":"builder-1f2e3d4c","agent":"builder","more":["container/main: privileged"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"postponed","run":"builder-1f2e3d4c","agent":"builder","sessions":1}
        {"time":"1970-01-01T00:00:00.000Z","event":"denied","run":"builder-1f2e3d4c","agent":"builder","hosts":["container/main: privileged"],"others":2}
        {"time":"1970-01-01T00:00:00.000Z","event":"engine-lost","run":"builder-1f2e3d4c","agent":"builder","message":"gone"}
        {"time":"1970-01-01T00:00:00.000Z","event":"engine-back","run":"builder-1f2e3d4c","agent":"builder"}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"converged","exit_code":1,"state":"absent","changed":true,"builds":{"routed":false,"builder":"moat","reason":"buildx 0.13.1 < 0.14","hint":"install it","cache_bytes":null}}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"converged","exit_code":1,"state":"absent","changed":true,"kept":["moat-builder-1f2e3d4c-buildkit-cache"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"failed","exit_code":1,"code":"probe-failed","state":"absent","undone":true,"undid":[{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind","after":[],"cause":{"code":"missing","text":"missing","diffs":[]},"mark":null}],"failures":[{"resource":"container/main","name":"moat-builder-1f2e3d4c","action":"await","code":"probe-failed","fault":"engine","message":"it ended","hint":"look","exit_code":3,"probe":{"command":"ask","exit_code":1,"output":"no"},"log":["last words"]}],"next":["moat apply --keep-on-failure"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"out-of-budget","exit_code":1,"code":"unsteady","state":"absent","operations":[{"id":1,"action":"pull","kind":"image","resource":"image/docker:dind","name":"docker:dind","after":[],"cause":{"code":"missing","text":"missing","diffs":[]},"mark":null}],"next":["moat events","moat apply"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"interrupted","exit_code":1,"code":"interrupted","state":"absent","remaining":[],"next":["moat apply","moat destroy"]}
        {"time":"1970-01-01T00:00:00.000Z","event":"done","run":"builder-1f2e3d4c","agent":"builder","outcome":"error","exit_code":65,"code":"spec-invalid","state":null,"error":{"code":"spec-invalid","message":"wrong","hint":"right","findings":[{"file":"agent.yaml","line":1,"col":1,"end":{"line":1,"col":5},"severity":"error","message":"unknown key `agnt`","hint":"did you mean `agent`?"}]}}
        {"time":"1970-01-01T00:00:00.000Z","event":"summary","exit_code":1,"agents":[{"run":"builder-1f2e3d4c","agent":"builder","exit_code":1}]}
    "#]].assert_eq(&lines().concat());
}
