//! How moat runs a gateway: its image, its folder, and its commands.
//!
//! Only names. The program is `moat gateway`, described in `docs/internals/gateway.md`.

use super::id::ImageRef;

/// The version of the commands and of the configuration. A program with another one is another image, so that containers
/// are recreated; all programs of one version can take each other's place.
const PROTOCOL: u32 = 2;

/// The program in the image.
const PROGRAM: &str = "/moat";

/// The folder for rules, log and control socket.
pub const STATE: &str = "/var/lib/moat";

/// The folder for the certificates that clients of the agent plane need, shared with main.
pub const TRUST: &str = "/var/lib/moat-ca";

/// The name of the gateway on the sandbox's network, for clients of the agent plane.
pub const NAME: &str = "gateway";

/// The port of the agent plane.
pub const PROXY: u16 = 14_128;

/// The file in [`TRUST`] with the gateway's own certificate.
pub const OWN_CERTIFICATE: &str = "ca.crt";

/// The file in [`TRUST`] with public certificates and the gateway's own.
pub const BUNDLE: &str = "bundle.crt";

/// The numeric user, who owns the folder. No distribution gives this number to a person.
pub const USER: &str = "65532:65532";

/// The image, which moat makes from its own program.
///
/// # Panics
/// Never: the name is valid.
pub fn image() -> ImageRef {
    ImageRef::parse(&format!("moat-helper:{PROTOCOL}")).expect("a valid name")
}

/// The entrypoint.
pub fn entrypoint() -> Vec<String> {
    words(&[PROGRAM, "gateway"])
}

/// The arguments that serve with a configuration.
pub fn run(config: &str) -> Vec<String> {
    words(&["run", "--json", config])
}

/// The command that puts the rules on standard input in force. It waits for a gateway that is about to start.
pub fn set() -> Vec<String> {
    words(&[PROGRAM, "gateway", "set", "--state", STATE])
}

/// The command that gives the values on standard input to grants. It waits like [`set`].
pub fn unlock() -> Vec<String> {
    words(&[PROGRAM, "gateway", "unlock", "--state", STATE])
}

/// The command that takes the value of a grant away, until it is restored.
pub fn revoke(grant: &str) -> Vec<String> {
    words(&[PROGRAM, "gateway", "revoke", "--state", STATE, grant])
}

/// The command that prints the rules in force, and the status as the last line.
pub fn status() -> Vec<String> {
    words(&[PROGRAM, "gateway", "status", "--state", STATE])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
