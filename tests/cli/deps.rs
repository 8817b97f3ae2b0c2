//! `deps` and `image`: what there is to depend on, and what is made of it; no engine is needed for either.

use expect_test::{Expect, expect};

use crate::moat::{Place, Ran};

#[track_caller]
fn told(place: &Place, arguments: &[&str], expected: &Expect) {
    let Ran { code, out, err } = place.run(arguments);
    let section = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("== {name}\n{text}") };
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    expected.assert_eq(&format!("exit {code}\n{}{}", section("stdout", &out), section("stderr", &err)));
}

const OWN: &str = "capability: tool\nsummary: ours\ninstall:\n  packages: [tool]\n";

#[test]
fn all_that_there_is_the_users_own_included() {
    told(&Place::new().file("specs/tool.yaml", OWN), &["deps"], &expect![[""]]);
}

#[test]
fn one_of_them() {
    told(&Place::new(), &["deps", "postgres@16"], &expect![[""]]);
    told(&Place::new(), &["deps", "node@22", "--json"], &expect![[""]]);
}

#[test]
fn one_that_there_is_not() {
    told(&Place::new(), &["deps", "postgress"], &expect![[""]]);
    told(&Place::new(), &["deps", "node@2"], &expect![[""]]);
}

#[test]
fn the_dockerfile_of_an_image_that_is_made() {
    told(&Place::with("agent: builder\ndependencies: [git]\n"), &["image"], &expect![[""]]);
    told(&Place::with("agent: builder\nimage: debian:13\n"), &["image"], &expect![[""]]);
}

#[test]
fn what_is_installed_needs_an_image_that_is_made() {
    let spec = "agent: builder\nimage: debian:13\ndependencies: [git]\nhooks: {post_build: make, pre_run: ./prepare}\n";
    told(&Place::with(format!("{spec}command: [x]\n")), &["validate"], &expect![[""]]);
    told(&Place::with("agent: builder\ndependencies: [docker:dind, git]\n"), &["validate"], &expect![[""]]);
}

#[test]
fn a_capability_of_ones_own_that_is_wrong() {
    let own = format!("{OWN}sidecar: []\n");
    told(&Place::with("agent: builder\nimage: x\n").file("specs/tool.yaml", own), &["validate"], &expect![[""]]);
}

#[test]
fn services_and_their_names() {
    let spec = "agent: builder\nimage: x\ndependencies: [redis, 'postgres@16', 'postgres@17']\nservices:\n  redis: {image: y}\n";
    told(&Place::with(spec), &["validate"], &expect![[""]]);
    let spec = "agent: builder\nimage: x\ndependencies: [redis]\nservices:\n  redis: {image: y}\n  Main: {image: y}\n";
    told(&Place::with(spec), &["validate"], &expect![[""]]);
    let spec = "agent: builder\nimage: x\ndependencies: [redis]\nservices:\n  redis: {image: y}\n";
    told(&Place::with(spec), &["validate"], &expect![[""]]);
}
