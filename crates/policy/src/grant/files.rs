//! The files and names of the providers.

/// The files under `specs/grants/`, by name: `build.rs` lists them.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/grants.rs"));

/// Sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}
