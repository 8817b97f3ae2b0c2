//! JSON for scripts: event lines and documents. The fields are promised in `docs/reference/`.

pub mod documents;
pub mod stream;
