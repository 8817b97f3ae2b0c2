//! `moat watch` on a real engine: what is harmed is repaired, what is edited is taken up, and an agent gets nothing
//! that nobody has approved.

#[path = "../e2e/engine.rs"]
#[expect(dead_code, reason = "shared with the tests of one sandbox")]
mod engine;
#[path = "../e2e/run.rs"]
mod run;
#[path = "../e2e/sandbox.rs"]
#[expect(dead_code, reason = "shared with the tests of one sandbox")]
mod sandbox;
#[path = "../e2e/text.rs"]
mod text;

mod cable;
mod watched;

mod crowd;
mod edits;
mod privilege;
mod reading;
mod records;
mod repairs;
mod sessions;
mod soak;
mod terminal;
