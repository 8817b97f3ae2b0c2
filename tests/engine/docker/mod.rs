//! The `Docker` engine client on the engine that `tests/lab/engine up` starts.
//!
//! Without an engine these tests fail. They are never skipped.

mod attach;
mod commands;
mod images;
mod lab;
mod life;
mod ssh;
mod terminal;
