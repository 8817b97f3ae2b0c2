//! Many sandboxes on one real engine: at once, one after the other, in each other's way, and interrupted.
//!
//! `make test` does it with small counts. The full ones: `MOAT_FLEET=100 MOAT_RACES=20 MOAT_CYCLES=40 cargo test --test
//! fleet`, with the lab's environment.

#[path = "../e2e/engine.rs"]
mod engine;
#[path = "../e2e/run.rs"]
mod run;
#[path = "../e2e/sandbox.rs"]
#[expect(dead_code, reason = "shared with the tests of one sandbox")]
mod sandbox;
#[path = "../e2e/text.rs"]
mod text;

#[path = "../crash/ambush.rs"]
#[expect(dead_code, reason = "shared with the tests that kill")]
mod ambush;
#[path = "../crash/held.rs"]
#[expect(dead_code, reason = "shared with the tests that kill")]
mod held;

mod crowd;
mod running;

mod apart;
mod at_once;
mod direct;
mod interrupted;
mod orphans;
mod race;
mod ranges;
