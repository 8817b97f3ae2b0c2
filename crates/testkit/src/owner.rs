//! Locks of the engine: shared by many tests, or exclusive for one that stops it or removes foreign objects.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static ENGINE: RwLock<()> = RwLock::new(());

/// Shared, for a test that may run in parallel.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    ENGINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Exclusive: waits until no other test runs, and blocks new ones.
pub fn exclusive() -> RwLockWriteGuard<'static, ()> {
    ENGINE.write().unwrap_or_else(PoisonError::into_inner)
}
