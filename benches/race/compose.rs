//! A similar sandbox with `docker compose`, from a file as a user writes it by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::process::finish;

/// Compose and its file.
pub struct Compose {
    /// The program and its leading arguments.
    program: Vec<String>,
    file: PathBuf,
}

/// The interval of health checks, the only readiness signal of compose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// As often as moat's probes until the first success (`start_interval`, since Docker 25).
    Fastest,
    /// Once a second, which is frequent for compose files.
    EverySecond,
}

/// The place of the keys of a health check besides its command.
const CHECKS: &str = "{checks}";

/// The images start as their authors intend: the Docker daemon with its own containerd, on a socket and a port.
pub const DIND: &str = "\
services:
  buildkit:
    image: moby/buildkit:v0.32.2
    command: [--addr=unix:///run/buildkit/buildkitd.sock, --addr=tcp://0.0.0.0:1234]
    privileged: true
    volumes: [cache:/var/lib/buildkit]
    healthcheck: {test: [CMD, buildctl, debug, workers], {checks}}
  main:
    image: docker:dind
    privileged: true
    environment: {DOCKER_TLS_CERTDIR: '', DOCKER_HOST: 'unix:///var/run/docker.sock'}
    volumes: [docker:/var/lib/docker]
    healthcheck: {test: [CMD, docker, info], {checks}}
    depends_on: {buildkit: {condition: service_healthy}}
volumes: {cache: {}, docker: {}}
";

pub const PLAIN: &str = "\
services:
  main: {image: busybox, command: sleep infinity, init: true}
";

impl Checks {
    fn keys(self) -> &'static str {
        match self {
            Self::Fastest => "interval: 30s, timeout: 10s, start_period: 60s, start_interval: 50ms",
            Self::EverySecond => "interval: 1s, timeout: 10s, start_period: 60s",
        }
    }
}

impl Compose {
    /// `None`, with a message, if compose is not installed.
    #[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
    pub fn find(text: &str, folder: &Path, checks: Checks) -> Outcome<Option<Self>> {
        let named = std::env::var("MOAT_LAB_COMPOSE").ok().map(|program| vec![program]);
        let candidates = named.into_iter().chain([vec!["docker".to_owned(), "compose".to_owned()]]);
        let works = |program: &Vec<String>| {
            let version = Command::new(&program[0]).args(&program[1..]).arg("version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let Some(program) = candidates.into_iter().find(works) else {
            println!("docker compose is not installed; the race runs without it");
            return Ok(None);
        };
        let file = folder.join(if checks == Checks::Fastest { "quickest.yaml" } else { "every-second.yaml" });
        std::fs::write(&file, text.replace(CHECKS, checks.keys()))?;
        Ok(Some(Self { program, file }))
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome<()> {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(["--project-name", "race", "--file"]).arg(&self.file).args(arguments);
        finish(command)
    }
}
