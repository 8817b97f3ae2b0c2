//! The files and names of the presets.

use strsim::osa_distance;

/// The files under `specs/presets/`, by name: `build.rs` lists them. The folder is a link, so that a published package
/// contains them.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// Sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The preset whose name is most similar to an unknown one.
pub(super) fn similar_to(word: &str) -> Option<&'static str> {
    similar(word, names())
}

/// The name that is most similar to an unknown one.
pub(super) fn similar(word: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word: String = word.chars().take(WORD_MAX).collect::<String>().to_lowercase();
    names
        .map(|name| (osa_distance(&word, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Longer than any name. The distance costs the product of the lengths.
const WORD_MAX: usize = 30;
