//! The same sandbox with direct engine calls in the best possible order.
//!
//! Each request is sent as soon as the engine can accept it, concurrently with all other possible ones. The bodies are
//! moat's, with the id of the network replaced.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;
use crate::record::{Exchange, Recording};
use crate::socket::Engine;

/// Everything that the calls need to know in advance.
pub struct Direct {
    engine: Engine,
    /// The negotiated version, such as `/v1.45`.
    version: String,
    network: Vec<u8>,
    volumes: Vec<Vec<u8>>,
    /// With a sidecar, builds are checked.
    sidecar: Option<Container>,
    main: Container,
    /// Whether builds in the main container reach the sidecar.
    builds: Option<Vec<u8>>,
}

/// A container, and its readiness probe.
struct Container {
    path: String,
    body: String,
    /// The network's id in the recorded body.
    network: String,
    /// The query and the archive of each upload.
    files: Option<(String, Vec<u8>)>,
    /// `None` if it only needs to run.
    probe: Option<Vec<u8>>,
}

/// The objects created by an apply.
pub struct Made {
    network: String,
    sidecar: Option<String>,
    main: String,
}

/// From the capability: `specs/docker-dind.yaml`.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// The engine knows the exit code of an exec shortly after the end of its output. moat's poll interval.
const EXIT_INTERVAL: Duration = Duration::from_millis(5);

impl Direct {
    pub fn new(engine: Engine, recording: &Recording) -> Outcome<Self> {
        let network = recording.with("POST", "/networks/create").first().copied().ok_or("no network was created")?;
        let version = network.path.trim_end_matches("/networks/create").to_owned();
        let volumes = recording.with("POST", "/volumes/create").iter().map(|it| it.body.clone()).collect();
        let network_id = id(&network.answer)?;
        let (mut sidecar, mut main) = (None, None);
        for create in recording.with("POST", "/containers/create") {
            let container = Container::new(recording, create, &network_id)?;
            let place = if create.is_for_sidecar() { &mut sidecar } else { &mut main };
            *place = Some(container);
        }
        let main = main.ok_or("no main container was created")?;
        let builds = recording.with("POST", "/exec").into_iter().rfind(|it| is_check(&it.body));
        let builds = builds.map(|it| it.body.clone());
        Ok(Self { engine, version, network: network.body.clone(), volumes, sidecar, main, builds })
    }

    /// Creates network and volumes concurrently, then both containers. Builds are checked when the sidecar is ready, while
    /// main boots.
    pub fn apply(&self) -> Outcome<Made> {
        let network = thread::scope(|scope| {
            let volumes: Vec<_> = self.volumes.iter().map(|body| scope.spawn(|| self.create_volume(body))).collect();
            let network = self.create_network();
            for volume in volumes {
                joined(volume)?;
            }
            network
        })?;
        let (sidecar, main) = thread::scope(|scope| {
            let main = scope.spawn(|| self.start(&self.main, &network));
            let sidecar = self.sidecar.as_ref().map(|sidecar| self.bring_up(sidecar, &network)).transpose()?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((sidecar, joined(main)?))
        })?;
        thread::scope(|scope| {
            let checked = self.builds.as_ref().map(|builds| scope.spawn(|| self.exec(&main, builds)));
            self.wait(&main, &self.main)?;
            checked.map(joined).transpose()
        })?;
        Ok(Made { network, sidecar, main })
    }

    /// Stops both containers concurrently, then removes them and the network, then the volumes.
    pub fn destroy(&self, made: &Made) -> Outcome<()> {
        let containers: Vec<&String> = made.sidecar.iter().chain([&made.main]).collect();
        thread::scope(|scope| {
            let stops: Vec<_> = containers.iter().map(|id| scope.spawn(|| self.stop(id))).collect();
            stops.into_iter().try_for_each(joined)
        })?;
        thread::scope(|scope| {
            // A stopped container does not hold its network.
            let network = scope.spawn(|| self.call("DELETE", &format!("/networks/{}", made.network), b""));
            let removals: Vec<_> = containers.iter().map(|id| scope.spawn(|| self.remove_container(id))).collect();
            removals.into_iter().try_for_each(joined)?;
            let volumes: Vec<_> = self.volumes.iter().map(|body| scope.spawn(|| self.remove_volume(body))).collect();
            volumes.into_iter().try_for_each(joined)?;
            joined(network).map(drop)
        })
    }

    fn create_network(&self) -> Outcome<String> {
        id(&self.call("POST", "/networks/create", &self.network)?)
    }

    fn create_volume(&self, body: &[u8]) -> Outcome<()> {
        self.call("POST", "/volumes/create", body).map(drop)
    }

    fn create(&self, container: &Container, network: &str) -> Outcome<String> {
        let body = container.body.replace(&container.network, network);
        let made = id(&self.engine.json("POST", &container.path, body.as_bytes())?)?;
        if let Some((query, files)) = &container.files {
            let path = format!("{}/containers/{made}/archive?{query}", self.version);
            self.engine.ask("PUT", &path, "application/x-tar", files)?;
        }
        Ok(made)
    }

    /// Creates and starts a container.
    fn start(&self, container: &Container, network: &str) -> Outcome<String> {
        let id = self.create(container, network)?;
        self.call("POST", &format!("/containers/{id}/start"), b"")?;
        Ok(id)
    }

    fn bring_up(&self, container: &Container, network: &str) -> Outcome<String> {
        let id = self.start(container, network)?;
        self.wait(&id, container)?;
        Ok(id)
    }

    /// Waits until a container is ready.
    fn wait(&self, id: &str, container: &Container) -> Outcome<()> {
        let Some(probe) = &container.probe else {
            return self.call("GET", &format!("/containers/{id}/json"), b"").map(drop);
        };
        while self.exec(id, probe)? != 0 {
            thread::sleep(PROBE_INTERVAL);
        }
        Ok(())
    }

    /// Runs a command and returns its exit code.
    fn exec(&self, container: &str, body: &[u8]) -> Outcome<i64> {
        let exec = id(&self.call("POST", &format!("/containers/{container}/exec"), body)?)?;
        let path = format!("{}/exec/{exec}/start", self.version);
        self.engine.ask("POST", &path, "application/json", br#"{"Detach":false,"Tty":false}"#)?;
        loop {
            let found = self.call("GET", &format!("/exec/{exec}/json"), b"")?;
            if found["Running"] != true {
                return found["ExitCode"].as_i64().ok_or_else(|| "an exec without an exit code".into());
            }
            thread::sleep(EXIT_INTERVAL);
        }
    }

    fn stop(&self, container: &str) -> Outcome<()> {
        self.call("POST", &format!("/containers/{container}/stop"), b"").map(drop)
    }

    fn remove_container(&self, container: &str) -> Outcome<()> {
        self.call("DELETE", &format!("/containers/{container}?v=true&force=true"), b"").map(drop)
    }

    fn remove_volume(&self, body: &[u8]) -> Outcome<()> {
        let body: Value = serde_json::from_slice(body)?;
        let name = body["Name"].as_str().ok_or("a volume without a name")?;
        self.call("DELETE", &format!("/volumes/{name}"), b"").map(drop)
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Outcome<Value> {
        self.engine.json(method, &format!("{}{path}", self.version), body)
    }
}

impl Container {
    fn new(recording: &Recording, create: &Exchange, network: &str) -> Outcome<Self> {
        let id = id(&create.answer)?;
        let uploads = recording.with("PUT", &format!("/containers/{id}/archive"));
        let query = |path: &str| path.split_once('?').map_or("", |(_, query)| query).to_owned();
        let probes = recording.with("POST", &format!("/containers/{id}/exec"));
        Ok(Self {
            path: create.path.clone(),
            body: String::from_utf8(create.body.clone())?,
            network: network.to_owned(),
            files: uploads.first().map(|it| (query(&it.path), it.body.clone())),
            probe: probes.iter().find(|it| !is_check(&it.body)).map(|it| it.body.clone()),
        })
    }
}

/// Whether an exec is the check of builds rather than a probe. From the capability, as [`PROBE_INTERVAL`].
fn is_check(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|exec| exec["Cmd"][0] == "/usr/local/lib/moat/builds")
}

fn id(answer: &Value) -> Outcome<String> {
    Ok(answer["Id"].as_str().ok_or_else(|| format!("an answer without an id: {answer}"))?.to_owned())
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    handle.join().unwrap_or_else(|_| Err("a thread died".into()))
}
