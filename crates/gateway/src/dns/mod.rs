//! DNS: leads every outside name to the gateway, and the run's own names to where they are.
//!
//! No query is ever passed on, except for a container of the run.

mod answer;
mod recent;
mod serve;

pub(crate) use serve::{tcp, udp};
