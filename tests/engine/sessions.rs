//! Sessions of agents: they outlive their terminal, pass bytes unchanged, and say how they ended.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

use moat_session::layout;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use testkit::engine::engine;
use testkit::proxy::Proxy;
use testkit::run::until;
use testkit::sandbox::{Moat, Sandbox};

/// Runs its arguments with a shell. The variable is one that `moat exec` has as well.
const AGENT: &str = r#"capability: my-agent
summary: an agent of our own
agent:
  name: mine
  command: [sh, -c]
"#;

fn sandbox(spec: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("{spec}dependencies: [my-agent]\n"));
    fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    fs::write(sandbox.path().join("specs/mine.yaml"), AGENT).expect("written");
    sandbox.apply();
    sandbox
}

/// moat on a terminal of its own.
struct Terminal {
    keys: File,
    end: File,
    seen: Arc<Mutex<Vec<u8>>>,
    moat: Child,
}

impl Terminal {
    fn run(moat: &Moat<'_>, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a path");
        let end = OpenOptions::new().read(true).write(true).open(name).expect("open");
        // The terminal has to be its controlling one, or the kernel does not tell moat of a new size.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(moat.command.get_program()).args(moat.command.get_args()).env_clear();
        command.current_dir(moat.command.get_current_dir().expect("a folder"));
        command.envs(moat.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let stream = || end.try_clone().expect("a descriptor");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let keys = File::from(master);
        let (mut from, seen) = (keys.try_clone().expect("a descriptor"), Arc::<Mutex<Vec<u8>>>::default());
        let shared = seen.clone();
        let terminal = Self {
            keys,
            seen,
            moat: {
                Self::size_of(&end, rows, columns);
                command.spawn().expect("it runs")
            },
            end,
        };
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shared.lock().expect("no panic").extend_from_slice(&buffer[..count]);
            }
        });
        terminal
    }

    fn size_of(end: &File, rows: u16, columns: u16) {
        tcsetwinsize(end, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("set");
    }

    fn resize(&self, rows: u16, columns: u16) {
        Self::size_of(&self.end, rows, columns);
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic")).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        assert!(until(|| self.seen().contains(text)), "no `{text}`: {}", self.seen());
    }

    fn press(&self, keys: &[u8]) {
        (&self.keys).write_all(keys).expect("written");
    }

    /// The exit code of moat, and everything that it has shown.
    fn ended(mut self) -> (Option<i32>, String) {
        assert!(until(|| self.moat.try_wait().expect("ours").is_some()), "it still runs: {}", self.seen());
        let code = self.moat.wait().expect("ended").code();
        // What was written before the end arrives after it.
        self.press(b"");
        (code, self.seen())
    }

    fn kill(mut self) {
        self.moat.kill().expect("killed");
        self.moat.wait().expect("killed");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.moat.kill();
        let _ = self.moat.wait();
    }
}

fn start(sandbox: &Sandbox, script: &str, rows: u16, columns: u16) -> Terminal {
    Terminal::run(&sandbox.moat(&["agent", "mine", script]), rows, columns)
}

fn attach(sandbox: &Sandbox, args: &[&str], rows: u16, columns: u16) -> Terminal {
    Terminal::run(&sandbox.moat(&[&["attach"], args].concat()), rows, columns)
}

fn sessions(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.moat(&["sessions", "--json"]).ok();
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    document["sessions"].as_array().expect("a list").clone()
}

/// Ctrl-P and Ctrl-Q.
const DETACH: &[u8] = b"\x10\x11";

#[test]
fn a_session_is_detached_attached_resized_and_ends_with_its_code() {
    let sandbox = sandbox("image: busybox\n");
    let script = "stty size; echo \"as $(id -u) in $PWD, $TERM\"; trap 'echo now $(stty size)' WINCH; \
                  while :; do read -r word || continue; echo \"got-$word\"; [ $word != end ] || exit 7; done";
    let first = start(&sandbox, script, 33, 99);
    first.wait_for("33 99\r\nas 0 in /, xterm");
    first.press(b"one\r");
    first.wait_for("got-one");
    first.press(DETACH);
    let (code, seen) = first.ended();
    assert!(code == Some(0) && seen.contains("detached; session `mine` keeps running"), "{code:?} {seen}");
    assert_eq!(sessions(&sandbox)[0]["state"], "running");

    // The output of before is there again, and the size is that of the new terminal.
    let second = attach(&sandbox, &[], 20, 60);
    second.wait_for("got-one");
    second.wait_for("now 20 60");
    second.resize(25, 70);
    second.press(b"two\r");
    second.wait_for("now 25 70");
    second.press(b"end\r");
    let (code, seen) = second.ended();
    assert!(code == Some(7) && seen.contains("got-end"), "{code:?} {seen}");
    let all = sessions(&sandbox);
    assert!(all[0]["state"] == "ended" && all[0]["exit_code"] == 7 && all[0]["attached"] == 0, "{all:?}");

    // The end was seen: it is reported again only on request.
    let late = sandbox.moat(&["attach", "--session", "mine"]).run();
    assert!(late.code == 7 && late.stderr.contains("session `mine` ended with exit code 7"), "{late}");
    let main = sandbox.moat(&["attach", "--no-stdin", "--session", "none"]).run();
    assert!(main.code == 64 && main.stderr.contains("known: `mine`"), "{main}");
}

#[test]
fn bytes_pass_unchanged_both_ways() {
    let sandbox = sandbox("image: busybox\n");
    let wide = "日本語 🦀 é\u{301}\r\n".as_bytes();
    let bytes: Vec<u8> = (0..=255).cycle().take(20_000).chain(wide.iter().copied().cycle().take(20_000)).collect();
    let script = format!("stty raw -echo; echo ready; head -c {} | tee /copy; echo over", bytes.len());
    // Keys that are not among the bytes.
    let moat = sandbox.moat(&["agent", "--detach-keys", "ctrl-a,ctrl-a,ctrl-a", "mine", &script]);
    let terminal = Terminal::run(&moat, 24, 80);
    terminal.wait_for("ready\n");
    terminal.press(&bytes);
    assert!(until(|| terminal.seen.lock().expect("no panic").ends_with(b"over\n")));
    let seen = terminal.seen.lock().expect("no panic").clone();
    let at = seen.windows(6).position(|it| it == b"ready\n").expect("the beginning") + 6;
    assert!(seen[at..at + bytes.len()] == bytes[..], "the output differs");
    assert_eq!(terminal.ended().0, Some(0));
    let copy = sandbox.sh_ok("sha256sum /copy");
    assert!(copy.starts_with(&moat_model::resource::digest::sha256(&bytes)), "{copy}");
}

#[test]
fn a_session_survives_a_killed_client() {
    let sandbox = sandbox("image: busybox\n");
    let first = start(&sandbox, "echo rea''dy; read -r word; echo \"got-$word\"; exit 5", 24, 80);
    first.wait_for("ready\r\n");
    assert!(until(|| sessions(&sandbox)[0]["attached"] == 1));
    first.kill();
    assert!(until(|| sessions(&sandbox)[0]["attached"] == 0), "the dead client is still attached");
    let second = attach(&sandbox, &[], 24, 80);
    second.wait_for("ready\r\n");
    // Two clients see the same.
    let third = attach(&sandbox, &["-s", "mine"], 24, 80);
    third.wait_for("ready\r\n");
    second.press(b"yes\r");
    third.wait_for("got-yes");
    assert_eq!((second.ended().0, third.ended().0), (Some(5), Some(5)));
}

#[test]
fn two_sessions_have_names_and_an_unseen_end_is_told_once() {
    let sandbox = sandbox("image: busybox\ninteractive: true\ncommand: sh\n");
    let first = start(&sandbox, "echo fir''st; until [ -e /go ]; do sleep 0.1; done; exit 3", 24, 80);
    first.wait_for("first\r\n");
    first.press(DETACH);
    assert_eq!(first.ended().0, Some(0));
    let second = start(&sandbox, "echo sec''ond; read -r word", 24, 80);
    second.wait_for("session `mine` is running too");
    second.wait_for("second\r\n");
    let names: Vec<Value> = sessions(&sandbox).iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["mine", "mine-2"]);
    let ran = sandbox.moat(&["attach"]).run();
    assert!(ran.code == 64 && ran.stderr.contains("select one with `--session`: `mine`, `mine-2`"), "{ran}");
    second.press(b"\r");
    assert_eq!(second.ended().0, Some(0));
    sandbox.sh_ok("touch /go");
    assert!(until(|| sessions(&sandbox)[0]["state"] == "ended"));
    let told = sandbox.moat(&["attach"]).run();
    assert!(told.code == 3 && told.stderr.contains("session `mine` ended with exit code 3"), "{told}");
    // From now on, the main command is meant again.
    let main = sandbox.moat(&["attach"]).input("echo main-$((1+1))\nexit 9\n").run();
    assert!(main.code == 9 && main.stdout.contains("main-2"), "{main}");
}

#[test]
fn a_lost_session_or_engine_has_a_clear_word() {
    let sandbox = sandbox("image: busybox\n");
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = Proxy::new(folder.path(), &engine().host);
    let moat = sandbox.moat(&["agent", "mine", "echo rea''dy; exec sleep 1000"]).docker_host(&proxy.host());
    let terminal = Terminal::run(&moat, 24, 80);
    terminal.wait_for("ready\r\n");
    proxy.cut();
    terminal.wait_for("the connection to session `mine` was lost");
    let (code, seen) = terminal.ended();
    assert!(code != Some(0) && seen.contains("`moat attach` connects again"), "{code:?} {seen}");

    // The holder is killed.
    let again = attach(&sandbox, &[], 24, 80);
    again.wait_for("ready\r\n");
    sandbox.sh_ok("kill -9 $(ps -o pid,args | grep 'session-[h]elper serve' | grep -v grep | awk '{print $1}')");
    let (code, seen) = again.ended();
    assert!(code == Some(1) && seen.contains("session `mine` was lost: its process was killed"), "{code:?} {seen}");
    assert_eq!(sessions(&sandbox)[0]["state"], "lost");

    // The sandbox is stopped.
    let last = start(&sandbox, "echo rea''dy; exec sleep 1000", 24, 80);
    last.wait_for("ready\r\n");
    sandbox.moat(&["stop"]).ok();
    let (code, seen) = last.ended();
    assert!(code == Some(1) && seen.contains("was lost: ") && seen.contains("was stopped"), "{code:?} {seen}");
}

#[test]
fn only_root_and_the_user_reach_a_session() {
    let sandbox = sandbox("image: busybox\nuser: '1234:1234'\n");
    let terminal = start(&sandbox, "id -u; env | sort; echo rea''dy; read -r word", 24, 80);
    terminal.wait_for("ready\r\n");
    terminal.wait_for("1234\r\n");
    let folder = format!("{}/1234", layout::SESSIONS);
    let facts = engine().docker(&["exec", "-u", "0", &sandbox.main(), "stat", "-c", "%a %u", &folder]);
    assert_eq!(facts.trim(), "700 1234");
    let reach = |user: &str| {
        let [program, word] = &layout::command(&[])[..] else { panic!("two words") };
        let args = ["exec", "-u", user, &sandbox.main(), program, word, "attach", "mine"];
        engine().try_docker(&args)
    };
    let other = reach("4321");
    assert!(other.code != 0 && other.stderr.contains("is not running"), "{other}");
    let read = engine().try_docker(&["exec", "-u", "4321", &sandbox.main(), "ls", &folder]);
    assert!(read.code != 0, "{read}");
    terminal.press(b"\r");
    assert_eq!(terminal.ended().0, Some(0));
}

#[test]
fn a_session_runs_in_a_rootless_sandbox() {
    let sandbox = sandbox("isolation: rootless\n");
    let terminal = start(&sandbox, "echo \"as $(id -u)\"; read -r word; exit 4", 24, 80);
    terminal.wait_for("as 1000");
    terminal.press(DETACH);
    assert_eq!(terminal.ended().0, Some(0));
    let again = attach(&sandbox, &[], 24, 80);
    again.wait_for("as 1000");
    again.press(b"\r");
    assert_eq!(again.ended().0, Some(4));
}
