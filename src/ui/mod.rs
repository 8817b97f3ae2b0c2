//! What people and scripts see.
//!
//! Makes text of values that others have found; decides nothing, and asks no terminal what it can do.

pub mod diagnostic;

/// Whether text is for a terminal that shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Never,
    Always,
}
