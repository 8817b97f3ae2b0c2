//! A spec with a secret from a slow program.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::{PATIENCE, Watched};

/// A secret from a program that creates a file when it starts, and exits when the file is removed.
fn slow_secret(name: &str, asked: &Path) -> String {
    let asked = asked.display();
    format!("{name}: \"cmd://touch {asked}; while test -e {asked}; do sleep 0.1; done; echo x\"")
}

fn wait_for_file(file: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} does not come", file.display());
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_slow_secret_does_not_block_other_agents() {
    let sandbox = Sandbox::new(PLAIN);
    let (folder, asked) = (sandbox.path().join("all"), sandbox.path().join("asked"));
    fs::create_dir(&folder).expect("a folder");
    // Names that start with the sandbox's are removed with it.
    let spec = |name: &str, more: &str| {
        let text = format!("agent: {}-{name}\n{PLAIN}{more}", sandbox.agent);
        fs::write(folder.join(format!("{name}.yaml")), text).expect("a spec");
    };
    spec("quick", "");
    spec("slow", "");
    let mut watch = Watched::until(&sandbox, &["all", "--allow"], "settled");
    watch.wait_for("settled");

    let one = slow_secret("A", &asked);
    spec("slow", &format!("secrets:\n  {one}\n"));
    wait_for_file(&asked);
    let quick = engine().list(&["ps", "-q", "--filter", &format!("label=moat.agent={}-quick", sandbox.agent)]);
    engine().docker(&["kill", &quick[0]]);
    assert_eq!(watch.settles().join(", "), "start container/main, await container/main");
    assert!(asked.exists(), "the question is open");
    let of_slow = format!("{}-slow", sandbox.agent);
    assert!(watch.events.iter().all(|it| it["agent"] != of_slow.as_str()), "{:#?}", watch.events);

    // With the secret, the edit is applied.
    fs::remove_file(&asked).expect("it has been asked");
    let settled = watch.wait_for_one(&["settled", "rejected"]);
    assert_eq!((&settled["event"], &settled["agent"]), (&"settled".into(), &of_slow.as_str().into()), "{settled:#}");

    // A program that hangs does not block the exit.
    spec("slow", &format!("secrets:\n  {one}\n  {}\n", slow_secret("B", &asked)));
    wait_for_file(&asked);
    watch.ends_within(Duration::from_secs(10));
    fs::remove_file(&asked).expect("the question is open");
}
