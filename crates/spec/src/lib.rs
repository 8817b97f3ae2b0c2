//! The file as written and as meant: `agent.yaml`, and the capabilities that it can ask for.
//!
//! Text in, values or diagnostics out. Reads no files and no environment itself: whoever calls answers its questions
//! ([`Environment`]).
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

// What a file builds on, and what is filled in.
mod envfile;
pub mod environment;
mod expand;
mod extend;
pub mod ground;
mod hooks;
mod variables;

// From the tree to faults.
mod build;
mod check;
mod language;
mod reference;
mod rule;
mod schema;
pub mod shape;
mod short_forms;

// From the tree to what is meant.
pub mod agent;
pub mod capability;
pub mod catalogue;
mod lower;
mod misread;
mod ports;
pub mod proposal;
mod raw;
mod read;
mod recognise;
pub mod secrets;
mod service;
mod template;
mod tuning;
pub mod version;

// From what is meant to a graph.
pub mod compile;

pub use agent::{BuilderSettings, CacheRetention, NamedVolume, NetworkSettings, Spec};
pub use build::Build;
pub use capability::Capability;
pub use catalogue::{Capabilities, Unresolved};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use environment::{EmptyEnv, Environment, Inputs};
pub use ground::Ground;
pub use hooks::Hooks;
pub use proposal::Proposal;
pub use recognise::is_agent;
pub use reference::{ExplainError, Explained, effects, explain, explained, foreign_keys, reference};
pub use rule::slug;
pub use schema::schema;
pub use service::{Service, Wait};
pub use shape::Effect;
pub use source::{Located, Source, Span};
pub use suggest::suggest;
pub use template::template;
pub use tree::Places;
