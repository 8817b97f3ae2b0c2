//! The planner's table: a world, and the plan that it gives, word by word.
//!
//! A wrong planner would have to print the same text to pass.

mod world;

mod apply;
mod completed;
mod destroy;
mod drift;
mod effects;
mod power;
mod privilege;
mod refresh;
mod replace;
mod sources;
mod update;
mod upgrade;
