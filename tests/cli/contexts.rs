//! `--context`: Docker contexts on the command line.

use expect_test::expect;
use moat_model::resource::digest::sha256;
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::{Place, Ran};

/// A home with Docker contexts, as `docker context create` writes them.
fn with_contexts(contexts: &[(&str, &str)]) -> Place {
    contexts.iter().fold(Place::new(), |place, (name, host)| {
        let folder = sha256(name);
        let meta = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        place.file(&format!("../.docker/contexts/meta/{folder}/meta.json"), meta)
    })
}

#[test]
fn a_context_selects_the_engine_before_the_environment() {
    let engine = EmptyEngine::with_a_volume();
    let place = with_contexts(&[("a", &engine.address())]);
    let Ran { code, out, .. } = place.run(&["list", "--quiet", "--context", "a"]);
    assert_eq!((code, out.as_str()), (Some(0), "builder-1f2e3d4c\n"));
    // `default` is the engine of the environment, which does not exist.
    assert_eq!(place.run(&["list", "--context", "default"]).code, Some(69));
    let both = place.run(&["list", "--context", "a", "--host", &engine.address()]);
    assert_eq!(both.code, Some(64));
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}

#[test]
fn list_shows_the_sandboxes_of_several_contexts() {
    let (one, two) = (EmptyEngine::with_a_volume(), EmptyEngine::start());
    let place = with_contexts(&[("a", &one.address()), ("b", &two.address()), ("c", &one.address())]);
    let listed = place.run(&["list", "--context", "b,a,c"]);
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    expect![[r#"
        RUN               AGENT    CONTEXT  STATE  AGE  RESOURCES  SPEC
        builder-1f2e3d4c  builder  a        kept   -    1          /elsewhere/agent.yaml (file is gone)
        builder-1f2e3d4c  builder  c        kept   -    1          /elsewhere/agent.yaml (file is gone)
    "#]]
    .assert_eq(&listed.out);
    let none = place.run(&["list", "--context", "b,b"]);
    assert_eq!((none.code, none.err.as_str()), (Some(0), "no sandboxes on these Docker hosts\n"));
}

#[test]
fn an_unreachable_context_does_not_hide_the_others() {
    let engine = EmptyEngine::with_a_volume();
    let place = with_contexts(&[("a", &engine.address())]);
    let listed = place.run(&["list", "--json", "--context", "gone,a"]);
    assert_eq!(listed.code, Some(69));
    let document: serde_json::Value = serde_json::from_str(&listed.out).expect("a document");
    assert_eq!((document.as_array().map(Vec::len), &document[0]["context"]), (Some(1), &"a".into()));
    expect![[r#"
        gone | error: cannot use docker at `gone` (from the docker context `gone`): no such context
        gone |   = help: `docker context ls` lists the contexts
    "#]]
    .assert_eq(&listed.err);
}

#[test]
fn other_commands_work_on_one_context() {
    let place = with_contexts(&[]).file("agent.yaml", "agent: builder\nimage: busybox\n");
    let ran = place.run(&["plan", "--context", "a,b"]);
    assert_eq!(ran.code, Some(64));
    expect![[r#"
        error: this command works on one Docker context
          = help: only `moat list` takes several
    "#]]
    .assert_eq(&ran.err);
}
