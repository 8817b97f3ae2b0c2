//! How moat runs a gateway: its image, its folder, and its commands.
//!
//! Only names. The program is `moat gateway`, described in `docs/internals/gateway.md`.

use super::id::ImageRef;

/// The version of the commands and of the configuration. A program with another one is another image, so that containers
/// are recreated; all programs of one version can take each other's place.
const PROTOCOL: u32 = 1;

/// The program in the image.
const PROGRAM: &str = "/moat";

/// The folder for rules, log and control socket.
pub const STATE: &str = "/var/lib/moat";

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

/// The command that prints the rules in force, and the status as the last line.
pub fn status() -> Vec<String> {
    words(&[PROGRAM, "gateway", "status", "--state", STATE])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
