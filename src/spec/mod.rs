//! The file as written and as meant: `agent.yaml`, and the capabilities that it can ask for.
//!
//! Text in, values or diagnostics out. Reads no files and no environment: the command line does that.
//! [`agent::parse`] puts the steps together: `scan` makes a tree with places of the text, `check` holds it against
//! the `language`, `read` brings it into the types of `file`, and `meaning` says what the texts in these stand for.

// The text, and what can be said about it.
pub mod diagnostic;
pub mod source;
pub mod suggest;

// From the text to a tree.
mod scan;
mod syntax;
mod tree;

// From the tree to faults.
mod check;
mod language;
mod reference;
mod rule;
pub mod shape;
mod written;

// From the tree to what is meant.
pub mod agent;
pub mod capability;
mod file;
mod meaning;
mod read;

pub use agent::{BuilderSettings, CacheRetention, NamedVolume, NetworkSettings, Nowhere, Spec, Surroundings};
pub use capability::{Capabilities, Capability};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use reference::reference;
pub use source::{Located, Source, Span};
pub use suggest::suggest;
pub use tree::Places;
