//! Arguments that several commands share.

pub mod exec_args;
pub mod grace;
pub mod locking;
pub mod specs;
pub mod subnets;
