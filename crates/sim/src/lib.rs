//! An engine for tests: a strict simulator of Docker, faults to inject, and interference from outside.
//!
//! Not part of the product. The conformance tests compare it with a real engine.

pub mod faulty;
pub mod interference;
pub mod sim;
