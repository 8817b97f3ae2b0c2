//! Keeps values of grants out of files: the process writes no core dump, and no other process of its user can read its
//! memory.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// For programs that have values of grants, before they read one.
///
/// # Errors
/// If the kernel refuses.
pub fn protect_memory() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
