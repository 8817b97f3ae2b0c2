//! Suggestions for misspelled words.
//!
//! Compares words only; the caller provides the candidates.

use strsim::osa_distance;

/// The candidate most similar to `word`; the first of several that are equally similar.
///
/// Ignores case and the difference between `-` and `_`. Allows about one edit in three letters: more would suggest
/// unrelated words.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A word much longer than any name is not a typo of one, and the distance costs the product of the lengths.
    if word.len() > WORD_MAX {
        return None;
    }
    let word = folded(word);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= edits_max(&word, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Far longer than any name in the language.
const WORD_MAX: usize = 100;

fn folded(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

fn edits_max(word: &str, candidate: &str) -> usize {
    let letters = word.chars().count().min(candidate.chars().count());
    // In a word of one or two letters, any edit makes another word.
    if letters < 3 { 0 } else { (letters / 3).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_get_a_suggestion_and_other_words_do_not() {
        let names = ["agent", "image", "dependencies", "command", "env", "docker:dind", "cache_limit"];
        let table = [
            ("agnet", Some("agent")),
            ("Image", Some("image")),
            ("dependancies", Some("dependencies")),
            ("dependency", Some("dependencies")),
            ("docker:dnd", Some("docker:dind")),
            ("cache-limit", Some("cache_limit")),
            ("envs", Some("env")),
            ("x", None),
            ("services", None),
            ("ports", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(suggest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn the_nearest_candidate_wins_and_then_the_first() {
        assert_eq!(suggest("keap", ["help", "keep"]), Some("keep"));
        assert_eq!(suggest("redos", ["redis", "redos"]), Some("redos"));
        assert_eq!(suggest("bat", ["cat", "hat"]), Some("cat"));
    }
}
