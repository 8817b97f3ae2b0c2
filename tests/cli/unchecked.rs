//! Mount sources on a Docker host whose files moat cannot inspect.

use std::fs;

use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

/// The lines of the plan about unchecked paths, and the paths of its JSON document.
fn unchecked(address: &str, spec: &str) -> (Vec<String>, Vec<String>) {
    let place = Place::with(spec).at(address);
    for name in ["code", "data"] {
        fs::create_dir(place.path().join(name)).expect("a folder");
    }
    let text = place.run(&["plan"]);
    assert_eq!(text.code, Some(0), "{}", text.err);
    let lines = text.out.lines().filter(|line| line.starts_with("Unchecked")).map(str::to_owned).collect();
    let json = place.run(&["plan", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json.out).expect("a document");
    let paths = document["unchecked"].as_array().expect("a list").iter();
    (lines, paths.map(|path| path.as_str().expect("a path").to_owned()).collect())
}

#[test]
fn paths_of_another_machine_are_marked_unchecked() {
    let spec = "agent: builder\nimage: busybox\nworkspace: {path: ./code}\nmounts: ['./data:/data:ro']\nvolumes: ['cache:/cache']\n";
    let line = |path: &str| {
        format!("Unchecked: {path}: the Docker host may be another machine; moat cannot inspect its links")
    };
    let both = (vec![line("/here/code"), line("/here/data")], vec!["/here/code".to_owned(), "/here/data".to_owned()]);
    let machine = EmptyEngine::in_a_virtual_machine();
    assert_eq!(unchecked(&machine.address(), spec), both);
    let here = EmptyEngine::with_this_kernel();
    assert_eq!(unchecked(&here.tcp(), spec), both);
    assert_eq!(unchecked(&here.address(), spec), (vec![], vec![]));
    let silent = EmptyEngine::start();
    assert_eq!(unchecked(&silent.address(), spec), both, "an engine that does not say where it is");
    assert_eq!(unchecked(&machine.address(), "agent: builder\nimage: busybox\n"), (vec![], vec![]));
}
