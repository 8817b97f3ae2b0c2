//! The audit log: that nothing of it can be changed unseen, and that nothing that happens to moat breaks it.

mod changes;
mod crashes;
mod example;
mod log;
mod refusals;
mod tampering;
mod together;
