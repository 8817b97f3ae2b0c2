//! `moat agent`, with an agent of the user's own in the place of a real one: the spec that it proposes, what the agent gets,
//! and what it gives back. `real_agents` installs real ones.

use std::fs;

use moat_model::resource::digest::sha256;
use testkit::engine::engine;
use testkit::sandbox::{Moat, Sandbox};

/// Answers with what it sees. With `fail` it exits with a code of its own.
const AGENT: &str = r#"capability: my-agent
summary: an agent of our own
presets: [npm]
grants: [openai]
agent:
  name: mine
  command: [/usr/local/lib/mine, first]
  note: /home/agent/.mine/AGENTS.md
main:
  volumes:
    - name: mine
      target: /home/agent/.mine
  files:
    - path: /usr/local/lib/mine
      executable: true
      content: |
        #!/bin/sh
        [ "$2" != fail ] || exit 42
        [ "$2" != bytes ] || exec sha256sum
        for word in "$@"; do echo "word $word"; done
        echo "in $PWD as $(id -u), key $OPENAI_API_KEY, variable ${MOAT_NOTE:-none}"
        echo kept >>/home/agent/.mine/state
        cat /home/agent/.mine/AGENTS.md
"#;

/// A folder without a spec, with the agent's file.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("removed");
    fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    fs::write(sandbox.path().join("specs/mine.yaml"), AGENT).expect("written");
    sandbox
}

/// The name of the sandbox is that of the folder, which other tests have as well.
fn proposed(sandbox: &Sandbox, key: Option<&str>) -> String {
    let home = sandbox.home();
    let renamed = home.join(&sandbox.agent);
    assert!(!renamed.exists());
    fs::create_dir(&renamed).expect("a folder");
    fs::rename(sandbox.path().join("specs"), renamed.join("specs")).expect("moved");
    let mut moat = sandbox.moat(&["agent", "--yes", "mine", "--first", "-y"]);
    moat.command.current_dir(&renamed);
    if let Some(key) = key {
        moat.command.env("OPENAI_API_KEY", key);
    }
    let ran = moat.ok();
    assert!(ran.stdout.contains("word first\nword --first\nword -y\n"), "{ran}");
    ran.stdout
}

fn with_key<'a>(sandbox: &'a Sandbox, words: &[&str]) -> Moat<'a> {
    let mut moat = sandbox.moat(words);
    moat.command.env("OPENAI_API_KEY", "sk-the-real-key-of-the-lab-0123456789");
    moat
}

#[test]
fn a_folder_without_a_spec_becomes_a_sandbox() {
    let sandbox = folder();
    let said = proposed(&sandbox, None);
    assert!(said.contains("in /workspace as 0, key , variable none"), "{said}");
    let text = fs::read_to_string(sandbox.home().join(&sandbox.agent).join("agent.yaml")).expect("a spec");
    assert!(text.contains("- my-agent\n") && text.contains("- \"@npm\"") && !text.contains("\ngrants:"), "{text}");
    assert!(said.contains("npm: `**.npmjs.org`") && said.contains("all else is refused"), "{said}");
}

#[test]
fn an_agent_gets_a_placeholder_and_a_note_of_now() {
    let sandbox = folder();
    let spec = |rules: &str| {
        format!(
            "base_image: debian:trixie-slim\ndependencies: [my-agent]\nworkspace: .\n\
             network: {{policy: strict, rules: [{rules}]}}\ngrants: [openai]\n"
        )
    };
    sandbox.rewrite(&spec("a.example"));
    let ran = with_key(&sandbox, &["agent", "--approve-all", "mine", "a b", "--json", "--", "-h"]).ok();
    assert!(ran.stdout.contains("word first\nword a b\nword --json\nword --\nword -h\n"), "{ran}");
    assert!(ran.stdout.contains("key sk-moat-placeholder") && !format!("{ran}").contains("the-real-key"), "{ran}");
    assert!(ran.stdout.contains("- `a.example`\n") && !ran.stdout.contains("b.example"), "{ran}");
    assert!(ran.stdout.contains("`openai`: `OPENAI_API_KEY` has a placeholder"), "{ran}");
    assert!(!sandbox.path().join("AGENTS.md").exists());

    // Another rule is another note, in the same container.
    let main = sandbox.main();
    sandbox.rewrite(&spec("a.example, b.example"));
    let ran = with_key(&sandbox, &["agent", "--approve-all", "mine"]).ok();
    assert!(ran.stdout.contains("- `b.example`\n"), "{ran}");
    assert_eq!(sandbox.main(), main);

    // What a user writes there stays, and so does the agent's state when the container is replaced.
    sandbox.sh_ok("echo our own >/home/agent/.mine/AGENTS.md");
    sandbox.rewrite(&spec("a.example").replace("workspace: .", "workspace: .\nenv: {A: b}"));
    let ran = with_key(&sandbox, &["agent", "--approve-all", "mine"]).ok();
    assert!(ran.stdout.ends_with("\nour own\n"), "{ran}");
    assert_ne!(sandbox.main(), main);
    assert_eq!(sandbox.sh_ok("cat /home/agent/.mine/state"), "kept\nkept\nkept");
}

#[test]
fn bytes_and_the_exit_code_are_the_agents() {
    let sandbox = folder();
    sandbox.rewrite("base_image: debian:trixie-slim\ndependencies: [my-agent]\n");
    assert_eq!(sandbox.moat(&["agent", "mine", "fail"]).run().code, 42);
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let ran = sandbox.moat(&["agent", "mine", "bytes"]).input(bytes.clone()).ok();
    assert!(ran.stdout.starts_with(&sha256(&bytes)), "{ran}");
    // Its home belongs to the user of the image, as whom it runs.
    let owner = engine().docker(&["exec", &sandbox.main(), "stat", "-c", "%U %n", "/home/agent/.mine"]);
    assert_eq!(owner.trim(), "agent /home/agent/.mine");
}
