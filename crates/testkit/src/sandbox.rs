//! One agent of one test: a folder with its `agent.yaml`, and its objects on the engine, which are removed at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::engine;
use crate::run::{Ran, run};
use crate::text::{in_order, without_columns, without_ids};

/// The spec of most tests, without the agent's name.
pub const DIND: &str = "image: docker:dind\ndependencies:\n  - docker:dind\n";

/// The smallest spec: a network and a container that idles.
pub const PLAIN: &str = "image: busybox\n";

pub struct Sandbox {
    /// The home directory of its user, with the project in it.
    home: TempDir,
    project: PathBuf,
    pub agent: String,
}

/// A moat command to run.
pub struct Moat<'a> {
    sandbox: &'a Sandbox,
    /// The underlying command.
    pub command: Command,
    input: Vec<u8>,
}

impl Sandbox {
    /// Writes the `agent.yaml` of an agent with a unique name; `spec` is the text without the name.
    pub fn new(spec: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static REAPER: OnceLock<Child> = OnceLock::new();
        let ours = format!("e2e-{:x}-", std::process::id());
        REAPER.get_or_init(|| {
            // One of an earlier build of this program would be used again.
            engine().try_docker(&["rmi", "-f", moat_model::resource::gateway::image().as_str()]);
            crate::engine::remove_at_exit(&ours)
        });
        let agent = format!("{ours}{:03}", NEXT.fetch_add(1, Ordering::Relaxed));
        let home = tempfile::tempdir().expect("a temporary folder");
        let project = home.path().join("project");
        fs::create_dir(&project).expect("a folder");
        let sandbox = Self { home, project, agent };
        sandbox.rewrite(spec);
        sandbox
    }

    /// A running sandbox.
    pub fn applied(spec: &str) -> Self {
        let sandbox = Self::new(spec);
        sandbox.apply();
        sandbox
    }

    /// Changes the spec; the agent stays.
    pub fn rewrite(&self, spec: &str) {
        let text = format!("agent: {}\n{spec}", self.agent);
        fs::write(self.path().join("agent.yaml"), text).expect("a spec");
    }

    /// The project's folder, which has the spec.
    pub fn path(&self) -> &Path {
        &self.project
    }

    /// The home directory, in which moat keeps its own files.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn moat(&self, args: &[&str]) -> Moat<'_> {
        let mut command = Command::new(crate::moat_binary());
        command.args(args).current_dir(self.path()).env_clear();
        // Not the docker configuration of the test's user.
        command.env("HOME", self.home()).env("DOCKER_HOST", &engine().host);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Moat { sandbox: self, command, input: Vec::new() }
    }

    /// Applies with an approval of all requests; must succeed.
    pub fn apply(&self) -> Ran {
        self.moat(&["apply", "--approve-all"]).ok()
    }

    /// Runs a shell's line in the main container as a user would.
    pub fn sh(&self, script: &str) -> Ran {
        self.moat(&["exec", "--", "sh", "-c", script]).run()
    }

    /// As [`Sandbox::sh`], but must succeed; returns the output without the last line break.
    pub fn sh_ok(&self, script: &str) -> String {
        let ran = self.sh(script);
        assert!(ran.code == 0, "{script}\n{ran}");
        ran.stdout.trim_end().to_owned()
    }

    pub fn status(&self) -> Value {
        let ran = self.moat(&["status", "--json"]).run();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("status: {error}\n{ran}"))
    }

    /// Checks that moat reports the sandbox as ready.
    pub fn assert_ready(&self) {
        let status = self.status();
        assert_eq!(status["state"], "ready", "{status:#}");
    }

    /// The engine's id of a container by its role in the run, whatever it is called; none if there are none or several.
    pub fn find(&self, container: &str) -> Option<String> {
        let (agent, resource) =
            (format!("label=moat.agent={}", self.agent), format!("label=moat.resource=container/{container}"));
        let args = ["ps", "-aq", "--no-trunc", "--filter", &agent, "--filter", &resource];
        let found = engine().list(&args);
        if found.len() == 1 { found.into_iter().next() } else { None }
    }

    /// As [`Sandbox::find`], but must exist.
    pub fn id(&self, container: &str) -> String {
        self.find(container).unwrap_or_else(|| panic!("not exactly one `{container}` of {}", self.agent))
    }

    pub fn main(&self) -> String {
        self.id("main")
    }

    pub fn sidecar(&self) -> String {
        self.id("buildkit")
    }

    /// A field of a container, as `docker inspect` has it.
    pub fn inspect(&self, container: &str, format: &str) -> String {
        engine().docker(&["inspect", "--format", format, &self.id(container)])
    }

    /// Runs a command in a container without moat.
    pub fn docker_exec(&self, container: &str, command: &[&str]) -> String {
        engine().docker(&[&["exec", &self.id(container)], command].concat())
    }

    /// The run's id, which is in all names.
    pub fn run_id(&self) -> String {
        // Also before there is one, and after.
        let spec = fs::canonicalize(self.path()).expect("a folder").join("agent.yaml");
        let spec = fs::canonicalize(&spec).unwrap_or(spec);
        let agent = moat_model::resource::AgentName::parse(&self.agent).expect("a name");
        moat_model::resource::Run::derive(agent, &spec).id.to_string()
    }

    /// The names of the run's existing volumes.
    pub fn volumes(&self) -> Vec<String> {
        let filter = format!("label=moat.agent={}", self.agent);
        let mut names = engine().list(&["volume", "ls", "-q", "--filter", &filter]);
        names.sort();
        names
    }

    /// A text of moat's with this sandbox's names, ids and times replaced.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.run_id(), "R").replace(&self.agent, "builder");
        let dir = fs::canonicalize(self.path()).expect("a folder");
        let text = text.replace(&*dir.to_string_lossy(), "DIR").replace(&*self.path().to_string_lossy(), "DIR");
        let text = text.replace(&*self.home().to_string_lossy(), "HOME");
        without_columns(&in_order(&without_ids(&text.replace(&engine().host, "HOST"))))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        engine().remove_all(&self.agent);
    }
}

impl Moat<'_> {
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Where the engine is, by a variable.
    pub fn docker_host(mut self, host: &str) -> Self {
        self.command.env("DOCKER_HOST", host);
        self
    }

    /// As the user whose files of moat's are those of `other`.
    pub fn state_of(mut self, other: &Sandbox) -> Self {
        self.command.env("HOME", other.home());
        self
    }

    pub fn run(self) -> Ran {
        run(self.command, &self.input)
    }

    /// As [`Moat::run`], but must succeed.
    pub fn ok(self) -> Ran {
        let shown = format!("{:?}", self.command);
        let ran = self.run();
        assert!(ran.code == 0, "{shown}\n{ran}");
        ran
    }

    /// Runs it; the exit code and both streams without variable parts, as one text.
    pub fn transcript(self) -> String {
        let sandbox = self.sandbox;
        let ran = self.run();
        let (out, err) = (sandbox.plain(&ran.stdout), sandbox.plain(&ran.stderr));
        let section = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("{name}\n{text}") };
        format!("exit {}\n{}{}", ran.code, section("== stdout", &out), section("== stderr", &err))
    }
}
