//! The watch on the simulator: what wakes it, what it then does, and what it lets be, on a virtual clock.
//!
//! The property at the end lets edits, meddling, lost events and restarts of the engine come in any order, then
//! nothing; `MOAT_SIM_CASES` and `MOAT_SIM_SEED` are as in `properties.rs`.

#[path = "properties/case.rs"]
#[expect(dead_code, reason = "the other properties use the rest")]
mod case;
#[path = "watching/desk.rs"]
mod desk;
#[path = "watching/edits.rs"]
mod edits;
#[path = "watching/property.rs"]
mod property;
#[path = "watching/reading.rs"]
mod reading;
#[path = "watching/repairs.rs"]
mod repairs;
#[path = "properties/search.rs"]
#[expect(dead_code, reason = "the other properties use the rest")]
mod search;
#[path = "watching/sessions.rs"]
mod sessions;
#[path = "properties/strategy.rs"]
#[expect(dead_code, reason = "the other properties use the rest")]
mod strategy;
#[path = "watching/theatre.rs"]
mod theatre;
