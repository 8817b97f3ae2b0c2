//! JSON for scripts: event lines and documents. `docs/reference/` specifies the fields.

pub mod documents;
pub mod stream;
