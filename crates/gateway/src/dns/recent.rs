//! Denied names that the log has already.
//!
//! A client without a connection to make leaves only its queries, so the log has the first one for each name.

use std::collections::VecDeque;

use moat_policy::HostName;

/// The latest denied names under one policy.
#[derive(Debug, Default)]
pub(super) struct Recent {
    names: VecDeque<HostName>,
    digest: Option<String>,
}

/// More than a build asks for. The log itself is bounded, too.
const NAMES_MAX: usize = 256;

impl Recent {
    /// Whether a name is new under the active policy.
    pub fn is_new(&mut self, name: &HostName, digest: Option<&str>) -> bool {
        if self.digest.as_deref() != digest {
            self.names.clear();
            self.digest = digest.map(str::to_owned);
        }
        if self.names.contains(name) {
            return false;
        }
        if self.names.len() == NAMES_MAX {
            self.names.pop_front();
        }
        self.names.push_back(name.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once_for_each_policy() {
        let mut recent = Recent::default();
        let name = |n: usize| format!("n{n}.example").parse::<HostName>().unwrap();
        assert!(recent.is_new(&name(1), Some("a")));
        assert!(!recent.is_new(&name(1), Some("a")));
        assert!(recent.is_new(&name(1), Some("b")));
        for n in 0..1000 {
            recent.is_new(&name(n), Some("b"));
        }
        assert_eq!(recent.names.len(), NAMES_MAX);
    }
}
