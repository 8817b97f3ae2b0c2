//! moat keeps coding agents' Docker sandboxes in the state a file declares.
//!
//! The way of `moat apply`, from the file to the engine, is the order of the modules below:
//!
//! 1. [`moat_spec::agent::parse`] reads `agent.yaml`, [`moat_spec::capability`] what its dependencies bring;
//! 2. [`moat_spec::compile::compile()`] makes a graph of resources of it;
//! 3. [`observe::observe`] takes one snapshot of what the engine has;
//! 4. [`moat_plan::compute()`] compares the two and says what to do, and why;
//! 5. [`execute::execute`] does it, through [`moat_model::engine::Engine`], and decides nothing;
//! 6. [`reconcile::until_converged`] repeats 3 to 5 until there is nothing left to do.
//!
//! [`cli::apply`] puts these together; `docs/internals/architecture.md` has the invariants.

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
