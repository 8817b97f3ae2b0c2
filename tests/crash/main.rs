//! moat is killed after every single call with which it changes something on the engine, and does the work again; or
//! the engine is.
//!
//! `make test` takes each crash point of a plain agent and a sample of one with a Docker inside. All of them:
//! `MOAT_CRASH=all cargo test --test crash -- --nocapture`, with the lab's environment; it prints how many there were.

mod chaos;
mod on_record;
mod points;
mod restarted;
mod under_watch;
