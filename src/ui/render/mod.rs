//! Renders plans, statuses, failures, diagnostics and other values, as text and some also as JSON.

pub mod audit;
pub mod cache;
pub mod deps;
pub mod diagnostic;
pub mod doctor;
pub mod events;
pub mod exec;
pub mod failure;
pub mod grants;
pub mod history;
pub mod list;
pub mod logs;
pub mod net;
pub mod outcome;
pub mod plan;
pub mod ports;
pub mod problem;
pub mod sessions;
pub mod status;
pub mod summary;
pub mod validation;
pub mod why;
