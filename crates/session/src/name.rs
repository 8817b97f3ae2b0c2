//! Names of sessions, which are names of files too.

/// In bytes. The path of a socket has at most 107.
const NAME_MAX: usize = 40;

/// Whether a text is the name of a session: lower-case letters, digits and hyphens.
pub fn is_name(text: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(is_sign) && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for good in ["claude", "claude-2", "a", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-x", "..", "a/b", "A", "a.sock", "ä", "a b", &"x".repeat(41)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
