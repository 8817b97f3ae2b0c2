//! `docs/reference/plan.md`.

use moat_model::state::Observed;
use moat_plan::widening;
use std::collections::BTreeMap;

use moat::ui;
use moat::ui::Colour;
use moat::ui::render::plan::{Approval, Missing, Remarks};
use moat_model::resource::{ImageRef, ResourceId};
use moat_model::state::ContainerState;
use moat_plan::{Cause, FieldDiff, Gain, Options, Plan, compute};
use serde_json::Value;

use super::document::{fields, names, read, tables};
use super::sample;

#[test]
fn the_example_of_the_page_is_current() {
    let graph = sample::graph();
    let page = read("plan.md");
    let remarks = Remarks { could_be_rootless: true, ..Remarks::default() };
    let text = ui::render::plan::text(&graph.run, "agent.yaml", &sample::plan(&graph), &remarks, Colour::Never);
    let written = sample::anonymous(&text, &graph);
    let (_, rest) = page.split_once("```text\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    assert_eq!(example, written, "docs/reference/plan.md should have this example:\n{written}");
    for line in sample::SPEC.lines() {
        assert!(page.contains(&format!("    {line}\n")), "{line}");
    }
    let nothing =
        ui::render::plan::text(&graph.run, "agent.yaml", &Plan::default(), &Remarks::default(), Colour::Never);
    assert!(page.contains(&format!("`{}`", nothing.trim_end())), "{nothing}");
}

#[test]
fn every_field_is_described_and_written() {
    let graph = sample::graph();
    let mut plan = sample::plan(&graph);
    plan.operations[0].cause =
        Cause::Changed(vec![FieldDiff { field: "env.A".to_owned(), old: None, new: Some(Value::Bool(true)) }]);
    let document: Value = serde_json::from_str(&ui::render::plan::json(
        &graph.run,
        &plan,
        &Remarks {
            widens: &widening(&graph, &Observed::default()),
            approval: Approval {
                digest: "0",
                missing: Some(Missing { reason: "it asks", asks: &[] }),
                not_fetched: &[],
            },
            ..Remarks::default()
        },
    ))
    .expect("a document");
    let mut seen = BTreeMap::new();
    fields(&document, "JSON", &BTreeMap::new(), &mut seen);
    let page = read("plan.md");
    let tables = tables(&page);
    for section in ["operations", "cause", "diffs", "widens", "approval"] {
        assert_eq!(seen[section], names(&tables, section), "{section}");
    }
    for field in &seen["JSON"] {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
}

#[test]
fn every_code_is_described() {
    let all = [
        Cause::Missing,
        Cause::Changed(Vec::new()),
        Cause::HalfDone,
        Cause::NotRunning { state: ContainerState::Exited, exit_code: None, out_of_memory: false },
        Cause::Unhealthy,
        Cause::Crashing { restarts: 2 },
        Cause::Unproven,
        Cause::Disconnected,
        Cause::OtherNetwork,
        Cause::Locked,
        Cause::DeadNetwork,
        Cause::SourceReplaced { path: String::new() },
        Cause::DependencyReplaced(ResourceId::main()),
        Cause::Moved {
            image: ImageRef::parse("busybox").expect("valid"),
            digests: FieldDiff { field: String::new(), old: None, new: None },
        },
        Cause::Superseded,
        Cause::Stopped,
        Cause::Asked,
        Cause::Misnamed { found: String::new() },
        Cause::Unwanted,
        Cause::Undo,
    ];
    let codes = all.iter().map(|cause| {
        // A new cause does not compile without a case above.
        match cause {
            Cause::Missing
            | Cause::Changed(_)
            | Cause::HalfDone
            | Cause::NotRunning { .. }
            | Cause::Unhealthy
            | Cause::Crashing { .. }
            | Cause::Unproven
            | Cause::Disconnected
            | Cause::OtherNetwork
            | Cause::Locked
            | Cause::DeadNetwork
            | Cause::SourceReplaced { .. }
            | Cause::DependencyReplaced(_)
            | Cause::Moved { .. }
            | Cause::Superseded
            | Cause::Stopped
            | Cause::Asked
            | Cause::Misnamed { .. }
            | Cause::Unwanted
            | Cause::Undo => cause.code().to_owned(),
        }
    });
    assert_eq!(codes.collect::<std::collections::BTreeSet<_>>(), names(&tables(&read("plan.md")), "codes"));
}

#[test]
fn every_right_and_its_mark_are_described() {
    let text = String::new;
    let all = [
        Gain::Privileged,
        Gain::EngineSocket { path: text() },
        Gain::Root,
        Gain::Home { path: text() },
        Gain::Path { path: text() },
        Gain::Write { path: text() },
        Gain::AgentVolume { name: text() },
        Gain::ForeignVolume { name: text() },
        Gain::Exposed { port: text() },
        Gain::Secret { name: text() },
        Gain::Source { old: text(), new: text() },
        Gain::RootUser { old: text() },
        Gain::Capability { name: text() },
        Gain::Device { device: text() },
        Gain::Gpus { gpus: text() },
        Gain::Published { port: text() },
        Gain::Outside,
        Gain::Reach { target: text() },
    ];
    let page = read("plan.md");
    let row = page.lines().find(|line| line.contains("`privileged`, `engine-socket`")).expect("the row of the codes");
    for gain in &all {
        // A new right does not compile without a case here, and belongs into the list above.
        match gain {
            Gain::Privileged
            | Gain::EngineSocket { .. }
            | Gain::Root
            | Gain::Home { .. }
            | Gain::Path { .. }
            | Gain::Write { .. }
            | Gain::AgentVolume { .. }
            | Gain::ForeignVolume { .. }
            | Gain::Exposed { .. }
            | Gain::Secret { .. }
            | Gain::Source { .. }
            | Gain::RootUser { .. }
            | Gain::Capability { .. }
            | Gain::Device { .. }
            | Gain::Gpus { .. }
            | Gain::Published { .. }
            | Gain::Outside
            | Gain::Reach { .. } => assert!(row.contains(&format!("`{}`", gain.code())), "{}", gain.code()),
        }
    }
    let marks = all.iter().filter_map(Gain::mark).chain(["destroys data"]).map(str::to_owned);
    assert_eq!(marks.collect::<std::collections::BTreeSet<_>>(), names(&tables(&page), "Marks"));
}

#[test]
fn text_and_json_number_operations_alike() {
    let graph = sample::graph();
    let plan = compute(&graph, &sample::nothing(), &Options::default());
    let document: Value = serde_json::from_str(&ui::render::plan::json(
        &graph.run,
        &plan,
        &Remarks { widens: &widening(&graph, &Observed::default()), ..Remarks::default() },
    ))
    .expect("a document");
    let text = ui::render::plan::text(&graph.run, "agent.yaml", &plan, &Remarks::default(), Colour::Never);
    for (line, operation) in text.lines().zip(document["operations"].as_array().expect("a list")) {
        assert!(line.starts_with(&format!("{}. ", operation["id"])), "{line}");
        let after: Vec<_> = operation["after"].as_array().expect("a list").iter().map(Value::to_string).collect();
        let words = line.split(" after ").nth(1).map(|rest| rest.split(':').next().unwrap_or_default().to_owned());
        assert_eq!(words.unwrap_or_default(), after.join(", "), "{line}");
    }
}
