//! The environment of a spec file: variables, files and programs, and a record of the files that were read.
//!
//! Interface only: the command line implements it. Nothing is accessed that the spec does not name.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The environment of a spec file.
pub trait Environment {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// If the file is missing or unreadable.
    fn read(&self, path: &Path) -> Result<String, FileError>;

    /// The uid of a path's owner; `None`: the path is missing, or the platform has no uids.
    fn owner(&self, path: &Path) -> Option<u32> {
        let _ = path;
        None
    }

    /// The standard output of a program.
    ///
    /// # Errors
    /// If the program is missing, fails or times out.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, ProgramError>;
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    Missing,
    /// With the reason: lowercase, without a full stop.
    Unreadable(String),
}

/// Why a program gave no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramError {
    Missing,
    /// With the reason, a phrase that follows "it".
    Failed(String),
}

/// The files that a spec depends on; `watch` observes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// Absolute paths of files that were read.
    pub read: BTreeSet<PathBuf>,
    /// Absolute paths of files that were missing and may be created later.
    pub missing: BTreeSet<PathBuf>,
    /// Absolute paths of mounted files, existing or not: the identity of the file matters, not its content.
    pub mounted: BTreeSet<PathBuf>,
}

/// An environment without variables, files and programs.
#[derive(Debug)]
pub struct EmptyEnv;

/// An environment that records the files it was asked for.
pub struct Recorder<'a> {
    env: &'a dyn Environment,
    inputs: RefCell<Inputs>,
}

impl Environment for EmptyEnv {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, _: &Path) -> Result<String, FileError> {
        Err(FileError::Missing)
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<String, ProgramError> {
        Err(ProgramError::Missing)
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
    pub fn new(env: &'a dyn Environment) -> Self {
        Self { env, inputs: RefCell::default() }
    }

    pub fn into_inputs(self) -> Inputs {
        self.inputs.into_inner()
    }
}

impl Environment for Recorder<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.env.variable(name)
    }

    fn read(&self, path: &Path) -> Result<String, FileError> {
        let found = self.env.read(path);
        let mut inputs = self.inputs.borrow_mut();
        let of = if found == Err(FileError::Missing) { &mut inputs.missing } else { &mut inputs.read };
        of.insert(path.to_owned());
        found
    }

    fn owner(&self, path: &Path) -> Option<u32> {
        self.env.owner(path)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, ProgramError> {
        self.env.run(program, arguments)
    }
}
