//! Certificates: those that the gateway makes for hosts of the agent plane, and those of real servers, which it verifies.

mod authority;
mod roots;
pub(crate) mod trust;

pub(crate) use authority::Authority;
pub(crate) use roots::Roots;
