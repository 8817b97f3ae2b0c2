//! `docs/reference/list.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moat::ui::Colour;
use moat::ui::render::list::{Row, RunStatus, json, text};
use moat_model::state::{ContainerFacts, ContainerState, Health, Observed, VolumeFacts};
use serde_json::Value;

use super::document::{fields, names, read, tables};
use super::sample;

fn container(state: ContainerState) -> ContainerFacts {
    ContainerFacts {
        id: moat_model::resource::ContainerId::new("c1"),
        name: "moat-builder-1f2e3d4c".to_owned(),
        owner: None,
        image: moat_model::resource::ImageId::new("i1"),
        state,
        up_seconds: None,
        health: Health::None,
        exit_code: None,
        home: None,
        networks: Vec::new(),
        volumes: Vec::new(),
        published: Vec::new(),
        created: 0,
    }
}

fn with(states: &[ContainerState]) -> Observed {
    let volumes = vec![VolumeFacts { name: "v".to_owned(), owner: None }];
    Observed { containers: states.iter().map(|state| container(*state)).collect(), volumes, ..Observed::default() }
}

#[test]
fn every_field_is_described_and_written() {
    let (graph, observed) = (sample::graph(), with(&[ContainerState::Running]));
    let (run, orphaned) = (&graph.run, Some("file is gone"));
    let rows = [Row { run, observed: &observed, context: Some("box"), orphaned, now: Timestamp::UNIX_EPOCH }];
    let document: Value = serde_json::from_str(&json(&rows)).expect("a document");
    let mut seen = BTreeMap::new();
    fields(&document, "list", &BTreeMap::new(), &mut seen);
    assert_eq!(seen["list"], names(&tables(&read("list.md")), "list"));
    assert_eq!(document[0]["resources"][0], "container moat-builder-1f2e3d4c");
}

#[test]
fn the_state_follows_from_the_containers() {
    use ContainerState::{Exited, Paused, Running};
    let table: [(&[ContainerState], RunStatus); 5] = [
        (&[Running, Running], RunStatus::Running),
        (&[Running, Exited], RunStatus::Partial),
        (&[Exited], RunStatus::Stopped),
        (&[Paused], RunStatus::Stopped),
        (&[], RunStatus::Kept),
    ];
    let page = read("list.md");
    for (states, upness) in table {
        assert_eq!(RunStatus::of(&with(states)), upness, "{states:?}");
        assert!(page.contains(&format!("`{}`", upness.as_str())), "{upness:?}");
    }
}

#[test]
fn columns_are_aligned_and_orphans_have_a_reason() {
    let (graph, observed) = (sample::graph(), with(&[ContainerState::Exited]));
    let now = Timestamp::from_second(3 * 3600).expect("in range");
    let row = |orphaned| Row { run: &graph.run, observed: &observed, context: None, orphaned, now };
    let text = sample::anonymous(&text(&[row(None), row(Some("file is gone"))], Colour::Never), &graph);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "RUN               AGENT    STATE    AGE  RESOURCES  SPEC",
            "builder-1f2e3d4c  builder  stopped  3 h  2          /agent.yaml",
            "builder-1f2e3d4c  builder  stopped  3 h  2          /agent.yaml (file is gone)",
        ]
    );
}
