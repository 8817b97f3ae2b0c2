//! Output while a command runs.

pub mod dashboard;
pub mod display;
pub mod progress;
pub mod reporter;
pub mod rows;
pub mod waiting;
pub mod watching;
