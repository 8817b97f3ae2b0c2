//! The egress gateway: the only way out of a sandbox's network.
//!
//! Every outside name leads to the gateway. It reads the name that a connection asks for, decides by the policy, resolves
//! the real address itself, and copies the bytes. Only the agent plane decrypts, and only to hosts with rules for requests or grants.
//! Runs in a container of its own, next to the
//! sandbox; `docs/internals/gateway.md` describes the protocol around it.

mod active;
mod agent;
mod certificates;
mod config;
mod connection;
mod control;
mod dns;
mod gateway;
mod http;
mod idle;
mod limits;
mod listen;
mod log;
mod outer;
mod placeholder;
mod ports;
mod protect;
mod relay;
mod secret;
mod splice;
mod table;
mod tls;
mod vault;

pub use active::UnusableRules;
pub use certificates::trust::{BUNDLE, OWN_CERTIFICATE};
pub use config::{Config, InvalidConfig, OwnName, Relay, Target};
pub use control::{ControlError, Request, Status, ask};
pub use gateway::{Gateway, Options, POLICY, StartError};
pub use limits::Limits;
pub use log::{Decision, Entry, LOG_FILES, LogLine, Plane, Reason};
pub use outer::Dial;
pub use protect::protect_memory;
pub use secret::Secret;
pub use vault::{GrantStatus, GrantValue};
