//! What a spec may ask of this machine: its environment.

use crate::spec::Surroundings;

/// This process, on this machine.
pub struct Here;

impl Surroundings for Here {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
