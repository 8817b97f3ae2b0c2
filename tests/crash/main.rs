//! Kills moat, or the engine, after each call that changes something on the engine, and repeats the command.
//!
//! `make test` uses each crash point of a plain agent and a sample for an agent with an inner Docker. All of them:
//! `MOAT_CRASH=all cargo test --test crash -- --nocapture`, with the lab's environment; it prints their number.

mod chaos;
mod intents;
mod points;
mod restarted;
mod under_watch;
