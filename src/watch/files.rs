//! File changes as wakeups: any event in a folder with a file of a spec makes its agent read the spec again.
//!
//! Folders are watched, not files: many editors save by replacing the file. Whether
//! the content has changed is for the reader to find out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

use super::wakeups::Wakeups;
use moat_plan::event::Trigger;

/// The polling interval, short enough not to be noticed.
const POLL: Duration = Duration::from_secs(1);

/// The reason why the system cannot watch folders.
#[derive(Debug, thiserror::Error)]
#[error("the system cannot watch files: {why}")]
pub struct WatchError {
    why: String,
    /// A remedy.
    pub hint: &'static str,
}

/// The watched folders of all agents.
pub struct Files {
    watcher: Mutex<Box<dyn Watcher + Send>>,
    followed: Arc<Mutex<Followed>>,
}

#[derive(Debug, Default)]
struct Followed {
    /// The files of each agent's spec, the spec itself first.
    files: BTreeMap<usize, Vec<PathBuf>>,
    /// The folders with their agents and identity, since another folder may take the place of one.
    folders: BTreeMap<PathBuf, (Identity, BTreeSet<usize>)>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Files {
    /// Watches by file system events.
    ///
    /// # Errors
    /// If no watcher is left; [`Files::polling`] is the alternative.
    pub fn new(wakeups: Wakeups) -> Result<Self, WatchError> {
        let followed = Arc::new(Mutex::new(Followed::default()));
        let watcher = RecommendedWatcher::new(handler(wakeups, followed.clone()), Config::default());
        Ok(Self { watcher: Mutex::new(Box::new(watcher.map_err(|error| explained(&error))?)), followed })
    }

    /// Polls.
    ///
    /// # Errors
    /// If the poller cannot be started.
    pub fn polling(wakeups: Wakeups) -> Result<Self, WatchError> {
        let followed = Arc::new(Mutex::new(Followed::default()));
        let config = Config::default().with_poll_interval(POLL);
        let watcher = PollWatcher::new(handler(wakeups, followed.clone()), config);
        Ok(Self { watcher: Mutex::new(Box::new(watcher.map_err(|error| explained(&error))?)), followed })
    }

    /// Watches exactly these files for `agent`, existing or not. Absolute paths, the spec itself first.
    ///
    /// # Errors
    /// If the system has no watches left.
    pub fn follow(&self, agent: usize, files: &[PathBuf]) -> Result<(), WatchError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        // The calls below wait for the handler's thread, which takes this lock: it must be released first.
        let NextStep { stale, fresh } = locked(&self.followed).turn(agent, files);
        for folder in stale {
            // A removed folder is no longer watched, and cannot be released.
            let _ = watcher.unwatch(&folder);
        }
        for folder in fresh {
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                locked(&self.followed).folders.remove(&folder);
                // The folder was removed in the meantime; its parent is watched too.
                if !matches!(error.kind, notify::ErrorKind::PathNotFound) {
                    return Err(explained(&error));
                }
            }
        }
        Ok(())
    }
}

/// The changes of the system's watches after an agent's files have changed.
#[derive(Debug, Default)]
struct NextStep {
    /// Folders to release first: a new one may have the same path.
    stale: Vec<PathBuf>,
    fresh: Vec<PathBuf>,
}

fn handler(wakeups: Wakeups, followed: Arc<Mutex<Followed>>) -> impl FnMut(notify::Result<Event>) + Send + 'static {
    move |event| {
        let followed = locked(&followed);
        match event {
            // Reading the files causes these events.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) if !event.need_rescan() => {
                for path in &event.paths {
                    followed.wake(path, &wakeups);
                }
            }
            // Events were lost: every agent reads its files.
            _ => {
                for agent in followed.files.keys() {
                    wakeups.wake(*agent, Trigger::File(followed.named(*agent, None)));
                }
            }
        }
    }
}

impl Followed {
    /// Records the files of an agent. Their folders are known from here on, so no event is missed.
    fn turn(&mut self, agent: usize, files: &[PathBuf]) -> NextStep {
        self.files.insert(agent, files.to_vec());
        let wanted: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders(file)).collect();
        let mut turn = NextStep::default();
        self.folders.retain(|folder, (identity, agents)| {
            let now = identity_of(folder);
            let is_other = now != Some(*identity);
            if !wanted.contains(folder) {
                agents.remove(&agent);
            }
            let stays = now.is_some() && !agents.is_empty();
            if is_other || !stays {
                turn.stale.push(folder.clone());
            }
            if let (true, true, Some(now)) = (is_other, stays, now) {
                *identity = now;
                turn.fresh.push(folder.clone());
            }
            stays
        });
        for folder in wanted {
            if let Some((_, agents)) = self.folders.get_mut(&folder) {
                agents.insert(agent);
            } else if let Some(identity) = identity_of(&folder) {
                self.folders.insert(folder.clone(), (identity, BTreeSet::from([agent])));
                turn.fresh.push(folder);
            }
        }
        turn
    }

    fn wake(&self, path: &Path, wakeups: &Wakeups) {
        let concerned = [Some(path), path.parent()].into_iter().flatten().filter_map(|it| self.folders.get(it));
        let agents: BTreeSet<usize> = concerned.flat_map(|(_, agents)| agents.iter().copied()).collect();
        for agent in agents {
            wakeups.wake(agent, Trigger::File(self.named(agent, Some(path))));
        }
    }

    /// The file name to report: the changed file if it belongs to the spec, otherwise the spec's first.
    fn named(&self, agent: usize, path: Option<&Path>) -> String {
        let files = self.files.get(&agent);
        let known = path.filter(|path| files.is_some_and(|files| files.iter().any(|file| file == path)));
        let file = known.or_else(|| files?.first().map(PathBuf::as_path));
        file.and_then(Path::file_name).unwrap_or(OsStr::new("the spec")).to_string_lossy().into_owned()
    }
}

/// The folders in which a change may redirect a path to another file: its own, the parent of this,
/// and those of every link along the path.
fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut add = |path: &Path| {
        let mut above = path.ancestors().skip(1).filter(|folder| folder.is_dir());
        folders.extend(above.by_ref().take(2).map(Path::to_owned));
    };
    add(file);
    let links = file.ancestors().filter(|path| path.is_symlink()).map(Path::to_owned);
    links.for_each(|link| {
        add(&link);
        if let Ok(target) = link.canonicalize() {
            add(&target);
        }
    });
    if file.is_dir() {
        folders.insert(file.to_owned());
    }
    folders
}

fn identity_of(folder: &Path) -> Option<Identity> {
    fs::metadata(folder).ok().map(|it| (it.dev(), it.ino()))
}

fn locked(followed: &Mutex<Followed>) -> MutexGuard<'_, Followed> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn explained(error: &notify::Error) -> WatchError {
    let hint = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise `fs.inotify.max_user_watches`, or use `--poll`",
        // EMFILE and ENFILE: the user's limit of instances is reached.
        notify::ErrorKind::Io(error) if matches!(error.raw_os_error(), Some(23 | 24)) => {
            "raise `fs.inotify.max_user_instances`, or use `--poll`"
        }
        _ => "use `--poll`",
    };
    WatchError { why: error.to_string(), hint }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// Far longer than the test takes; a timeout means a deadlock.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn woken(wakeups: &Wakeups) -> Vec<usize> {
        wakeups.take().into_keys().collect()
    }

    /// The thread that reports changes also serves requests for new watches.
    #[test]
    fn folders_can_be_added_while_others_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        let over = Arc::new(AtomicBool::new(false));
        let writer = {
            let (file, over) = (root.join("busy"), over.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    fs::write(&file, "again").expect("a file");
                }
            })
        };
        let (done, waiting) = channel();
        let files = Files::new(Wakeups::default()).expect("a watcher");
        thread::spawn(move || {
            for nth in 0..500 {
                let folder = root.join(format!("{}", nth % 7));
                fs::create_dir_all(&folder).expect("a folder");
                files.follow(0, &[root.join("agent.yaml"), folder.join("a/b")]).expect("it is followed");
            }
            done.send(()).expect("the receiver is open");
        });
        let end = waiting.recv_timeout(PATIENCE);
        over.store(true, Ordering::Relaxed);
        writer.join().expect("a writer");
        assert_eq!(end, Ok(()), "deadlock");
    }

    /// A folder that takes the place of another is watched for all of its agents.
    #[test]
    fn a_replaced_folder_is_watched_for_all_of_its_agents() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        let (one, other) = (root.join("specs"), root.join("other"));
        fs::create_dir(&one).expect("a folder");
        let mut followed = Followed::default();
        let files = [root.join("agent.yaml"), one.join("mine.yaml")];
        let above = root.parent().expect("a folder above").to_owned();
        assert_eq!(followed.turn(0, &files).fresh, [above, root.clone(), one.clone()]);
        assert!(followed.turn(1, &files).fresh.is_empty());

        fs::rename(&one, &other).expect("it moves");
        fs::create_dir(&one).expect("a folder");
        let turn = followed.turn(0, &files);
        assert_eq!((turn.stale, turn.fresh), (vec![one.clone()], vec![one.clone()]));
        let wakeups = Wakeups::default();
        followed.wake(&one.join("mine.yaml"), &wakeups);
        assert_eq!(woken(&wakeups), [0, 1]);

        assert!(followed.turn(0, &files[..1]).stale.is_empty(), "the other folder still exists");
        followed.wake(&one.join("mine.yaml"), &wakeups);
        assert_eq!(woken(&wakeups), [1]);
        assert_eq!(followed.turn(1, &files[..1]).stale, [one]);
    }
}
