//! The guides `docs/getting-started.md` and `docs/first-agent.md`: runs every shell block of a page, in an empty folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::engine::engine;
use testkit::run::run;
use testkit::sandbox::Sandbox;

/// In the place of Claude Code, which comes from the npm registry: says what it was asked.
const AGENT: &str = r#"capability: claude-code
summary: a stand-in
presets: [anthropic]
grants: [claude, anthropic]
agent: {name: claude, command: [/usr/local/lib/agent], note: /home/agent/.claude/rules/moat.md}
main:
  volumes: [{name: claude, target: /home/agent/.claude}]
  files:
    - path: /usr/local/lib/agent
      executable: true
      content: |
        #!/bin/sh
        echo "asked $*"
"#;

#[test]
fn the_guide_to_an_agent_works_as_written() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-agent.md")).expect("the page");
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 5, "{blocks:?}");
    let sandbox = Sandbox::new("");
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("removed");
    // The folder's name is the agent's.
    let specs = sandbox.path().join(&sandbox.agent).join("specs");
    fs::create_dir_all(&specs).expect("a folder");
    fs::write(specs.join("claude-code.yaml"), AGENT).expect("written");
    let named =
        |block: &&str| block.replace("mkdir -p hello\ncd hello\n", &format!("mkdir -p {0}\ncd {0}\n", sandbox.agent));
    let script: String = blocks.iter().map(named).collect();
    let bin = Path::new(testkit::moat_binary()).parent().expect("a folder").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").expect("a path"));
    let mut command = Command::new("sh");
    command
        .args(["-euxc", &script])
        .current_dir(sandbox.path())
        .env("PATH", path)
        .env("ANTHROPIC_API_KEY", "sk-ant-real-0123456789");
    command.env("HOME", sandbox.home()).env("DOCKER_HOST", &engine().host).env_remove("MOAT_STATE_DIR");
    command.env_remove("CLAUDE_CODE_OAUTH_TOKEN");
    let ran = run(command, b"");
    assert_eq!(ran.code, 0, "{ran}");
    let said = [
        "asked -p say hello\n",
        "asked -p say it again\n",
        "the sandbox has sk-ant-api03-moat-placeholder\n",
        "- anthropic\n",
    ];
    for said in said {
        assert!(ran.stdout.contains(said), "{said}\n{ran}");
    }
    assert!(!ran.stdout.contains("sk-ant-real"), "{ran}");
}

#[test]
fn the_guide_works_as_written() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/getting-started.md")).expect("the page");
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 8, "{blocks:?}");
    // A unique agent name, since other tests use the same engine.
    let sandbox = Sandbox::new("");
    let script: String = blocks.concat().replace("agent: builder", &format!("agent: {}", sandbox.agent));
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("removed");
    let bin = Path::new(testkit::moat_binary()).parent().expect("a folder").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").expect("a path"));
    let mut command = Command::new("sh");
    command.args(["-euxc", &script]).current_dir(sandbox.path()).env("PATH", path);
    command.env("HOME", sandbox.home()).env("DOCKER_HOST", &engine().host).env_remove("MOAT_STATE_DIR");
    let ran = run(command, b"");
    assert_eq!(ran.code, 0, "{ran}");
    for said in ["it works", "/tmp/agent.yaml", "builds: routed to moat", "all intact"] {
        assert!(ran.stdout.contains(said), "{said}\n{ran}");
    }
    let again = format!("{}: nothing to do", format_args!("{} is ready", sandbox.agent));
    for said in [again.as_str(), "is stopped", "is gone"] {
        assert!(ran.stderr.contains(said), "{said}\n{ran}");
    }
}
