//! An engine for tests: a strict simulator of Docker, faults to inject, and interference from outside.
//!
//! No part of the product. What it promises is held against a real engine by the conformance tests.

pub mod faulty;
pub mod interference;
pub mod sim;
