//! What a spec may ask of the world around its file, and which files that were.
//!
//! Only the questions: who answers them is for the command line. Nothing is asked that the spec does not name.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The world around a spec file.
pub trait Environment {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    fn read(&self, path: &Path) -> Result<String, Unread>;

    /// The number of the user that a path belongs to; `None`: it is not there, or there are no such numbers.
    fn owner(&self, path: &Path) -> Option<u32> {
        let _ = path;
        None
    }

    /// What a program writes on its standard output.
    ///
    /// # Errors
    /// If it is not there, fails, or does not end in time.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, NotRun>;
}

/// Why a file has no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    Missing,
    /// In words: lowercase, without a full stop.
    Unreadable(String),
}

/// Why a program has no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRun {
    Missing,
    /// In words that follow "it".
    Failed(String),
}

/// The files that a spec depends on, so that whoever waits for a change knows where to look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// Absolute paths of files that were read.
    pub read: BTreeSet<PathBuf>,
    /// Absolute paths of files that were looked for in vain. They may come.
    pub missing: BTreeSet<PathBuf>,
    /// Absolute paths of files that are mounted, there or not: which file it is counts, not what is in it.
    pub mounted: BTreeSet<PathBuf>,
}

/// An environment without variables, files and commands.
#[derive(Debug)]
pub struct EmptyEnv;

/// An environment that records which files they were asked for.
pub struct Recorder<'a> {
    around: &'a dyn Environment,
    inputs: RefCell<Inputs>,
}

impl Environment for EmptyEnv {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, _: &Path) -> Result<String, Unread> {
        Err(Unread::Missing)
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<String, NotRun> {
        Err(NotRun::Missing)
    }
}

impl Inputs {
    pub fn append(&mut self, other: Self) {
        self.read.extend(other.read);
        self.missing.extend(other.missing);
        self.mounted.extend(other.mounted);
    }
}

impl<'a> Recorder<'a> {
    pub fn new(around: &'a dyn Environment) -> Self {
        Self { around, inputs: RefCell::default() }
    }

    pub fn into_inputs(self) -> Inputs {
        self.inputs.into_inner()
    }
}

impl Environment for Recorder<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.around.variable(name)
    }

    fn read(&self, path: &Path) -> Result<String, Unread> {
        let found = self.around.read(path);
        let mut inputs = self.inputs.borrow_mut();
        let of = if found == Err(Unread::Missing) { &mut inputs.missing } else { &mut inputs.read };
        of.insert(path.to_owned());
        found
    }

    fn owner(&self, path: &Path) -> Option<u32> {
        self.around.owner(path)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, NotRun> {
        self.around.run(program, arguments)
    }
}
