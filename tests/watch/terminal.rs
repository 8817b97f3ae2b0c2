//! A watch on a terminal: one status line for each agent at the bottom, and messages above them.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::PATIENCE;

/// A terminal emulator for the sequences that moat uses.
#[derive(Default)]
struct Picture {
    lines: Vec<String>,
    row: usize,
    /// The incomplete escape sequence.
    escape: Option<String>,
    /// Unexpected sequences.
    strange: Vec<String>,
}

impl Picture {
    fn take(&mut self, text: &str) {
        for c in text.chars() {
            self.lines.resize(self.lines.len().max(self.row + 1), String::new());
            match (&mut self.escape, c) {
                (Some(sequence), c) => {
                    sequence.push(c);
                    if c.is_ascii_alphabetic() {
                        let sequence = self.escape.take().unwrap_or_default();
                        self.apply_sequence(&sequence);
                    }
                }
                (None, '\u{1b}') => self.escape = Some(String::new()),
                // A line is always rewritten from its start.
                (None, '\r') => {}
                (None, '\n') => self.row += 1,
                (None, c) => self.lines[self.row].push(c),
            }
        }
    }

    fn apply_sequence(&mut self, sequence: &str) {
        let count = sequence.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(1);
        match sequence.chars().last() {
            Some('A') => self.row -= count,
            Some('B') => self.row += count,
            Some('K') => self.lines[self.row].clear(),
            Some('J') => self.lines.truncate(self.row),
            _ => self.strange.push(sequence.to_owned()),
        }
    }
}

struct Terminal {
    end: File,
    picture: Arc<Mutex<Picture>>,
    child: Child,
}

impl Terminal {
    fn run(sandbox: &Sandbox, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a path");
        let end = OpenOptions::new().read(true).write(true).open(name).expect("open");
        tcsetwinsize(&end, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).expect("set");
        let picture = Arc::<Mutex<Picture>>::default();
        let (mut from, shared) = (File::from(master), picture.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shared.lock().expect("the lock is not poisoned").take(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        let mut command = sandbox.moat(args).command;
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        let again = || end.try_clone().expect("again");
        let child = command.stdin(again()).stdout(again()).stderr(again()).spawn().expect("moat runs");
        Self { end, picture, child }
    }

    /// The non-empty lines, with the sandbox's names replaced.
    fn lines(&self, sandbox: &Sandbox) -> Vec<String> {
        let picture = self.picture.lock().expect("the lock is not poisoned");
        assert!(picture.strange.is_empty(), "{:?}", picture.strange);
        let lines = picture.lines.iter().map(|line| line.replace(&sandbox.agent, "AGENT"));
        lines.filter(|line| !line.is_empty()).collect()
    }

    #[track_caller]
    fn wait_for(&self, sandbox: &Sandbox, met: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines(sandbox);
            if met(&lines) {
                return lines;
            }
            assert!(Instant::now() < deadline, "{lines:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_agent_has_a_status_line_below_the_messages() {
    let sandbox = Sandbox::new(PLAIN);
    let folder = sandbox.path().join("all");
    fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, more: &str| {
        let text = format!("agent: {}-{name}\n{PLAIN}{more}", sandbox.agent);
        fs::write(folder.join(format!("{name}.yaml")), text).expect("a spec");
    };
    write("a", "");
    write("b", "");
    let mut terminal = Terminal::run(&sandbox, &["watch", "all"]);
    let wanted = |name: &str| format!("AGENT-{name}  in sync      the watch started");
    let begun = "watching 2 agents; Ctrl-C stops the watch and keeps the sandboxes".to_owned();
    terminal.wait_for(&sandbox, |lines| lines == [begun.clone(), wanted("a"), wanted("b")]);

    // A finished round leaves only its cause.
    let label = format!("label=moat.agent={}-b", sandbox.agent);
    engine().docker(&["kill", &engine().list(&["ps", "-q", "--filter", &label])[0]]);
    // On a busy machine, the event of the network may come long before the one of the container.
    let is_cause = |line: &str| line.ends_with("exited") || line.ends_with("was disconnected");
    let repaired = |line: &str| line.starts_with("AGENT-b  in sync      `moat-AGENT-b-") && is_cause(line);
    let lines = terminal.wait_for(&sandbox, |lines| lines.last().is_some_and(|line| repaired(line)));
    assert_eq!(lines[..2], [begun.clone(), wanted("a")]);
    assert_eq!(lines.len(), 3, "{lines:#?}");

    // Held changes and invalid specs are reported above the status lines, once.
    write("a", "mounts: ['/etc:/conf:ro']\n");
    write("b", "mounts: [\n");
    let lines = terminal.wait_for(&sandbox, |lines| {
        lines.iter().any(|line| line.starts_with("AGENT-a  held"))
            && lines.last().is_some_and(|line| line.starts_with("AGENT-b  no spec"))
    });
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("AGENT-a | held:"), count("AGENT-a  "), count("AGENT-b  ")), (1, 1, 1), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("AGENT-b | error")), "{lines:#?}");

    // In a narrower window the lines are shorter from the next change on.
    tcsetwinsize(&terminal.end, Winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 }).expect("set");
    write("b", "");
    terminal.wait_for(&sandbox, |lines| {
        let board: Vec<_> = lines.iter().filter(|line| line.starts_with("AGENT-a  ")).collect();
        board.len() == 1 && board[0].ends_with('…') && lines.last().is_some_and(|it| it.contains("in sync"))
    });

    // It exits normally, and leaves the terminal unchanged.
    kill_process(Pid::from_child(&terminal.child), Signal::INT).expect("it runs");
    let status = terminal.child.wait().expect("it ends");
    assert_eq!((status.code(), status.signal()), (Some(0), None));
    let modes = tcgetattr(&terminal.end).expect("a terminal").local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
}
