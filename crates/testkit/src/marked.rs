//! A sandbox whose command leaves a mark on the host, for tests of when it runs.

use std::fs;
use std::path::PathBuf;

use crate::engine::engine;
use crate::run::until;
use crate::sandbox::Sandbox;

/// `rest`: further keys of the spec. Each run of the command adds a line to the file `out/ran`.
pub fn marked(rest: &str) -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::create_dir(sandbox.path().join("out")).expect("a folder");
    sandbox.rewrite(&spec(rest));
    sandbox
}

/// The spec of such a sandbox.
pub fn spec(rest: &str) -> String {
    let command = "echo ran >>/out/ran; exec sleep infinity";
    format!("image: docker:dind\ndependencies: [docker:dind]\nmounts: [\"./out:/out\"]\ncommand: {command:?}\n{rest}")
}

/// How often the command has run.
pub fn runs(sandbox: &Sandbox) -> usize {
    let file: PathBuf = sandbox.path().join("out/ran");
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Waits until the start script has reported `times` times that it holds the command back. By then it would have run the
/// command long before.
pub fn is_held(sandbox: &Sandbox, times: usize) -> bool {
    let reports = || {
        let log = engine().try_docker(&["logs", &sandbox.main()]).to_string();
        log.matches("the command waits for the build sidecar").count()
    };
    until(|| sandbox.find("main").is_some() && reports() >= times)
}
