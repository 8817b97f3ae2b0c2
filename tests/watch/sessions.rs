//! Spec changes during an exec session.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

#[test]
fn a_replacement_waits_for_the_end_of_a_session() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    let mut session = sandbox
        .moat(&["exec", "--", "sh", "-c", "echo begun; read line"])
        .command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("moat runs");
    let mut begun = [0; 6];
    std::io::Read::read_exact(session.stdout.as_mut().expect("a pipe"), &mut begun).expect("it begins");

    sandbox.rewrite(&format!("{PLAIN}env: {{A: b}}\n"));
    let postponed = watch.wait_for("postponed");
    assert_eq!(postponed["sessions"], 1);
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(sandbox.main(), main);
    let text = sandbox.moat(&["status"]).ok().stdout;
    assert!(text.contains("waiting for sessions to end: 1"), "{text}");

    // Changes in place do not wait.
    let spec = sandbox.path().join("agent.yaml");
    let limited = format!("agent: {}\n{PLAIN}container: {{memory: 64}}\n", sandbox.agent);
    fs::write(spec, limited).expect("a spec");
    let done = watch.settles();
    assert_eq!(done.join(", "), "update container/main");
    assert_eq!(sandbox.main(), main);

    sandbox.rewrite(&format!("{PLAIN}env: {{A: c}}\n"));
    watch.wait_for("postponed");
    drop(session.stdin.take());
    session.wait().expect("it ends");
    watch.wait_for("settled");
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", "echo $A"]), "c");
}

#[test]
fn now_replaces_during_a_session() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &["--now"]);
    let main = sandbox.main();
    testkit::engine::engine().docker(&["exec", "--detach", &main, "sleep", "1000"]);
    sandbox.rewrite(&format!("{PLAIN}env: {{A: b}}\n"));
    watch.wait_for("settled");
    assert_ne!(sandbox.main(), main);
}
