//! The same sandbox with direct engine calls in the best possible order.
//!
//! Each request is sent as soon as the engine can accept it, concurrently with all other possible ones. The bodies are
//! moat's, with the id of the network replaced.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
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
    network: Network,
    volumes: Vec<Vec<u8>>,
    /// With a sidecar, builds are checked.
    sidecar: Option<Container>,
    main: Container,
    gateway: Option<Gateway>,
    /// Whether builds in the main container reach the sidecar.
    builds: Option<Vec<u8>>,
}

/// A network: the body of its creation, and its id in other recorded bodies.
struct Network {
    body: Vec<u8>,
    id: String,
}

/// The gateway of a network policy.
struct Gateway {
    container: Container,
    /// Its way out.
    outer: Network,
    /// The network that it is connected to after its creation, by its recorded id, and the body.
    connection: (String, String),
    /// Its recorded id.
    id: String,
    /// The exec that puts the rules in force, and its standard input.
    rules: (Vec<u8>, Vec<u8>),
    /// The exec in the main container that proves the policy.
    proof: Vec<u8>,
}

/// A container, and its readiness probe.
struct Container {
    path: String,
    body: String,
    /// The query and the archive of each upload.
    files: Option<(String, Vec<u8>)>,
    /// `None` if it only needs to run.
    probe: Option<Vec<u8>>,
}

/// The objects created by an apply.
pub struct Objects {
    networks: Vec<String>,
    containers: Vec<String>,
}

/// The ids of recorded networks, and of the new ones.
type Ids = Vec<(String, String)>;

/// From the capability: `specs/docker-dind.yaml`.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// The engine knows the exit code of an exec shortly after the end of its output. moat's poll interval.
const EXIT_INTERVAL: Duration = Duration::from_millis(5);

impl Direct {
    pub fn new(engine: Engine, recording: &Recording) -> Outcome<Self> {
        let (mut outer, mut network, mut version) = (None, None, String::new());
        for created in recording.with("POST", "/networks/create") {
            created.path.trim_end_matches("/networks/create").clone_into(&mut version);
            let is_outer = String::from_utf8_lossy(&created.body).contains("moat-egress");
            let place = if is_outer { &mut outer } else { &mut network };
            *place = Some(Network { body: created.body.clone(), id: id(&created.answer)? });
        }
        let volumes = recording.with("POST", "/volumes/create").iter().map(|it| it.body.clone()).collect();
        let (mut sidecar, mut main, mut gateway) = (None, None, None);
        for create in recording.with("POST", "/containers/create") {
            let container = Container::new(recording, create)?;
            if create.is_for_gateway() {
                let outer = outer.take().ok_or("a gateway without a second network")?;
                gateway = Some(Gateway::new(recording, container, outer, id(&create.answer)?)?);
            } else {
                let place = if create.is_for_sidecar() { &mut sidecar } else { &mut main };
                *place = Some(container);
            }
        }
        let main = main.ok_or("no main container was created")?;
        let builds = recording.with("POST", "/exec").into_iter().rfind(|it| is_check(&it.body));
        let builds = builds.map(|it| it.body.clone());
        let network = network.ok_or("no network was created")?;
        Ok(Self { engine, version, network, volumes, sidecar, main, gateway, builds })
    }

    /// Creates networks and volumes concurrently, then all containers. Main starts when the rules are in force. Builds are
    /// checked when the sidecar is ready, while main boots.
    pub fn apply(&self) -> Outcome<Objects> {
        let ids = thread::scope(|scope| {
            let volumes: Vec<_> = self.volumes.iter().map(|body| scope.spawn(|| self.create_volume(body))).collect();
            let outer = self.gateway.as_ref().map(|gateway| scope.spawn(|| self.create_network(&gateway.outer)));
            let mut ids: Ids = vec![self.create_network(&self.network)?];
            ids.extend(outer.map(joined).transpose()?);
            volumes.into_iter().try_for_each(joined)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(ids)
        })?;
        let (sidecar, main, gateway) = thread::scope(|scope| {
            let sidecar = self.sidecar.as_ref().map(|sidecar| scope.spawn(|| self.bring_up(sidecar, &ids)));
            let gateway = self.gateway.as_ref().map(|gateway| scope.spawn(|| self.open(gateway, &ids)));
            let main = self.create(&self.main, &ids)?;
            let gateway = gateway.map(joined).transpose()?;
            self.start(&main)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((sidecar.map(joined).transpose()?, main, gateway))
        })?;
        thread::scope(|scope| {
            let checked = self.builds.as_ref().map(|builds| scope.spawn(|| self.exec(&main, builds)));
            let opened = self.gateway.as_ref().zip(gateway.as_ref());
            let opened = opened.map(|(it, id)| scope.spawn(|| self.wait(id, &it.container)));
            self.wait(&main, &self.main)?;
            opened.map(joined).transpose()?;
            checked.map(joined).transpose()
        })?;
        if let Some(gateway) = &self.gateway
            && self.exec(&main, &gateway.proof)? != 0
        {
            return Err("the policy is not proven".into());
        }
        let containers = sidecar.into_iter().chain(gateway).chain([main]).collect();
        Ok(Objects { networks: ids.into_iter().map(|(_, new)| new).collect(), containers })
    }

    /// Starts the gateway with its networks and rules.
    fn open(&self, gateway: &Gateway, ids: &Ids) -> Outcome<String> {
        let id = self.create(&gateway.container, ids)?;
        let (network, body) = &gateway.connection;
        let path = format!("/networks/{}/connect", renamed(network, ids));
        self.call("POST", &path, renamed(body, ids).replace(&gateway.id, &id).as_bytes())?;
        self.start(&id)?;
        let (command, input) = &gateway.rules;
        if self.exec_with(&id, command, Some(input))? != 0 {
            return Err("the rules are not in force".into());
        }
        Ok(id)
    }

    /// Stops all containers concurrently, then removes them and the networks, then the volumes.
    pub fn destroy(&self, made: &Objects) -> Outcome<()> {
        thread::scope(|scope| {
            let stops: Vec<_> = made.containers.iter().map(|id| scope.spawn(|| self.stop(id))).collect();
            stops.into_iter().try_for_each(joined)
        })?;
        thread::scope(|scope| {
            // A stopped container does not hold its network.
            let remove = |id: &String| self.call("DELETE", &format!("/networks/{id}"), b"").map(drop);
            let networks: Vec<_> = made.networks.iter().map(|id| scope.spawn(move || remove(id))).collect();
            let removals: Vec<_> = made.containers.iter().map(|id| scope.spawn(|| self.remove_container(id))).collect();
            removals.into_iter().try_for_each(joined)?;
            let volumes: Vec<_> = self.volumes.iter().map(|body| scope.spawn(|| self.remove_volume(body))).collect();
            volumes.into_iter().try_for_each(joined)?;
            networks.into_iter().try_for_each(joined)
        })
    }

    /// The recorded id and the new one.
    fn create_network(&self, network: &Network) -> Outcome<(String, String)> {
        Ok((network.id.clone(), id(&self.call("POST", "/networks/create", &network.body)?)?))
    }

    fn create_volume(&self, body: &[u8]) -> Outcome<()> {
        self.call("POST", "/volumes/create", body).map(drop)
    }

    fn create(&self, container: &Container, ids: &Ids) -> Outcome<String> {
        let body = renamed(&container.body, ids);
        let made = id(&self.engine.json("POST", &container.path, body.as_bytes())?)?;
        if let Some((query, files)) = &container.files {
            let path = format!("{}/containers/{made}/archive?{query}", self.version);
            self.engine.ask("PUT", &path, "application/x-tar", files)?;
        }
        Ok(made)
    }

    fn start(&self, id: &str) -> Outcome<()> {
        self.call("POST", &format!("/containers/{id}/start"), b"").map(drop)
    }

    fn bring_up(&self, container: &Container, ids: &Ids) -> Outcome<String> {
        let id = self.create(container, ids)?;
        self.start(&id)?;
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
        self.exec_with(container, body, None)
    }

    fn exec_with(&self, container: &str, body: &[u8], input: Option<&Vec<u8>>) -> Outcome<i64> {
        let exec = id(&self.call("POST", &format!("/containers/{container}/exec"), body)?)?;
        let path = format!("{}/exec/{exec}/start", self.version);
        match input {
            Some(input) => feed(&self.engine, &path, input)?,
            None => {
                self.engine.ask("POST", &path, "application/json", br#"{"Detach":false,"Tty":false}"#)?;
            }
        }
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
    fn new(recording: &Recording, create: &Exchange) -> Outcome<Self> {
        let id = id(&create.answer)?;
        let uploads = recording.with("PUT", &format!("/containers/{id}/archive"));
        let query = |path: &str| path.split_once('?').map_or("", |(_, query)| query).to_owned();
        let probes = recording.with("POST", &format!("/containers/{id}/exec"));
        Ok(Self {
            path: create.path.clone(),
            body: String::from_utf8(create.body.clone())?,
            files: uploads.first().map(|it| (query(&it.path), it.body.clone())),
            probe: probes.iter().find(|it| is_probe(&it.body)).map(|it| it.body.clone()),
        })
    }
}

impl Gateway {
    fn new(recording: &Recording, container: Container, outer: Network, id: String) -> Outcome<Self> {
        let connects = |it: &&Exchange| it.path.ends_with("/connect");
        let connection = recording.with("POST", "/networks/").into_iter().find(connects).ok_or("no connection")?;
        let network = connection.path.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let execs = recording.with("POST", "/exec");
        let set = execs.iter().find(|it| says(&it.body, "set")).ok_or("no rules were set")?;
        let path = format!("/exec/{}/start", self::id(&set.answer)?);
        let input = recording.with("POST", &path).first().map(|it| it.raw.clone()).ok_or("no rules were sent")?;
        let proof = execs.iter().find(|it| is_proof(&it.body)).ok_or("nothing was proven")?.body.clone();
        let connection = (network, String::from_utf8(connection.body.clone())?);
        Ok(Self { container, outer, connection, id, rules: (set.body.clone(), input), proof })
    }
}

/// Whether an exec has this word.
fn says(body: &[u8], word: &str) -> bool {
    let exec = serde_json::from_slice::<Value>(body).unwrap_or_default();
    exec["Cmd"].as_array().is_some_and(|words| words.iter().any(|it| it == word))
}

/// Whether an exec proves the network policy.
fn is_proof(body: &[u8]) -> bool {
    says(body, "page=ready.moat.internal")
}

/// Whether an exec asks a container if it is ready.
fn is_probe(body: &[u8]) -> bool {
    !is_check(body) && !is_proof(body) && !says(body, "set")
}

/// Starts an exec with this standard input, and waits until its output ends.
fn feed(engine: &Engine, path: &str, input: &[u8]) -> Outcome<()> {
    let mut stream = UnixStream::connect(&engine.path)?;
    let body = r#"{"Detach":false,"Tty":false}"#;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes())?;
    // The engine drops what it has read beyond the request.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    stream.write_all(input)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut answer)?;
    Ok(())
}

fn renamed(text: &str, ids: &Ids) -> String {
    ids.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
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
