//! The planner's table: a state, and the exact text of its plan.
//!
//! A wrong planner would have to print the same text to pass.

pub mod world;

mod apply;
mod completed;
mod destroy;
mod drift;
mod effects;
mod gateway;
mod grants;
mod power;
mod privilege;
mod refresh;
mod replace;
mod sources;
mod update;
mod upgrade;
