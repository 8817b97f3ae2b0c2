//! Who has the engine: many tests side by side, or one alone that stops it, or removes what is not its own.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static ENGINE: RwLock<()> = RwLock::new(());

/// For a test that others may run beside.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    ENGINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// For one that waits until no other runs, and lets none begin.
pub fn exclusive() -> RwLockWriteGuard<'static, ()> {
    ENGINE.write().unwrap_or_else(PoisonError::into_inner)
}
