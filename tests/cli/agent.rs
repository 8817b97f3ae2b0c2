//! `moat agent`, without an engine: which agent, which spec, and the spec that it proposes.

use std::fs;

use expect_test::expect;
use testkit::hermetic::{Place, prints};

#[test]
fn an_unknown_agent_is_an_error_with_the_known_ones() {
    prints(
        &Place::new(),
        &["agent", "claud"],
        &expect![[r#"
            exit 64
            == stderr
            error: no coding agent `claud`
              = help: did you mean `claude`?
        "#]],
    );
    prints(
        &Place::new(),
        &["agent", "nobody"],
        &expect![[r#"
            exit 64
            == stderr
            error: no coding agent `nobody`
              = help: known: `aider`, `claude`, `codex`, `gemini`, `opencode`, `pi`
        "#]],
    );
    // Not a command either, so that a typo is one of a command.
    assert_eq!(Place::new().run(&["nobody"]).code, Some(64));
}

#[test]
fn without_a_terminal_a_spec_is_shown_and_not_created() {
    let place = Place::new();
    let ran = place.run(&["codex", "--help"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("- codex\n") && ran.err.contains("`moat agent --yes codex` creates"), "{ran:?}");
    assert!(!place.path().join("agent.yaml").exists());
}

/// With `--yes` it is created, and then applied: there is no engine here.
#[test]
fn a_spec_is_created_with_the_credential_that_is_there() {
    let created = |variables: &[(&str, &str)]| {
        let place = Place::new();
        let mut command = place.command(["agent", "--yes", "claude", "-p", "hello"]);
        let output = command.envs(variables.iter().copied()).output().expect("moat runs");
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        fs::read_to_string(place.path().join("agent.yaml")).expect("a spec")
    };
    for (variables, expected) in [
        (&[][..], None),
        (&[("ANTHROPIC_API_KEY", "hunter2")], Some("anthropic")),
        (&[("CLAUDE_CODE_OAUTH_TOKEN", "hunter2")], Some("claude")),
        (&[("ANTHROPIC_API_KEY", "hunter2"), ("CLAUDE_CODE_OAUTH_TOKEN", "hunter2")], Some("claude")),
        (&[("OPENAI_API_KEY", "hunter2")], None),
        (&[("ANTHROPIC_API_KEY", "")], None),
    ] {
        let text = created(variables);
        let found = text.split_once("\ngrants:\n").map(|(_, list)| list.lines().next().expect("one").trim());
        assert_eq!(found, expected.map(|name| format!("- {name}")).as_deref(), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        // It is a spec.
        let place = Place::with(&text);
        let ran = place.run(&["validate"]);
        assert_eq!(ran.code, Some(0), "{text}\n{ran:?}");
    }
}

#[test]
fn a_spec_without_the_agent_gets_the_line_to_add() {
    prints(
        &Place::with("agent: builder\nimage: x\n"),
        &["claude", "-p", "hello"],
        &expect![[r#"
        exit 1
        == stderr
        error: `builder` does not have the dependency `claude-code`
          = help: add the line `- claude-code` under `dependencies` in `agent.yaml`, and use `base_image` instead of `image`, since it is installed in an image
    "#]],
    );
    prints(
        &Place::with("agent: builder\ndependencies: [codex]\n"),
        &["agent", "claude-code"],
        &expect![[r#"
        exit 1
        == stderr
        error: `builder` does not have the dependency `claude-code`
          = help: add the line `- claude-code` under `dependencies` in `agent.yaml`
    "#]],
    );
    let two = "agent: a\ndependencies: [codex]\n---\nagent: b\ndependencies: [codex]\n";
    prints(
        &Place::with(two),
        &["codex"],
        &expect![[r#"
        exit 64
        == stderr
        error: `agent.yaml` has several agents with `codex`
          = help: apply it, then use `--spec` with the name of one agent
    "#]],
    );
}

#[test]
fn an_existing_spec_is_used_and_never_changed() {
    let text = "agent: builder\ndependencies: [claude-code]\n";
    let place = Place::with(text).file("below/x", "");
    let ran = place.run_in("below", &["claude"]);
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.err.contains("using `../agent.yaml`"), "{ran:?}");
    assert!(!place.path().join("below/agent.yaml").exists());
    // One that is not valid is reported, and not replaced.
    let place = Place::with("agent: builder\nimag: x\n");
    assert_eq!(place.run(&["agent", "--yes", "claude"]).code, Some(65));
    assert_eq!(fs::read_to_string(place.path().join("agent.yaml")).expect("a spec"), "agent: builder\nimag: x\n");
}
