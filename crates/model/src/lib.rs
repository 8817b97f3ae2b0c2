//! The nouns: what a sandbox is made of, what is desired and what was observed, and what an engine is asked.
//!
//! Plain values, and the trait of an engine. Nothing here reads, writes, waits or knows the time.

pub mod engine;
pub mod graph;
pub mod resource;
pub mod state;
