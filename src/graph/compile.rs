//! From a spec to a graph: what the user wrote, together with what its dependencies bring.

use super::Graph;
use crate::spec::{Capabilities, Diagnostics, Spec};

/// Compiles a spec.
///
/// # Errors
/// What only shows when the whole is put together, such as a dependency that nobody knows.
pub fn compile(spec: &Spec, capabilities: &Capabilities) -> Result<Graph, Diagnostics> {
    let _ = (spec, capabilities);
    todo!()
}
