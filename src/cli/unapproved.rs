//! An agent whose spec is not approved.

/// An agent whose spec is not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapproved {
    pub agent: String,
    /// The digest for `--approve`.
    pub digest: String,
    /// Why an approval is needed.
    pub reason: String,
    /// The requested privileges, one line each.
    pub asks: Vec<String>,
}

impl Unapproved {
    /// The message for the user.
    pub fn message(&self) -> String {
        let list = self.asks.iter().fold(String::new(), |list, line| format!("{list}\n  + {line}"));
        format!("`{}` is not approved: {}{list}", self.agent, self.reason)
    }

    /// The hint for the user.
    pub fn hint(&self) -> String {
        format!("to approve it: `moat apply --approve {}`", self.digest)
    }
}
