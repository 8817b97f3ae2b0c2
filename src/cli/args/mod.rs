//! Arguments shared by several commands.

pub mod change_args;
pub mod exec_args;
pub mod locking;
pub mod specs;
pub mod stop_timeout;
pub mod subnets;
