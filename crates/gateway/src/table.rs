//! The table of connections: a connection without a place in it is refused.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of places.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    places: Arc<Semaphore>,
    size: usize,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Table {
    pub fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(size)), size }
    }

    /// A place; `None`: all are taken.
    pub fn enter(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place)
    }

    pub fn taken(&self) -> usize {
        self.size - self.places.available_permits()
    }
}
