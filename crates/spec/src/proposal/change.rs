//! A change of a proposal that needs approval, and its words.

use std::fmt;

use super::network_lines::{ALLOWED, HOST_PORT, OUTSIDE, POLICY};

/// A line that differs from the approved one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub key: String,
    /// `None`: the line is new.
    pub old: Option<String>,
    /// `None`: the line was removed.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `yes` means only that the line exists.
        let value = |text: &String| if text == "yes" { String::new() } else { format!(": {text}") };
        let key = &self.key;
        if let Some(words) = self.new.as_deref().and_then(|new| reach(key, new)) {
            return f.write_str(&words);
        }
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{key}: {old} -> {new}"),
            (None, Some(new)) => write!(f, "{key}{}", value(new)),
            (Some(old), None) => write!(f, "{key} removed{}", value(old)),
            (None, None) => f.write_str(key),
        }
    }
}

/// What the network can reach, in words; `None`: the key is about something else.
fn reach(key: &str, new: &str) -> Option<String> {
    let target = if key == OUTSIDE {
        "everything".to_owned()
    } else if key == POLICY {
        format!("every public host (policy: {new})")
    } else if let Some(port) = key.strip_prefix(HOST_PORT) {
        format!("port {port} of the Docker host")
    } else {
        match key.strip_prefix(ALLOWED)? {
            rule if rule == new => rule.to_owned(),
            rule => format!("{rule}: {new}"),
        }
    };
    Some(format!("network may reach {target}"))
}
