//! How builds in the main container reach the sidecar that builds, and how that is checked.

/// The route of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builds {
    /// The builder's name in the main container.
    pub builder: String,
    /// The sidecar that builds.
    pub sidecar: String,
    /// The volume of the sidecar that is its cache.
    pub cache: String,
    /// Run in the main container. Exits 0 if the client can use the builder, and the builder answers. Otherwise it
    /// prints `version X.Y.Z`, if the client is there.
    pub check: Vec<String>,
    /// The oldest client that can use the sidecar.
    pub minimum: String,
    /// The client's name for people.
    pub client: String,
    /// What to do when the client is missing or too old.
    pub hint: String,
    /// Run in the sidecar; prints the size of the cache in bytes.
    pub usage: Vec<String>,
    /// Run in the main container; empties the cache as far as no build uses it.
    pub prune: Vec<String>,
}
