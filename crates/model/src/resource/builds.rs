//! The route of builds from the main container to the build sidecar, and its check.

/// The route of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builds {
    /// The name of the builder in the main container.
    pub builder: String,
    /// The build sidecar.
    pub sidecar: String,
    /// The cache volume of the sidecar.
    pub cache: String,
    /// Runs in the main container. Exits with 0 if the client can use the builder and the builder answers. Otherwise
    /// it prints `version X.Y.Z`, if the client is installed.
    pub check: Vec<String>,
    /// The oldest client that can use the sidecar.
    pub minimum: String,
    /// The client's name for people.
    pub client: String,
    /// The remedy for a missing or outdated client.
    pub hint: String,
    /// Runs in the sidecar; prints the size of the cache in bytes.
    pub usage: Vec<String>,
    /// Runs in the main container; removes the parts of the cache that no build uses.
    pub prune: Vec<String>,
}
