//! moat is killed after every single call with which it changes something on the engine, and does the work again; or
//! the engine is.
//!
//! `make test` takes each crash point of a plain agent and a sample of one with a Docker inside. All of them:
//! `MOAT_CRASH=all cargo test --test crash -- --nocapture`, with the lab's environment; it prints how many there were.

#[path = "../e2e/engine.rs"]
mod engine;
#[path = "../e2e/run.rs"]
mod run;
#[path = "../e2e/sandbox.rs"]
#[expect(dead_code, reason = "shared with the tests of one sandbox")]
mod sandbox;
#[path = "../e2e/text.rs"]
mod text;

#[path = "../watch/watched.rs"]
#[expect(dead_code, reason = "shared with the tests of the watch")]
mod watched;

mod ambush;
mod chaos;
mod held;
mod whose;

mod on_record;
mod points;
mod restarted;
mod under_watch;
