//! The simulator's stage: cases as data, the search through them, and judges of what came of one.

pub mod case;
pub mod checker;
pub mod reading;
pub mod search;
pub mod stage;
pub mod strategy;
pub mod verdict;
