//! A spec asks a program for a secret, and the program takes its time.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::{PATIENCE, Watched};

/// A secret from a program that says with a file that it has been asked, and answers when that is gone.
fn slow_secret(name: &str, asked: &Path) -> String {
    let asked = asked.display();
    format!("{name}: \"cmd://touch {asked}; while test -e {asked}; do sleep 0.1; done; echo x\"")
}

fn wait_until_it_is_there(file: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} does not come", file.display());
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_secret_that_takes_its_time_keeps_nobody_waiting() {
    let sandbox = Sandbox::new(PLAIN);
    let (folder, asked) = (sandbox.path().join("all"), sandbox.path().join("asked"));
    fs::create_dir(&folder).expect("a folder");
    // Names that begin with the sandbox's own are swept with it.
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
    wait_until_it_is_there(&asked);
    let quick = engine().list(&["ps", "-q", "--filter", &format!("label=moat.agent={}-quick", sandbox.agent)]);
    engine().docker(&["kill", &quick[0]]);
    assert_eq!(watch.settles().join(", "), "start container/main, await container/main");
    assert!(asked.exists(), "nobody has answered, nor given up");
    let of_slow = format!("{}-slow", sandbox.agent);
    assert!(watch.told.iter().all(|it| it["agent"] != of_slow.as_str()), "{:#?}", watch.told);

    // With the answer, the spec is what it was edited to be.
    fs::remove_file(&asked).expect("it has been asked");
    let settled = watch.wait_for_one(&["settled", "rejected"]);
    assert_eq!((&settled["event"], &settled["agent"]), (&"settled".into(), &of_slow.as_str().into()), "{settled:#}");

    // Whoever never answers does not keep it from ending.
    spec("slow", &format!("secrets:\n  {one}\n  {}\n", slow_secret("B", &asked)));
    wait_until_it_is_there(&asked);
    watch.ends_within(Duration::from_secs(10));
    fs::remove_file(&asked).expect("nobody has answered");
}
