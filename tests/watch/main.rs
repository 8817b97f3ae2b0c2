//! `moat watch` on a real engine: what is harmed is repaired, what is edited is taken up, and an agent gets nothing
//! that nobody has approved.

mod edits;
mod git;
mod load;
mod privilege;
mod reading;
mod records;
mod repairs;
mod sessions;
mod soak;
mod terminal;
