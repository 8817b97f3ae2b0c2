//! A proxy socket of the engine that forwards everything until it is cut.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    path: PathBuf,
    lines: Arc<Mutex<Vec<UnixStream>>>,
    dead: Arc<AtomicBool>,
}

impl Proxy {
    /// A socket in `dir` that leads to the one of `host`.
    pub fn new(dir: &Path, host: &str) -> Self {
        let target = host.strip_prefix("unix://").expect("the lab is a socket").to_owned();
        let path = dir.join("proxy.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (lines, dead) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, is_dead) = (lines.clone(), dead.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if is_dead.load(Ordering::SeqCst) {
                    continue;
                }
                let far = UnixStream::connect(&target).expect("the lab's engine");
                all.lock().expect("the lock is not poisoned").push(near.try_clone().expect("a descriptor"));
                pass(&near, &far);
                pass(&far, &near);
            }
        });
        Self { path, lines, dead }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Closes every connection, and accepts no new one.
    pub fn cut(&self) {
        self.dead.store(true, Ordering::SeqCst);
        for line in self.lines.lock().expect("the lock is not poisoned").drain(..) {
            // It may be closed already.
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    pub fn restore_connection(&self) {
        self.dead.store(false, Ordering::SeqCst);
    }
}

fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
