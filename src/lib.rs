//! moat keeps coding agents' Docker sandboxes in the state a file declares.
//!
//! `moat apply` runs these steps, from the file to the engine:
//!
//! 1. [`moat_spec::agent::parse`] reads `agent.yaml`, and [`moat_spec::capability`] its dependencies;
//! 2. [`moat_spec::compile::compile()`] compiles both into a graph of resources;
//! 3. [`observe::observe`] takes a snapshot of the engine;
//! 4. [`moat_plan::compute()`] compares the two and returns the operations with their causes;
//! 5. [`execute::execute`] executes them through [`moat_model::engine::Engine`], and makes no decisions;
//! 6. [`reconcile::until_converged`] repeats 3 to 5 until nothing is left to do.
//!
//! [`cli`] combines these steps; `docs/internals/architecture.md` lists the invariants.

pub mod clock;

pub mod observe;

pub mod audit;
pub mod execute;
pub mod history;
pub mod local;
pub mod ui;

pub mod reconcile;

pub mod watch;

pub mod cli;
