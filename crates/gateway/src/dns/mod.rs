//! DNS: answers every outside name with the gateway's address, and the run's own names with their real addresses.
//!
//! No query is ever passed on, except for a container of the run.

mod answer;
mod recent;
mod serve;

pub(crate) use serve::{tcp, udp};
