//! Simulated cases: their data, their generation and search, and the checks of their results.

pub mod case;
pub mod checker;
pub mod gateway;
pub mod reading;
pub mod search;
pub mod soundness;
pub mod stage;
pub mod strategy;
pub mod verdict;
