//! Many sandboxes on one real engine: concurrent, sequential, in conflict, and interrupted.
//!
//! `make test` uses small counts. The full ones: `MOAT_FLEET=100 MOAT_RACES=20 MOAT_CYCLES=40 cargo test --test
//! fleet`, with the lab's environment.

mod apart;
mod at_once;
mod direct;
mod interrupted;
mod load;
mod orphans;
mod race;
mod ranges;
mod running;
