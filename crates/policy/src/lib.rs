//! Network rules of a sandbox: which hosts and ports it can reach.
//!
//! The language parses rules with this crate, the planner compares two policies with it, and the gateway decides with it.
//! Pure: it resolves no name and opens no connection.

pub mod address;
mod compare;
mod format;
pub mod grant;
mod granted;
mod host_rule;
mod invalid_rule;
mod limits;
mod mode;
mod name;
mod path;
mod pattern;
mod policy;
mod port;
pub mod preset;
mod preset_names;
mod pulls;
mod registry;
mod remedy;
mod request_path;
mod request_rule;
mod rule;

pub use compare::{Widening, widenings};
pub use format::{POLICY_MAX, UnreadablePolicy};
pub use grant::{Grant, GrantName, GrantOptions, GrantedHost, HeaderFormat, InvalidGrant, Repository};
pub use host_rule::HostRule;
pub use invalid_rule::InvalidRule;
pub use mode::{Mode, UnknownMode};
pub use name::{HOST, HostName, InvalidName};
pub use path::{Case, InvalidPath, PathPattern};
pub use pattern::{HostPattern, InvalidPattern};
pub use policy::{DENIED, Entry, InvalidPolicy, Permission, Policy, READY, RULES_MAX, Verdict};
pub use port::Port;
pub use request_path::{AmbiguousPath, RequestPath};
pub use request_rule::{Asked, Effect, InvalidRequest, MethodPattern, RequestRule};
pub use rule::Rule;
