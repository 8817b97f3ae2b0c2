//! The hooks of a spec: scripts that run while the image is built, and before the command.

use super::one_of::OneOf;
use super::raw;

/// Shell scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    pub post_build_root: Option<String>,
    pub post_build: Option<String>,
    pub pre_run: Option<String>,
}

impl Hooks {
    /// Whether a hook runs while the image is built.
    pub fn build(&self) -> bool {
        self.post_build_root.is_some() || self.post_build.is_some()
    }
}

impl From<raw::Hooks> for Hooks {
    fn from(written: raw::Hooks) -> Self {
        let script = |lines: Option<OneOf<Vec<String>>>| {
            lines.map(|lines| match lines {
                OneOf::Text(text) => text,
                OneOf::Parts(lines) => lines.join("\n"),
            })
        };
        Self {
            post_build_root: script(written.post_build_root),
            post_build: script(written.post_build),
            pre_run: script(written.pre_run),
        }
    }
}
