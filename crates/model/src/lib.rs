//! The model: resources of a sandbox, desired and observed state, and the interface of an engine.
//!
//! Plain values, and the trait of an engine. No I/O, no clock.

pub mod engine;
pub mod graph;
pub mod resource;
pub mod state;
