//! Every command on a real engine, with its complete text output.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use expect_test::expect;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{PLAIN, Sandbox};

/// The folders of the engine tests.
const WITH_ENGINE: [&str; 4] = ["engine", "fleet", "watch", "crash"];

/// Fails for a new command without an engine test.
#[test]
fn every_command_has_an_engine_test() {
    let mut tests = String::new();
    for folder in WITH_ENGINE {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
        for file in fs::read_dir(folder).expect("a folder") {
            tests.push_str(&fs::read_to_string(file.expect("a file").path()).unwrap_or_default());
        }
    }
    let command = moat::cli::command();
    let names = command.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "help");
    let is_called =
        |name: &&str| [format!("moat(&[\"{name}\""), format!("&[\"{name}\", ")].iter().any(|it| tests.contains(it));
    let without: Vec<&str> = names.filter(|name| !is_called(name)).collect();
    assert_eq!(without, [""; 0]);
}

/// The text without times and ages.
fn timeless(text: &str) -> String {
    let is_time = |word: &&str| word.len() > 18 && word.ends_with('Z') && word.contains('T');
    let words = |line: &str| {
        let time = line.split([' ', '\n']).find(is_time);
        time.map_or(line.to_owned(), |time| line.replace(time, "TIME"))
    };
    let text: String = text.split_inclusive('\n').map(words).collect();
    (0..60).rev().fold(text, |text, age| text.replace(&format!("  {age} s  "), "  AGE  "))
}

#[test]
fn commands_without_a_sandbox() {
    let sandbox = Sandbox::new("");
    let spec = sandbox.path().join("agent.yaml");
    fs::remove_file(&spec).expect("removed");
    expect![[r#"
        exit 65
        == stderr
        error: spec file not found: `agent.yaml`
          = help: change to its directory, give its path, or create one with `moat init`
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    expect![[r#"
        exit 0
        == stderr
        created agent.yaml; next: `moat plan`, `moat apply`
    "#]]
    .assert_eq(&sandbox.moat(&["init", "--agent", &sandbox.agent, "--image", "busybox"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        builder is valid
    "#]]
    .assert_eq(&sandbox.moat(&["validate"]).transcript());
    expect![[r#"
        exit 0
        == stderr
        builder has no built image: its spec uses an existing one
    "#]]
    .assert_eq(&sandbox.moat(&["image"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        image: string

          the image of the main container

          default  the image of a dependency, or one that moat builds on Debian
          change  replaces
          example  image: debian:13
    "#]]
    .assert_eq(&sandbox.moat(&["explain", "image"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        jq: jq
          packages  jq
    "#]]
    .assert_eq(&sandbox.moat(&["deps", "jq"]).transcript());
    // Long pages, of which only the start is compared.
    for (words, start) in [
        (&["schema", "--json"][..], "{\n  \"$schema\""),
        (&["completions", "bash"], "_moat() {"),
        (&["man", "apply"], ".ie \\n(.g .ds Aq"),
    ] {
        let ran = sandbox.moat(words).ok();
        assert!(ran.stdout.starts_with(start), "{words:?}: {}", ran.stdout.lines().next().unwrap_or_default());
    }
}

#[test]
fn commands_on_a_sandbox_that_starts() {
    let sandbox = Sandbox::new(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    expect![[r#"
        exit 0
        == stdout
        1.  create network moat-R: missing
        2.  create container moat-R after 1: missing
        3.  start container moat-R after 2: missing
        4.  await container moat-R after 3: missing

        Plan: 4 to do (2 create, 1 start, 1 await)
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    expect![[r#"
        exit 0
        == stderr
        builder: 4 to do
          created  container moat-R
          created  network moat-R
          ready  container moat-R
          started  container moat-R
        builder is ready
          main  moat-R
        next: moat exec -- sh
    "#]]
    .assert_eq(&sandbox.moat(&["apply"]).transcript());
    expect![[r#"
        exit 0
        == stderr
        builder is ready: nothing to do
    "#]]
    .assert_eq(&sandbox.moat(&["apply"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        Nothing to do: builder matches agent.yaml
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        image/busybox: in sync
        network/agent: in sync
        container/main: in sync, created at TIME
    "#]]
    .assert_eq(&timeless(&sandbox.moat(&["why"]).transcript()));
    // Other tests use the engine too.
    let list = sandbox.moat(&["list"]).ok().stdout;
    let is_ours = |line: &&str| line.contains(&sandbox.agent) || line.starts_with("RUN");
    let list = list.lines().filter(is_ours).collect::<Vec<_>>().join("\n");
    expect![[r#"
        RUN  AGENT  STATE  AGE  RESOURCES  SPEC
        R  builder  running  AGE  2  DIR/agent.yaml
    "#]]
    .assert_eq(&timeless(&sandbox.plain(&list)));
}

#[test]
fn commands_after_drift() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.rewrite("image: busybox\nenv: { A: b }\n");
    expect![[r#"
        exit 0
        == stdout
        1.  create container moat-R.next1: changed
            env.A unset -> "b"
        2.  start container moat-R.next1 after 1: changed
        3.  await container moat-R.next1 after 2: changed
        4.  stop container moat-R after 3: superseded
        5.  remove container moat-R after 3, 4: superseded
        6.  rename container moat-R after 5: named moat-R.next1

        Plan: 6 to do (1 create, 1 start, 1 await, 1 stop, 1 remove, 1 rename)
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        container/main: out of sync, created at TIME
            env.A unset -> "b"
    "#]]
    .assert_eq(&timeless(&sandbox.moat(&["why", "main"]).transcript()));
    // A widening: a watch would hold it.
    sandbox.rewrite("image: busybox\nmounts: ['/etc:/host']\n");
    expect![[r#"
        exit 64
        == stderr
        `builder` is not approved: it asks for more than was approved
          + mount /host: path /etc (read and write)
        error: confirmation is needed and there is no terminal; nothing was changed
          = help: `--yes` confirms the above
    "#]]
    .assert_eq(&sandbox.moat(&["approve"]).transcript());
    expect![[r#"
        exit 0
        == stderr
        builder: approved
          + mount /host: path /etc (read and write)
    "#]]
    .assert_eq(&sandbox.moat(&["approve", "--yes"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        [
          {
            "run": "R",
            "agent": "builder",
            "approved": false,
            "asked_for": []
          }
        ]
        == stderr
        builder: nothing to approve
    "#]]
    .assert_eq(&sandbox.moat(&["approve", "--yes", "--json"]).transcript());
    let audit = sandbox.moat(&["audit"]).ok().stdout;
    let without_times = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {}\n", words[0], words[2..].join(" "))
    };
    let audit: String = audit.lines().map(without_times).collect();
    expect![[r#"
        ENTRY EVENT RESULT RUN WHAT
        1 log_started - -
        2 docker_network_created done R moat-R
        3 container_created done R moat-R
        4 container_started done R moat-R
        8 consent_given - R
    "#]]
    .assert_eq(&sandbox.plain(&audit));
}

#[test]
fn commands_on_orphans() {
    let sandbox = Sandbox::applied(PLAIN);
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("removed");
    expect![[r#"
        exit 64
        == stderr
        R (spec DIR/agent.yaml: file is gone)
          remove  container moat-R
          remove  network moat-R
        error: confirmation is needed and there is no terminal; nothing was changed
          = help: `--yes` confirms the above
    "#]]
    .assert_eq(&sandbox.moat(&["clean", &sandbox.agent]).transcript());
    expect![[r#"
        exit 0
        == stderr
        R (spec DIR/agent.yaml: file is gone)
          remove  container moat-R
          remove  network moat-R
        builder: 3 to do
          removed  container moat-R
          removed  network moat-R
          stopped  container moat-R
        builder is gone
    "#]]
    .assert_eq(&sandbox.moat(&["clean", "--yes", &sandbox.agent]).transcript());
}

/// The text output of a watch.
#[test]
fn watch_output() {
    let sandbox = Sandbox::new(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    // Not beside the spec, where the watch would notice it.
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| fs::File::create(folder.path().join(name)).expect("a file");
    let reported = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    let begin = |command: &str| {
        let mut moat = sandbox.moat(&[command]).command;
        let streams = |command: &str| (file(command), file(&format!("{command}.err")));
        let (out, err) = streams(command);
        moat.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("moat runs")
    };
    let mut watch = begin("watch");
    let on_screen = || reported("watch.err");
    assert!(until(|| on_screen().contains("in sync")), "{}", on_screen());
    let mut events = begin("events");
    // It listens once it reports new events.
    assert!(until(|| {
        let probe = format!("moat-{}-probe", sandbox.run_id());
        engine().docker(&["volume", "create", &probe]);
        engine().docker(&["volume", "rm", &probe]);
        reported("events").contains("probe")
    }));
    engine().docker(&["kill", &sandbox.main()]);
    assert!(until(|| on_screen().matches("in sync").count() == 2), "{}", on_screen());
    // The proof that it is ready is the last of it.
    let events_have = |what: &[&str]| what.iter().all(|it| reported("events").contains(it));
    assert!(until(|| events_have(&[" started ", " command-ended "])), "{}", reported("events"));
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
    events.kill().expect("it runs");
    events.wait().expect("it ends");
    // The duration and the first trigger vary.
    let line = |line: &str| match line.split_once(": `") {
        Some((who, _)) => format!("{who}: REASON\n"),
        None => line.split(", ").next().unwrap_or_default().to_owned() + "\n",
    };
    let on_screen: String = on_screen().lines().map(line).collect();
    expect![[r#"
        watching; Ctrl-C stops the watch and keeps the sandbox
        builder: the watch started
        builder: 4 to do
          created  container moat-R
          created  network moat-R
          ready  container moat-R
          started  container moat-R
        builder: in sync
        builder: REASON
        builder: 2 to do
          ready  container moat-R
          started  container moat-R
        builder: in sync
    "#]]
    .assert_eq(&sandbox.plain(&on_screen));
    let events = reported("events");
    let seen = events.lines().filter(|line| !line.contains("probe"));
    let mut seen: Vec<&str> =
        seen.map(|line| line.split_once("Z ").map_or(line, |(_, rest)| rest.trim_start())).collect();
    seen.sort_unstable();
    expect![[r#"
        command-ended  container moat-R
        connected  network moat-R
        died  container moat-R
        disconnected  network moat-R
        started  container moat-R
    "#]]
    .assert_eq(&sandbox.plain(&seen.join("\n")));
}
