//! An isolated set of objects on the lab's engine for each promise, removed after its test.

use std::process::Command;
use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicU8, Ordering};

use ipnet::Ipv4Net;
use moat_docker::{Asked, Docker};
use moat_model::resource::{AgentName, ImageRef};
use moat_sim::interference::Interference;
use testkit::conformance::world::{NEEDED_FILE, Program, World as Corner, run_of};
use testkit::owner;

pub struct World {
    engine: Docker,
    agent: AgentName,
    /// The index of this world's /24 in the suite's range.
    block: u8,
    /// Locked, since these sandboxes have no spec and are orphans to a `moat clean` of another test.
    _engine: RwLockReadGuard<'static, ()>,
}

/// A variable of the lab's environment; the process environment takes precedence.
fn variable(name: &str) -> String {
    if let Ok(value) = std::env::var(name) {
        return value;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/engine");
    let said = Command::new(script).arg("env").output().expect("the lab's script");
    let said = String::from_utf8_lossy(&said.stdout);
    let value = said.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
    value.unwrap_or_else(|| panic!("these tests need an engine: run `tests/lab/engine up`")).to_owned()
}

/// Runs docker as another client; returns its output with single spaces.
fn docker(words: &[&str]) -> String {
    let mut command = Command::new(variable("MOAT_LAB_DOCKER"));
    let output = command.args(words).env("DOCKER_HOST", variable("DOCKER_HOST")).output().expect("a docker client");
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn busybox() -> ImageRef {
    ImageRef::parse("busybox:latest").expect("a reference")
}

impl World {
    pub async fn new(promise: &str) -> Self {
        static BLOCKS: AtomicU8 = AtomicU8::new(0);
        let host = variable("DOCKER_HOST");
        let engine = Docker::connect(Asked::Address(&host)).await.unwrap_or_else(|error| panic!("{error}"));
        // Another process may run this suite on the same engine.
        let process = u8::try_from(std::process::id() % 4).expect("less than four") * 64;
        let block = process + BLOCKS.fetch_add(1, Ordering::Relaxed);
        // Named like the sandboxes of other tests: their leak checks ignore foreign ones.
        let agent = format!("e2e-{}-{}", &promise[..3], std::process::id());
        let agent = AgentName::parse(&agent).expect("a name");
        let world = Self { engine, agent, block, _engine: owner::shared() };
        docker(&["pull", "--quiet", busybox().as_str()]);
        world
    }

    /// An image with a failing health check.
    fn unhealthy(&self) -> ImageRef {
        let (name, reference) = (format!("{}-image", self.agent), format!("{}-unhealthy:1", self.agent));
        // Without labels, which the image would inherit.
        docker(&["create", "--name", &name, busybox().as_str()]);
        let check = "HEALTHCHECK --interval=1s --retries=1 CMD echo bad; exit 1";
        docker(&["commit", "--change", check, &name, &reference]);
        docker(&["rm", &name]);
        ImageRef::parse(&reference).expect("a reference")
    }

    /// Removes all objects with labels of these runs.
    fn sweep(&self) {
        let label = format!("label=moat.agent={}", self.agent);
        let all = |list: &[&str]| docker(&[list, &["--quiet", "--filter", &label]].concat());
        let each = |words: &[&str], ids: String| {
            for id in ids.split(' ').filter(|id| !id.is_empty()) {
                docker(&[words, &[id]].concat());
            }
        };
        each(&["rm", "--force", "--volumes"], all(&["ps", "--all"]));
        each(&["volume", "rm"], all(&["volume", "ls"]));
        each(&["network", "rm"], all(&["network", "ls"]));
        docker(&["rmi", "--force", &format!("{}-unhealthy:1", self.agent)]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.sweep();
    }
}

impl Corner for World {
    type Engine = Docker;

    fn engine(&self) -> &Docker {
        &self.engine
    }

    fn agent(&self) -> AgentName {
        self.agent.clone()
    }

    fn program(&self, program: Program) -> (ImageRef, Vec<String>) {
        let listen = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
        let lines = "echo one; echo two; echo three";
        let script = match program {
            Program::Idle => listen.to_owned(),
            Program::IgnoresStop => "trap '' TERM; exec sleep 1000".to_owned(),
            Program::Fails => "exit 7".to_owned(),
            Program::Writes => format!("{lines}; {listen}"),
            Program::WritesAndEnds => lines.to_owned(),
            Program::NeedsFile => format!("test -e {NEEDED_FILE} || exit 78; {listen}"),
            Program::Missing => return (busybox(), vec!["/no/such/program".to_owned()]),
            Program::Unhealthy => return (self.unhealthy(), ["sh", "-c", listen].map(str::to_owned).to_vec()),
        };
        (busybox(), ["sh", "-c", &script].map(str::to_owned).to_vec())
    }

    fn pullable(&self) -> ImageRef {
        // The same image under a unique name, through the registry's address.
        let reference = format!("{}/library/busybox:latest", variable("MOAT_LAB_REGISTRY"));
        let reference = ImageRef::parse(&reference).expect("a reference");
        docker(&["rmi", "--force", reference.as_str()]);
        reference
    }

    fn subnet(&self, nth: u8) -> Ipv4Net {
        Ipv4Net::new_assert([10, 96, self.block, nth * 16].into(), 28)
    }

    fn port(&self) -> u16 {
        // A port that was free a moment ago; the system does not reuse it soon.
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a socket");
        socket.local_addr().expect("an address").port()
    }

    fn interfere(&self, interference: &Interference) {
        match interference {
            Interference::Kill { container } => docker(&["kill", container]),
            Interference::Pause { container } => docker(&["pause", container]),
            Interference::RenameContainer { container, to } => docker(&["rename", container, to]),
            Interference::AddContainer { name, image } => {
                docker(&["run", "--detach", "--name", name, image, "sleep", "60"])
            }
            Interference::RemoveContainer { container } => docker(&["rm", "--force", container]),
            Interference::AddVolume { name } => docker(&["volume", "create", name]),
            Interference::RemoveVolume { volume } => docker(&["volume", "rm", volume]),
            // It exits when the file exists.
            Interference::Attach { container } => {
                let waiting = "until [ -e /tmp/over ]; do sleep 0.05; done";
                docker(&["exec", "--detach", container, "sh", "-c", waiting])
            }
            Interference::Detach { container } => docker(&["exec", container, "mkdir", "-p", "/tmp/over"]),
            Interference::Disconnect { container } => {
                let network = format!("moat-{}-net", self.agent);
                docker(&["network", "disconnect", &network, container])
            }
            other => panic!("no promise needs {other} in {}", run_of(self).id),
        };
    }
}
