//! `moat logs`: all kinds of containers, binary output, and all forms of times.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{PLAIN, Sandbox};

/// A spec whose main command is a shell script.
fn main(script: &str, more: &str) -> String {
    format!("image: busybox\ncommand: [\"sh\", \"-c\", {}]\n{more}", Value::from(script))
}

/// The output as bytes.
fn logs(sandbox: &Sandbox, args: &[&str]) -> Vec<u8> {
    let mut moat = sandbox.moat(&[&["logs"], args].concat());
    let output = moat.command.output().expect("moat runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A container of a sandbox, as on an engine with another log driver.
fn with_driver(sandbox: &Sandbox, driver: &str, options: &[&str], command: &[&str]) {
    let label = |name: &str, value: &str| format!("--label=moat.{name}={value}");
    let labels = [
        label("run", &sandbox.run_id()),
        label("agent", &sandbox.agent),
        label("resource", &format!("container/{driver}")),
    ];
    let name = format!("{}-{driver}", sandbox.agent);
    let words = ["run", "-d", "--name", &name, "--log-driver", driver, &labels[0], &labels[1], &labels[2]];
    engine().docker(&[&words[..], options, &["busybox"], command].concat());
}

#[test]
fn logs_preserve_binary_bytes() {
    let sandbox = Sandbox::applied(PLAIN);
    // The driver `json-file` replaces invalid bytes; this one does not.
    let script = r"printf 'bin\377\200\r\n\302\2332J\nend'";
    with_driver(&sandbox, "local", &[], &["sh", "-c", script]);
    let whole = b"bin\xff\x80\r\n\xc2\x9b2J\nend";
    let only = ["-c", "local"];
    assert!(until(|| logs(&sandbox, &only) == whole), "{:?}", logs(&sandbox, &only));
    let stamped = logs(&sandbox, &["-t", "-c", "local"]);
    assert!(stamped.windows(8).any(|it| it == b"Z bin\xff\x80\r"), "{stamped:?}");
    let reported = String::from_utf8(logs(&sandbox, &["--json", "-c", "local"])).expect("JSON is text");
    assert!(!reported.contains(|c: char| c.is_control() && c != '\n'), "{reported:?}");
    let texts: Vec<Value> =
        reported.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["text"].clone()).collect();
    assert_eq!(texts, ["bin\u{fffd}\u{fffd}", "\u{9b}2J", "end"]);
    let ran = sandbox.moat(&["exec", "--json", "--", "printf", r"\302\2332J\177"]).ok().stdout;
    assert!(ran.contains(r"\u009b2J\u007f"), "{ran:?}");
}

#[test]
fn logs_preserve_terminal_bytes() {
    let sandbox = Sandbox::applied(PLAIN);
    with_driver(
        &sandbox,
        "local",
        &["-t"],
        &["sh", "-c", r"printf 'bin\377\001\000\n'; head -c 40000 /dev/zero | tr '\0' x"],
    );
    let whole = [b"bin\xff\x01\x00\r\n".to_vec(), vec![b'x'; 40_000]].concat();
    let only = ["-c", "local"];
    assert!(until(|| logs(&sandbox, &only).len() == whole.len()), "{}", logs(&sandbox, &only).len());
    assert!(logs(&sandbox, &only) == whole);
}

#[test]
fn logs_of_a_container_with_a_terminal() {
    let script = "echo one; echo two >&2; echo three; exec sleep 600";
    let sandbox = Sandbox::applied(&main(script, "interactive: true\n"));
    let whole = b"one\r\ntwo\r\nthree\r\n";
    assert!(until(|| logs(&sandbox, &[]) == whole), "{:?}", logs(&sandbox, &[]));
    assert_eq!(logs(&sandbox, &["--tail", "1"]), b"three\r\n");
    let reported = String::from_utf8(logs(&sandbox, &["--json"])).expect("JSON is text");
    let lines: Vec<Value> = reported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let texts: Vec<&Value> = lines.iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    let is_timed = |line: &Value| line["time"].as_str().is_some_and(|time| time.len() == 30);
    assert!(lines.iter().all(|line| line["stream"] == "stdout" && is_timed(line)), "{reported}");
    // Following shows new lines, once.
    let mut moat = sandbox.moat(&["logs", "-f"]);
    let mut child = moat.command.stdout(Stdio::piped()).spawn().expect("moat runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let first: Vec<_> = lines.by_ref().take(3).collect();
    assert_eq!(first, ["one", "two", "three"]);
    sandbox.sh_ok("echo later >/proc/1/fd/1");
    assert_eq!(lines.next().as_deref(), Some("later"));
    child.kill().expect("ended");
    child.wait().expect("ended");
}

#[test]
fn failures_show_the_logs_of_a_terminal() {
    let sandbox = Sandbox::new(&main("echo last words; exit 3", "interactive: true\n"));
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("last words"), "{ran}");
}

#[test]
fn since_and_until_limit_the_logs() {
    let sandbox = Sandbox::applied(&main("echo now; exec sleep 600", ""));
    assert!(until(|| logs(&sandbox, &[]) == b"now\n"));
    let table: [(&[&str], &[u8]); 10] = [
        (&["--since", "2026-01-01"], b"now\n"),
        (&["--since", "2020-01-01T10:00"], b"now\n"),
        (&["--since", "1h"], b"now\n"),
        (&["--since", "2d"], b"now\n"),
        (&["--since", "2199-01-01"], b""),
        (&["--since", "2199-01-01T00:00:00Z"], b""),
        (&["--until", "2020-01-01"], b""),
        (&["--until", "1h"], b""),
        (&["--until", "2199-01-01"], b"now\n"),
        (&["--tail", "all"], b"now\n"),
    ];
    for (args, expected) in table {
        assert_eq!(logs(&sandbox, args), expected, "{args:?}");
    }
    for args in
        [&["--since", "yesterday"][..], &["--until", "2026-13-01"], &["--tail", "some"], &["-f", "--until", "1h"]]
    {
        assert_eq!(sandbox.moat(&[&["logs"], args].concat()).run().code, 64, "{args:?}");
    }
}

#[test]
fn a_log_driver_without_logs_is_reported() {
    let sandbox = Sandbox::applied(PLAIN);
    with_driver(&sandbox, "none", &[], &["sleep", "600"]);
    for args in [&["logs", "-c", "none"][..], &["logs", "-f", "-c", "none"], &["logs"]] {
        let ran = sandbox.moat(args).run();
        assert!(
            ran.code == 1 && ran.stderr.starts_with("error: the engine keeps no logs (log driver `none`)\n"),
            "{ran}"
        );
        assert!(ran.stderr.contains("daemon.json"), "{ran}");
    }
    let doctor = sandbox.moat(&["doctor", "--json"]).run().stdout;
    let doctor: Value = serde_json::from_str(&doctor).expect("a document");
    let checks = doctor["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|it| it["check"] == "logs" && it["found"].as_str().is_some_and(|found| found.starts_with("json-file"))), "{doctor}");
}
