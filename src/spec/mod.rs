//! The file as written and as meant: `agent.yaml`, and the capabilities that it can ask for.
//!
//! Text in, values or diagnostics out. Reads no files and no environment: the command line does that.

pub mod agent;
pub mod capability;
pub mod diagnostic;
pub mod source;

pub use agent::{BuilderSettings, CacheRetention, Spec};
pub use capability::{Capabilities, Capability};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use source::{Located, Source, Span};
