//! The language of `agent.yaml`: parser, diagnostics, capabilities, and the compiler to a graph of resources.
//!
//! Text in, values or diagnostics out. Does not read files or the environment itself: the caller provides an
//! [`Environment`]. [`agent::parse`] runs the steps: `scan` parses the text to a tree with locations, `check` compares
//! it with the `language`, `read` deserialises it to the types of `raw`, and `lower` interprets their texts.

// The text, and diagnostics about it.
pub mod diagnostic;
pub mod source;
pub mod suggest;

// From text to a tree.
mod scan;
mod syntax;
mod tree;

// Extended files, variables, and the environment.
mod envfile;
pub mod environment;
mod expand;
mod extend;
mod hooks;
pub mod path_facts;
mod variables;

// Checks of the tree.
mod build;
mod builder_config;
mod check;
mod language;
mod reference;
mod rule;
mod schema;
pub mod shape;
mod short_forms;

// From the tree to a spec.
pub mod agent;
mod agent_template;
pub mod capability;
pub mod catalogue;
mod egress;
mod env_file_errors;
pub mod fetch;
pub mod grants;
mod isolation;
mod lower;
mod note;
mod one_of;
pub mod package;
mod paths;
mod ports;
pub mod proposal;
mod raw;
mod raw_ports;
mod read;
mod recognise;
mod registries;
pub mod secrets;
mod service;
mod settings;
mod template;
mod tuning;
mod version;

// From a spec to a graph.
pub mod compile;

pub use agent::Spec;
pub use agent_template::{agent_template, source as grant_source};
pub use build::Build;
pub use capability::{AgentPart, Capability};
pub use catalogue::{Capabilities, Unresolved};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use environment::{EmptyEnv, Environment, Inputs};
pub use hooks::Hooks;
pub use isolation::{Auto, Isolation};
pub use note::{NOTE_MARK, note};
pub use path_facts::PathFacts;
pub use proposal::Proposal;
pub use recognise::is_agent;
pub use reference::{ExplainError, Explained, effects, explain, explained, foreign_keys, presets, reference};
pub use rule::slug;
pub use schema::schema;
pub use service::{Service, Wait};
pub use settings::{BuilderSettings, CacheRetention, NamedVolume, NetworkSettings};
pub use shape::Effect;
pub use source::{Located, Source, Span};
pub use suggest::suggest;
pub use template::{FirstPolicy, template};
pub use tree::Places;
