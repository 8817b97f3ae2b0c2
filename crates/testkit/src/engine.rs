//! The engine under test, through docker's client, and the objects that a test has left behind.

use std::collections::BTreeSet;
use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::run::{Ran, run, until};

/// The address of the engine, and its client.
pub struct Engine {
    pub host: String,
    client: String,
}

/// The engine that `DOCKER_HOST` names; without one the test fails here.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine {
            host: env::var("DOCKER_HOST").unwrap_or_default(),
            client: env::var("MOAT_LAB_DOCKER").unwrap_or_else(|_| "docker".to_owned()),
        };
        assert!(!engine.host.is_empty(), "DOCKER_HOST is not set. {NEEDED}");
        let version = run(engine.command(&["version"]), b"");
        assert!(version.code == 0, "no engine answers at {}. {NEEDED}\n{version}", engine.host);
        engine
    })
}

const NEEDED: &str = "These tests use a real Docker engine and do not skip. `make test` starts one and runs them; \
     by hand: tests/lab/engine up && eval \"$(tests/lab/engine env)\" && cargo test";

impl Engine {
    /// Docker's own client, on the lab's engine.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command.args(args).env("DOCKER_HOST", &self.host);
        command
    }

    /// Runs docker's client.
    pub fn try_docker(&self, args: &[&str]) -> Ran {
        run(self.command(args), b"")
    }

    /// As [`Engine::try_docker`], but must succeed; returns the output without the last line break.
    pub fn docker(&self, args: &[&str]) -> String {
        let ran = self.try_docker(args);
        assert!(ran.code == 0, "docker {}\n{ran}", args.join(" "));
        ran.stdout.trim_end().to_owned()
    }

    /// The lines of a listing. An empty last field leaves no space, in the last line as in the others.
    pub fn list(&self, args: &[&str]) -> Vec<String> {
        self.docker(args).lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The path of the engine's socket.
    pub fn socket(&self) -> &str {
        let path = self.host.strip_prefix("unix://");
        path.unwrap_or_else(|| panic!("calls are counted at a unix socket, and DOCKER_HOST is {}", self.host))
    }

    /// Removes all objects with `part` in their name.
    pub fn remove_all(&self, part: &str) {
        let filter = format!("name={part}");
        for (list, remove) in REMOVALS {
            let found = self.try_docker(&[list, &["--filter", &filter][..]].concat()).stdout;
            let found: Vec<&str> = found.lines().collect();
            if !found.is_empty() {
                self.try_docker(&[remove, &found[..]].concat());
            }
        }
    }
}

/// Containers with their anonymous volumes first: they use the others.
const REMOVALS: [(&[&str], &[&str]); 3] = [
    (&["ps", "-aq"], &["rm", "-fv"]),
    (&["network", "ls", "-q"], &["network", "rm"]),
    (&["volume", "ls", "-q"], &["volume", "rm", "-f"]),
];

/// Makes sure that even tests that are killed leave nothing: a shell that waits for the end of this process, by
/// reading from it, and then removes what has `part` in its name.
pub fn remove_at_exit(part: &str) -> Child {
    let removals = REMOVALS.map(|(list, remove)| {
        format!("\"$0\" {} --filter name=\"$1\" | xargs -r \"$0\" {}\n", list.join(" "), remove.join(" "))
    });
    let script = format!("cat; exec 2>/dev/null\n{}", removals.concat());
    let mut command = Command::new("sh");
    command.args(["-c", &script, &engine().client, part]).env("DOCKER_HOST", &engine().host);
    // In its own process group: an interrupt from the keyboard is sent to the whole group.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a shell")
}

/// All objects of the engine, each as `kind id name agent` with the agent of moat's label; and the volumes of each
/// container, since an anonymous volume has no other sign of its owner.
pub struct Inventory(BTreeSet<String>, Vec<(String, String)>);

impl Inventory {
    pub fn now() -> Self {
        let label = "{{.Label \"moat.agent\"}}";
        let list = |kind: &str, args: &[&str], fields: &str| -> Vec<String> {
            let format = format!("{kind} {fields} {label}");
            engine().list(&[args, &["--format", &format]].concat())
        };
        let all = [
            list("container", &["ps", "-a", "--no-trunc"], "{{.ID}} {{.Names}}"),
            list("network", &["network", "ls", "--no-trunc"], "{{.ID}} {{.Name}}"),
            list("volume", &["volume", "ls"], "{{.Name}} {{.Name}}"),
        ];
        Self(all.into_iter().flatten().collect(), volumes_in_use())
    }

    /// Checks that the engine has the same objects as before, except those of other agents: other tests run at the same
    /// time. Their objects come and go; leaked ones stay.
    pub fn assert_unchanged(&self, agent: &str) {
        let mut difference = Vec::new();
        let same = || {
            difference = self.difference(agent);
            difference.is_empty()
        };
        let is_same = until(same);
        assert!(is_same, "the engine is not as it was before {agent}: {difference:#?}");
    }

    /// The current differences that [`Inventory::assert_unchanged`] reports.
    pub fn difference(&self, agent: &str) -> Vec<String> {
        let now = Self::now();
        let in_use = self.1.iter().chain(&now.1);
        let others: Vec<&str> = in_use.filter(|(user, _)| !user.contains(agent)).map(|(_, it)| it.as_str()).collect();
        let may_be_ours = |line: &&String| {
            let mut fields = line.split(' ').skip(2);
            let (name, labelled) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let is_others = !labelled.is_empty() || line.contains("e2e-") || others.contains(&name);
            // An engine recreates its default network at each start.
            let is_engines = line.starts_with("network ") && name == "bridge";
            line.contains(agent) || !(is_others || is_engines)
        };
        // An anonymous volume is removed with its container, whose owner is unknown if that happened between the lists.
        // A volume that existed before the test does not belong to one of its containers.
        let is_unnamed = |line: &&String| {
            let name = line.split(' ').nth(1).unwrap_or_default();
            line.starts_with("volume ") && name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        // A container named by the engine, as in `wonderful_lehmann`, is a command of another test.
        let is_a_command = |line: &&String| {
            let name = line.split(' ').nth(2).unwrap_or_default();
            line.starts_with("container ") && name.contains('_') && !name.starts_with("moat")
        };
        let is_temporary = |line: &&String| is_unnamed(line) || is_a_command(line);
        let gone = self.0.difference(&now.0).filter(|line| may_be_ours(line) && !is_temporary(line));
        let gone = gone.map(|line| format!("gone: {line}"));
        let new = now.0.difference(&self.0).filter(may_be_ours).map(|line| format!("new: {line}"));
        gone.chain(new).collect()
    }
}

/// The names of containers and of the volumes that each has.
fn volumes_in_use() -> Vec<(String, String)> {
    let containers = engine().list(&["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.Mounts}}"]);
    let pairs = containers.iter().filter_map(|line| line.split_once(' '));
    pairs.flat_map(|(user, volumes)| volumes.split(',').map(|it| (user.to_owned(), it.to_owned()))).collect()
}
