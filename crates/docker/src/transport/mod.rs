//! How moat reaches an engine: finding the endpoint, connecting, sending requests, and reading answers and errors.

pub(crate) mod answer;
pub(crate) mod builder;
pub(crate) mod connect;
pub(crate) mod connect_error;
pub(crate) mod deadline;
pub(crate) mod dial;
pub(crate) mod docker_context;
pub(crate) mod endpoint;
pub(crate) mod environment;
pub(crate) mod fault;
pub(crate) mod frames;
pub(crate) mod message;
pub(crate) mod resolve;
pub(crate) mod ssh;
pub(crate) mod tail;
pub(crate) mod tls;
pub(crate) mod upgrade;
pub(crate) mod version;
pub(crate) mod wire;
