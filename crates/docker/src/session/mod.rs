//! Commands in a container, with their streams: attaching, running, detaching.

pub(crate) mod attach;
pub(crate) mod attach_error;
pub(crate) mod capture;
pub(crate) mod connection;
pub(crate) mod detach;
pub(crate) mod exec;
pub(crate) mod held;
pub(crate) mod keeper;
pub(crate) mod main_command;
pub(crate) mod not_run;
pub(crate) mod policy;
pub(crate) mod pump;
pub(crate) mod request;
pub(crate) mod stdin;
pub(crate) mod terminal;
