//! Saved plans, as far as no real engine is needed.

use std::fs;

use expect_test::expect;
use serde_json::Value;
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

const SPEC: &str = "agent: builder\nimage: busybox\nenv: {TOKEN: very-secret}\n";

fn place() -> (EmptyEngine, Place) {
    let engine = EmptyEngine::start();
    let place = Place::with(SPEC).at(&engine.address());
    (engine, place)
}

fn saved(place: &Place) -> Value {
    let text = fs::read_to_string(place.path().join("p.json")).expect("a file");
    serde_json::from_str(&text).expect("a document")
}

/// Changes the plan in its file.
fn edit(place: &Place, change: impl FnOnce(&mut Value)) {
    let mut plan = saved(place);
    change(&mut plan);
    fs::write(place.path().join("p.json"), plan.to_string()).expect("written");
}

#[track_caller]
fn refused(place: &Place, why: &str) {
    let ran = place.run(&["apply", "p.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains(why) && ran.err.contains("`moat plan -o p.json`"), "{}", ran.err);
    let ran = place.run(&["apply", "--json", "p.json"]);
    let last: Value = serde_json::from_str(ran.out.lines().last().expect("a line")).expect("an object");
    assert_eq!((&last["code"], &last["exit_code"]), (&"refused".into(), &1.into()), "{}", ran.out);
}

#[test]
fn a_plan_is_shown_and_saved() {
    let (_engine, place) = place();
    let shown = place.run(&["plan"]);
    let ran = place.run(&["plan", "-o", "p.json"]);
    assert_eq!((ran.code, &ran.out), (Some(0), &shown.out));
    expect![[r#"
        saved in p.json: `moat apply p.json` applies it unless something changes
    "#]]
    .assert_eq(&ran.err);
    let plan = saved(&place);
    let agent = &plan["agents"][0];
    let lines: Vec<&str> = agent["plan"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    // Without the run id, which is the same in all of these tests.
    let lines = lines.join("\n").replace(agent["run"].as_str().expect("an id"), "builder-1f2e3d4c");
    assert!(shown.out.starts_with(&format!("{lines}\n\n")), "{plan:#}");
    for digest in ["text", "observation", "plan"] {
        assert_eq!(agent["digests"][digest].as_str().map(str::len), Some(64), "{plan:#}");
    }
    assert!(!plan.to_string().contains("very-secret"), "{plan:#}");
    // Overwrite the older plan.
    assert_eq!(place.run(&["plan", "--json", "--out", "p.json"]).code, Some(0));
    assert_eq!(saved(&place), plan);
}

#[test]
fn a_plan_overwrites_only_a_plan() {
    let (_engine, place) = place();
    let place = place.file("binary", b"\xff\x00");
    for file in ["agent.yaml", "binary"] {
        let ran = place.run(&["plan", "-o", file]);
        assert!(ran.code == Some(1) && ran.err.contains(&format!("cannot write `{file}`")), "{}", ran.err);
    }
    assert_eq!(fs::read_to_string(place.path().join("agent.yaml")).expect("there"), SPEC);
}

/// The error says what differs: the spec, the sandbox (see `tests/engine/saved.rs`), or the plan.
#[test]
fn a_stale_plan_is_refused_with_the_reason() {
    let (_engine, place) = place();
    place.run(&["plan", "-o", "p.json"]);
    let of = |name: &'static str| move |plan: &mut Value| plan["agents"][0]["digests"][name] = "0".repeat(64).into();
    let fresh = saved(&place);
    let again = || edit(&place, |plan| *plan = fresh.clone());
    for (digest, why) in [
        ("text", "builder: its spec changed"),
        ("observation", "builder: its sandbox changed"),
        ("plan", "builder: the plan would now be different"),
    ] {
        edit(&place, of(digest));
        refused(&place, why);
        again();
    }
    edit(&place, |plan| plan["agents"][0]["plan"][0] = "1. do nothing".into());
    refused(&place, "builder: the text of its plan was edited");
    again();
    edit(&place, |plan| plan["engine"] = "unix:///elsewhere.sock".into());
    refused(&place, "it was made for the engine at unix:///elsewhere.sock");
    again();
    edit(&place, |plan| plan["moat"] = "0.0.1".into());
    refused(&place, "was made by moat 0.0.1");
    again();
    edit(&place, |plan| plan["agents"][0]["operations"] = Value::Array(Vec::new()));
    refused(&place, "is not a valid plan");
    again();
    edit(&place, |plan| plan["agents"] = Value::Array(Vec::new()));
    refused(&place, "has no agents");
    again();
    let place = place.file("agent.yaml", SPEC.replace("busybox", "debian"));
    refused(&place, "builder: its spec changed");
    let place = place.file("agent.yaml", format!("{SPEC}---\nagent: other\nimage: busybox\n"));
    refused(&place, "its spec changed");
}

/// Another address range changes the plan of the same spec and sandbox.
#[test]
fn other_options_make_another_plan() {
    let (_engine, place) = place();
    place.run(&["plan", "-o", "p.json"]);
    let ran = place.run(&["apply", "--subnets", "10.99.0.0/16", "p.json"]);
    assert!(ran.code == Some(1) && ran.err.contains("the plan would now be different"), "{}", ran.err);
}

#[test]
fn a_saved_plan_is_applied_alone_and_unchanged() {
    let (_engine, place) = place();
    place.run(&["plan", "-o", "p.json"]);
    for more in [&["agent.yaml"][..], &["--watch"], &["--pull"], &["--dry-run"]] {
        let ran = place.run(&[&["apply", "p.json"], more].concat());
        assert!(ran.code == Some(64) && ran.err.contains("saved plan"), "{more:?}: {}", ran.err);
    }
}
