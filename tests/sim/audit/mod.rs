//! The audit log: every tampering is found, and no crash breaks it.

mod changes;
mod crashes;
mod example;
mod log;
mod refusals;
mod tampering;
mod together;
