//! `moat attach`: the streams and the exit code of the main command; and how `moat exec` detaches.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::recorder::Recorder;
use testkit::run::until;
use testkit::sandbox::{PLAIN, Sandbox};

const SHELL: &str = "image: busybox\ninteractive: true\ncommand: sh\n";

#[test]
fn attach_passes_input_output_and_exit_code() {
    let sandbox = Sandbox::applied(SHELL);
    let ran = sandbox.moat(&["attach"]).input("stty size; echo sum-$((40+2))\nexit 3\n").run();
    assert!(ran.code == 3 && ran.stdout.contains("sum-42"), "{ran}");
    let ran = sandbox.moat(&["attach"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("is not running"), "{ran}");
}

#[test]
fn detach_keys_leave_a_terminal_session() {
    let sandbox = Sandbox::applied(SHELL);
    let attach = |keys: &str| {
        let moat = sandbox.moat(&["attach"]);
        // An interactive terminal: input continues after the answer, and the terminal stays open until moat exits:
        // `script` has one, and keeps in `seen` what it shows.
        let mut command = Command::new("sh");
        let line = format!(
            "rm -f seen left; ({keys}; until [ -e left ]; do sleep 0.1; done) | \
             {{ script -qefc 'stty rows 33 cols 99; {} attach' seen; code=$?; touch left; exit $code; }}",
            moat.command.get_program().to_string_lossy()
        );
        command.args(["-c", &line]).current_dir(sandbox.path());
        for (name, value) in moat.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        testkit::run::run(command, b"")
    };
    // Ctrl-P and Ctrl-Q.
    let answered = "until grep -q kept-2 seen 2>/dev/null; do sleep 0.1; done";
    let ran = attach(&format!(r"printf 'stty size; echo kept-$((1+1))\r'; {answered}; printf '\020\021'"));
    assert!(ran.code == 0 && ran.stdout.contains("33 99") && ran.stdout.contains("kept-2"), "{ran}");
    assert!(ran.stdout.contains("detached; the command keeps running"), "{ran}");
    assert_eq!(sandbox.status()["state"], "ready");
    let ran = attach(r"printf 'exit 7\r'");
    assert_eq!(ran.code, 7, "{ran}");
}

#[test]
fn streams_stay_separate_without_a_terminal() {
    let script = "until [ -e /go ]; do echo tick; sleep 0.1; done; echo out; echo err >&2; exit 4";
    let spec = format!("image: busybox\ncommand: [\"sh\", \"-c\", {}]\n", Value::from(script));
    let sandbox = Sandbox::applied(&spec);
    let mut moat = sandbox.moat(&["attach"]);
    moat.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = moat.command.spawn().expect("moat runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("tick"));
    sandbox.sh_ok("touch /go");
    assert_eq!(lines.find(|line| line != "tick").as_deref(), Some("out"));
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(4), b"err\n".as_slice()));
}

#[test]
fn attach_prints_a_document_at_the_end() {
    let script = "until [ -e /go ]; do sleep 0.1; done; sleep 1; echo out; echo err >&2; exit 4";
    let sandbox = Sandbox::applied(&format!("image: busybox\ncommand: [\"sh\", \"-c\", {}]\n", Value::from(script)));
    let recorder = Recorder::new();
    let moat = sandbox.moat(&["attach", "--json"]).docker_host(&recorder.host());
    let ran = std::thread::scope(|scope| {
        let attached = scope.spawn(|| moat.run());
        assert!(until(|| recorder.take().iter().any(|call| call.path.ends_with("/attach"))));
        sandbox.sh_ok("touch /go");
        attached.join().expect("no panic")
    });
    let reported: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!((ran.code, reported), (4, serde_json::json!({ "exit_code": 4, "stdout": "out\n", "stderr": "err\n" })));
}

#[test]
fn exec_failures_have_the_exit_codes_of_shells() {
    let sandbox = Sandbox::applied(PLAIN);
    let table: [(&[&str], i32, &str); 6] = [
        (&["--", "nosuch"], 127, "`nosuch` does not exist in the container"),
        (&["--", "/no/such"], 127, "`/no/such` does not exist in the container"),
        (&["--", "/etc/passwd"], 126, "cannot run `/etc/passwd`: permission denied"),
        (&["-w", "/none", "--", "true"], 126, "cannot change to the directory `/none` in the container"),
        (&["-u", "nobody-here", "--", "true"], 126, "no user `nobody-here` in the container"),
        (&["-d", "--", "nosuch"], 127, "`nosuch` does not exist in the container"),
    ];
    for (args, code, message) in table {
        let ran = sandbox.moat(&[&["exec"], args].concat()).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?} {ran}");
        assert!(ran.stderr.starts_with(&format!("error: {message}\n")), "{args:?} {ran}");
    }
    let ran = sandbox.moat(&["exec", "--json", "--", "nosuch"]).run();
    let reported: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!((ran.code, &reported["exit_code"], &reported["stdout"]), (127, &127.into(), &"".into()));
    assert_eq!(reported["stderr"], "`nosuch` does not exist in the container\n");
    // A command may write the same text and exit with the same codes.
    for code in [0, 126, 127] {
        let ran = sandbox.sh(&format!("echo 'OCI runtime exec failed: no'; exit {code}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (code, "OCI runtime exec failed: no\n"), "{ran}");
    }
}

#[test]
fn a_command_runs_detached_or_is_killed_with_moat() {
    let sandbox = Sandbox::applied(PLAIN);
    let ran = sandbox.moat(&["exec", "--detach", "--", "sh", "-c", "sleep 1; echo done >/mark"]).ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(until(|| sandbox.sh("cat /mark").stdout == "done\n"));
    let runs = |seconds: &str| sandbox.sh_ok("ps -o args").lines().any(|line| line == format!("sleep {seconds}"));
    for (kill_on_exit, seconds) in [(true, "4242"), (false, "4343")] {
        let args: &[&str] = if kill_on_exit { &["exec", "--kill-on-exit", "--"] } else { &["exec", "--"] };
        let mut moat = sandbox.moat(&[args, &["sh", "-c", &format!("sleep {seconds}; true")]].concat());
        let mut child = moat.command.stdin(Stdio::piped()).spawn().expect("moat runs");
        assert!(until(|| runs(seconds)));
        // SIGKILL cannot be handled.
        child.kill().expect("killed");
        child.wait().expect("killed");
        if kill_on_exit {
            assert!(until(|| !runs(seconds)), "{seconds} goes on");
        } else {
            assert!(runs(seconds), "{seconds} has ended");
        }
    }
    // Otherwise it behaves like any command.
    let ran = sandbox.moat(&["exec", "--kill-on-exit", "--", "sh", "-c", "cat; exit 5"]).input("in").run();
    assert_eq!((ran.code, ran.stdout.as_str()), (5, "in"), "{ran}");
    assert!(until(|| sandbox.sh_ok("ls -a /tmp | grep -c moat-exec || true") == "0"));
}
