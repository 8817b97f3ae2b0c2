//! Exit codes of a container with a known meaning and remedy.

/// An exit code by which a start script reports a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFailure {
    pub exit: i64,
    /// `{image}` stands for the container's image.
    pub message: String,
    pub hint: String,
}
