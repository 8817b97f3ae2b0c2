//! The user's terminal: a separate process on its own terminal, and typed keys.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use moat_docker::{AttachRequest, Attached};
use moat_model::resource::ContainerId;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::lab::{Lab, docker};

/// A terminal with a user.
struct Host {
    keyboard: File,
    /// The end for programs.
    terminal: File,
    screen: Arc<Mutex<String>>,
}

const PATIENCE: Duration = Duration::from_secs(20);

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Host {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a path");
        let terminal = OpenOptions::new().read(true).write(true).open(name).expect("open");
        tcsetwinsize(&terminal, size(30, 100)).expect("set");
        let keyboard = File::from(master);
        let (mut watched, screen) = (keyboard.try_clone().expect("again"), Arc::new(Mutex::new(String::new())));
        let written = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = watched.read(&mut buffer) {
                written.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { keyboard, terminal, screen }
    }

    /// Runs the test below in a new session with this terminal.
    fn run(&self, container: &ContainerId) -> Child {
        let end = || self.terminal.try_clone().expect("again");
        Command::new("setsid")
            .arg("--ctty")
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "docker::terminal::interactive_shell", "--ignored", "--nocapture"])
            .env("MOAT_TEST_CONTAINER", container.as_str())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("it runs")
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("typed");
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.lock().expect("not poisoned").contains(text)
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("a terminal").local_modes;
        !modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    fn wait_for(&self, what: &str, met: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !met(self) {
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {:?}", self.screen);
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for_end(&self, child: &mut Child) {
        let begin = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begin.elapsed() > PATIENCE {
                child.kill().expect("ended");
                panic!("it never ends: {:?}", self.screen);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[tokio::test]
#[ignore = "is run by the others, on a terminal of theirs"]
async fn interactive_shell() {
    let container = ContainerId::new(std::env::var("MOAT_TEST_CONTAINER").expect("a container"));
    let command = ["sh".to_owned()].into();
    let request = AttachRequest { command, tty: true, stdin: true, ..AttachRequest::default() };
    let code = docker().await.attach(&container, &request).await.expect("it ran");
    assert_eq!(code, Attached::Ended(0), "the code");
}

#[tokio::test]
async fn a_shell_has_the_terminals_size_and_restores_its_mode() {
    let lab = Lab::new("desk").await;
    let id = lab.idle().await;
    let mut desk = Host::new();
    let mut child = desk.run(&id);
    desk.wait_for("a prompt", |desk| desk.shows("/ #"));
    assert!(desk.is_raw(), "keys go to the shell as they are");
    desk.type_in("stty size\r");
    desk.wait_for("the size from the first moment on", |desk| desk.shows("30 100"));

    tcsetwinsize(&desk.terminal, size(40, 120)).expect("set");
    let begin = Instant::now();
    while !desk.shows("40 120") {
        assert!(begin.elapsed() < PATIENCE, "the new size never came: {:?}", desk.screen);
        desk.type_in("stty size\r");
        thread::sleep(Duration::from_millis(50));
    }

    desk.type_in("echo begun; sleep 1000\r");
    desk.wait_for("the command", |desk| desk.shows("\nbegun"));
    // Ctrl-C stops the command in the container, and not moat.
    desk.type_in("\x03");
    desk.type_in("exit 3\r");
    desk.wait_for_end(&mut child);
    assert!(!desk.is_raw(), "the terminal is as before");
    desk.wait_for("the code", |desk| desk.shows("left: Ended(3)"));
}

#[tokio::test]
async fn a_signal_does_not_leave_the_terminal_raw() {
    let lab = Lab::new("term").await;
    let id = lab.idle().await;
    let desk = Host::new();
    let mut child = desk.run(&id);
    desk.wait_for("a prompt", |desk| desk.shows("/ #"));
    assert!(desk.is_raw());
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).expect("sent");
    desk.wait_for_end(&mut child);
    assert!(!desk.is_raw(), "the terminal is as before");
    desk.wait_for("the code", |desk| desk.shows("left: Ended(143)"));
}
