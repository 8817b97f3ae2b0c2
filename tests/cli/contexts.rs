//! `--context`: Docker contexts on the command line.

use expect_test::expect;
use moat_model::resource::digest::sha256;
use moat_model::resource::{AgentName, Run};
use serde_json::Value;
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
          = help: only `moat list`, `status` and `watch` take several
    "#]]
    .assert_eq(&ran.err);
}

/// A folder with a spec, an engine on which its sandbox has a volume, and an empty engine.
struct Two {
    place: Place,
    full: EmptyEngine,
    empty: EmptyEngine,
}

impl Two {
    fn new() -> Self {
        let place = with_contexts(&[]).file("agent.yaml", "agent: builder\nimage: busybox\n");
        let spec = place.path().canonicalize().expect("there").join("agent.yaml");
        let run = Run::derive(AgentName::parse("builder").expect("a name"), &spec);
        let full = EmptyEngine::with_a_volume_of(run.id.as_str(), &spec);
        Self { place, full, empty: EmptyEngine::start() }
    }

    /// With these contexts; `gone` is one whose engine does not run.
    fn contexts(self, full: &[&str], empty: &[&str]) -> Self {
        let Self { mut place, full: one, empty: two } = self;
        let gone = ["gone"].map(|name| (name, "unix:///nowhere/docker.sock".to_owned()));
        let all = full.iter().map(|name| (*name, one.address()));
        let all = all.chain(empty.iter().map(|name| (*name, two.address()))).chain(gone);
        for (name, host) in all {
            let meta = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            place = place.file(&format!("../.docker/contexts/meta/{}/meta.json", sha256(name)), meta);
        }
        Self { place, full: one, empty: two }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.place.run(arguments)
    }
}

#[test]
fn status_finds_a_sandbox_by_its_labels() {
    let two = Two::new().contexts(&["b"], &["a", "c"]);
    // By its spec and by its name.
    for arguments in [&["status", "--context", "a,b,c"][..], &["status", "builder", "--context", "a,b,c"]] {
        let Ran { code, out, err } = two.run(arguments);
        assert_eq!((code, err.lines().filter(|line| line.contains("error")).count()), (Some(0), 0), "{err}");
        expect![[r"
            builder: absent (context b)
              kept  volume moat-builder-1f2e3d4c-data
        "]]
        .assert_eq(&out);
    }
    let Ran { code, out, .. } = two.run(&["status", "--json", "--context", "a,b,c"]);
    let found: Value = serde_json::from_str(&out).expect("a document");
    assert_eq!((code, found.as_array().map(Vec::len)), (Some(0), Some(1)), "{out}");
    assert_eq!((&found[0]["context"], &found[0]["agent"]), (&"b".into(), &"builder".into()), "{out}");
}

#[test]
fn status_shows_each_place_of_a_sandbox() {
    let two = Two::new().contexts(&["b", "c"], &["a"]);
    let Ran { code, out, .. } = two.run(&["status", "--context", "c,a,b"]);
    assert_eq!(code, Some(0));
    expect![[r"
        builder@c | builder: absent (context c)
        builder@c |   kept  volume moat-builder-1f2e3d4c-data
        builder@b | builder: absent (context b)
        builder@b |   kept  volume moat-builder-1f2e3d4c-data
    "]]
    .assert_eq(&out);
}

#[test]
fn status_of_an_unreachable_context_does_not_hide_the_others() {
    let two = Two::new().contexts(&["b"], &["a"]);
    for contexts in ["gone,b", "b,gone", "a,missing,b"] {
        let Ran { code, out, err } = two.run(&["status", "--context", contexts]);
        assert_eq!((code, out.lines().next()), (Some(69), Some("builder: absent (context b)")), "{contexts}: {err}");
        let line = err.lines().find(|line| line.contains("error: cannot use docker"));
        let label = if contexts.contains("gone") { "gone | " } else { "missing | " };
        assert!(line.is_some_and(|line| line.starts_with(label)), "{err}");
    }
}

#[test]
fn a_sandbox_is_absent_only_if_all_contexts_say_so() {
    let two = Two::new().contexts(&[], &["a", "b"]);
    let Ran { code, out, .. } = two.run(&["status", "--context", "a,b"]);
    assert_eq!((code, out.as_str()), (Some(0), "builder: absent\n"));
    let Ran { code, out, err } = two.run(&["status", "--context", "a,gone"]);
    assert_eq!((code, out.as_str()), (Some(69), ""));
    assert!(err.contains("error: cannot tell whether `builder` exists\n"), "{err}");
    let Ran { code, out, .. } = two.run(&["status", "--json", "--context", "a,gone"]);
    let found: Value = serde_json::from_str(&out).expect("a document");
    assert_eq!((code, &found[0]["error"]["code"]), (Some(69), &"engine-unreachable".into()), "{out}");
    let Ran { code, err, .. } = two.run(&["status", "reviewer", "--context", "a,b"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("`reviewer`") && err.contains("`moat list`"), "{err}");
}

#[test]
fn a_watch_without_a_sandbox_or_an_engine_does_not_start() {
    let two = Two::new().contexts(&[], &["a", "b"]);
    let Ran { code, err, .. } = two.run(&["watch", "--context", "a,b"]);
    assert_eq!(code, Some(1));
    let help = "  = help: `moat apply --context NAME` creates it on one\n";
    assert!(err.ends_with(&format!("error: `builder` is on none of these Docker contexts\n{help}")), "{err}");
    let Ran { code, err, .. } = two.run(&["watch", "--context", "gone,missing"]);
    assert_eq!(code, Some(69));
    assert!(err.contains("gone | warning: the engine does not answer"), "{err}");
    assert!(err.contains("missing | error: cannot use docker at `missing`"), "{err}");
    let Ran { code, out, .. } = two.run(&["watch", "--json", "--context", "gone,missing"]);
    let lost: Value = serde_json::from_str(&out).expect("one line");
    assert_eq!((code, &lost["event"], &lost["context"]), (Some(69), &"engine-lost".into(), &"gone".into()), "{out}");
}

#[test]
fn apply_watch_works_on_one_context() {
    let two = Two::new().contexts(&["b"], &["a"]);
    assert_eq!(two.run(&["apply", "--watch", "--context", "a,b"]).code, Some(64));
}
