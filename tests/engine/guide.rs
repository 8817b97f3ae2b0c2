//! `docs/getting-started.md`: runs every shell block of the page, in an empty folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::engine::engine;
use testkit::run::run;
use testkit::sandbox::Sandbox;

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
    for said in ["it works", "/root/agent.yaml", "builds: routed to moat", "all intact"] {
        assert!(ran.stdout.contains(said), "{said}\n{ran}");
    }
    let again = format!("{}: nothing to do", format_args!("{} is ready", sandbox.agent));
    for said in [again.as_str(), "is stopped", "is gone"] {
        assert!(ran.stderr.contains(said), "{said}\n{ran}");
    }
}
