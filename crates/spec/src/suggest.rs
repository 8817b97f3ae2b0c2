//! What the user may have meant by a word that is not known.
//!
//! Only words: where they come from and what they mean is not known here.

use strsim::osa_distance;

/// The candidate that `word` is most likely a slip of; the first one of several that are equally near.
///
/// Upper and lower case and the signs `-`, `_` are no difference. Otherwise about one slip in three letters is
/// forgiven: more would offer words that have nothing to do with what was meant.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A word much longer than any name is no slip of one; the distance costs the product of the lengths.
    if word.len() > WORD_MAX {
        return None;
    }
    let word = folded(word);
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= slips(&word, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// No name in the language is nearly as long.
const WORD_MAX: usize = 100;

fn folded(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

fn slips(word: &str, candidate: &str) -> usize {
    let letters = word.chars().count().min(candidate.chars().count());
    // In a word of one or two letters any slip makes another word.
    if letters < 3 { 0 } else { (letters / 3).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
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
    fn the_nearest_wins_and_then_the_first() {
        assert_eq!(suggest("keap", ["help", "keep"]), Some("keep"));
        assert_eq!(suggest("redos", ["redis", "redos"]), Some("redos"));
        assert_eq!(suggest("bat", ["cat", "hat"]), Some("cat"));
    }
}
