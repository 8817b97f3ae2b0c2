//! Exit codes of a container that mean something a person can act on.

/// An exit code that a start script uses to say what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFailure {
    pub exit: i64,
    /// `{image}` stands for the container's image.
    pub message: String,
    pub hint: String,
}
