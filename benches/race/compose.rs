//! The same sandbox with `docker compose`, from a file generated from moat's requests.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::process::finish;
use crate::record::{Exchange, Recording};

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
    Quickest,
    /// Once a second, which is frequent for compose files.
    EverySecond,
}

impl Compose {
    /// `None`, with a message, if compose is not installed.
    #[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
    pub fn find(recording: &Recording, folder: &Path, checks: Checks) -> Outcome<Option<Self>> {
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
        let file = folder.join(if checks == Checks::Quickest { "quickest.json" } else { "every-second.json" });
        std::fs::write(&file, serde_json::to_vec_pretty(&project(recording, checks)?)?)?;
        Ok(Some(Self { program, file }))
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome<()> {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(["--project-name", "race", "--file"]).arg(&self.file).args(arguments);
        finish(command)
    }
}

/// A compose file. Compose reads YAML, and JSON is YAML.
fn project(recording: &Recording, checks: Checks) -> Outcome<Value> {
    let mut configs = Map::new();
    let mut volumes = Map::new();
    let mut services = BTreeMap::new();
    for create in recording.with("POST", "/containers/create") {
        let body: Value = serde_json::from_slice(&create.body)?;
        for mount in list(&body["HostConfig"]["Mounts"]) {
            volumes.insert(volume(mount), json!({}));
        }
        let files = files(recording, create)?;
        let name = if create.is_for_sidecar() { "buildkit" } else { "main" };
        let mut service = service(&body, checks);
        for (at, (path, mode, content)) in files.into_iter().enumerate() {
            let config = format!("{name}-{at}");
            configs.insert(config.clone(), json!({ "content": content.replace('$', "$$") }));
            let entry = json!({ "source": config, "target": path, "mode": format!("{mode:04o}") });
            service["configs"].as_array_mut().ok_or("no list of configs")?.push(entry);
        }
        if name == "main" && recording.has_sidecar() {
            service["depends_on"] = json!({ "buildkit": { "condition": "service_healthy" } });
        }
        services.insert(name, service);
    }
    Ok(json!({ "services": services, "configs": configs, "volumes": volumes }))
}

/// A service equivalent to moat's request for a container.
fn service(body: &Value, checks: Checks) -> Value {
    let host = &body["HostConfig"];
    let mounts = list(&host["Mounts"]);
    let mut service = json!({
        "restart": host["RestartPolicy"]["Name"],
        "volumes": mounts.iter().map(|it| format!("{}:{}", volume(it), it["Target"].as_str().unwrap_or_default()))
            .collect::<Vec<_>>(),
        "configs": [],
    });
    let alike = [
        ("image", &body["Image"]),
        ("entrypoint", &body["Entrypoint"]),
        ("command", &body["Cmd"]),
        ("environment", &body["Env"]),
        ("hostname", &body["Hostname"]),
        ("privileged", &host["Privileged"]),
        ("init", &host["Init"]),
    ];
    for (key, value) in alike.into_iter().filter(|(_, value)| !value.is_null()) {
        service[key] = value.clone();
    }
    let test = &body["Healthcheck"]["Test"];
    if !test.is_null() {
        service["healthcheck"] = match checks {
            Checks::Quickest => json!({
                "test": test, "interval": "30s", "timeout": "10s", "start_period": "60s", "start_interval": "50ms",
            }),
            Checks::EverySecond => json!({ "test": test, "interval": "1s", "timeout": "10s", "start_period": "60s" }),
        };
    }
    if let Some(seconds) = body["StopTimeout"].as_i64() {
        service["stop_grace_period"] = json!(format!("{seconds}s"));
    }
    service
}

/// A volume's name in the file: the last part of moat's name.
fn volume(mount: &Value) -> String {
    let name = mount["Source"].as_str().unwrap_or_default();
    name.rsplit('-').next().unwrap_or(name).to_owned()
}

/// The uploaded files: path, mode, content.
fn files(recording: &Recording, create: &Exchange) -> Outcome<Vec<(String, u32, String)>> {
    let id = create.answer["Id"].as_str().unwrap_or_default();
    let mut files = Vec::new();
    for upload in recording.with("PUT", &format!("/containers/{id}/archive")) {
        for entry in tar::Archive::new(upload.body.as_slice()).entries()? {
            let mut entry = entry?;
            let path = format!("/{}", entry.path()?.display());
            let mode = entry.header().mode()?;
            let mut content = String::new();
            entry.read_to_string(&mut content)?;
            files.push((path, mode, content));
        }
    }
    Ok(files)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
