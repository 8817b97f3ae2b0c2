//! A repair under `moat watch` against the same engine calls made directly.
//!
//!     cargo bench --bench repair          # on the engine of DOCKER_HOST (a unix socket)
//!
//! One plain sandbox. In each turn its container is damaged twice: once while moat watches, and once while the watch is
//! suspended and this program makes the necessary calls, known in advance. Both times start at the engine's event; moat's
//! ends with the line that reports the sandbox in sync, that of the calls with the last response. The ratios of the pairs
//! are compared, so that other load on the machine affects both equally.
//!
//! Nothing is asserted here. `REPAIR_RUNS` sets the number of turns.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "../race/process.rs"]
#[expect(dead_code, reason = "shared with the race")]
mod process;
#[path = "../race/record.rs"]
#[expect(dead_code, reason = "shared with the race")]
mod record;
#[path = "../race/socket.rs"]
mod socket;

mod watch;

use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use process::Moat;
use socket::Engine;
use watch::{Events, Watch};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Odd, so that the median is a measured value.
const RUNS: usize = 11;

/// The maximum ratio of moat's time to that of the calls.
const GOAL: f64 = 1.2;

/// The time in which the watch observes the direct repair and becomes idle.
const REST: Duration = Duration::from_millis(400);

/// A harm to the container, and the event of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Kill,
    Stop,
    Pause,
    Remove,
    Disconnect,
}

const DAMAGES: [Damage; 5] = [Damage::Kill, Damage::Stop, Damage::Pause, Damage::Remove, Damage::Disconnect];

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_moat"))
}

fn main() -> Outcome<()> {
    let runs = std::env::var("REPAIR_RUNS").ok().map_or(Ok(RUNS), |runs| runs.parse())?;
    let engine = Engine::from_environment()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("agent.yaml");
    std::fs::write(&file, "agent: repair\nimage: busybox\n")?;
    let moat = Moat::new(&file);
    let recording = record::apply(&moat, &engine, folder.path())?;
    let bench = Bench::new(engine, &recording)?;
    let mut watch = Watch::begin(moat.command(&["watch", "--json"]))?;
    println!("{:<12} {:>9} {:>9} {:>7}  of {runs} pairs; goal {GOAL}", "ms", "moat", "direct", "ratio");
    for damage in DAMAGES {
        let (mut ours, mut direct, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let (mine, calls) = (bench.watched(damage, &mut watch)?, bench.direct(damage, &watch)?);
            ours.push(milliseconds(mine));
            direct.push(milliseconds(calls));
            ratios.push(milliseconds(mine) / milliseconds(calls));
        }
        let (name, ratio) = (format!("{damage:?}").to_lowercase(), median(&mut ratios));
        println!(
            "{name:<12} {:>9.1} {:>9.1} {ratio:>7.2}  {}",
            median(&mut ours),
            median(&mut direct),
            if ratio <= GOAL { "met" } else { "missed" }
        );
    }
    watch.end()?;
    moat.run(&["destroy", "--volumes", "--yes"])
}

/// The engine, and the data needed to recreate the container.
struct Bench {
    engine: Engine,
    events: Events,
    /// Such as `/v1.45`.
    version: String,
    name: String,
    create: (String, String),
    /// The network's id in the body, and its name.
    network: (String, String),
}

impl Bench {
    fn new(engine: Engine, recording: &record::Recording) -> Outcome<Self> {
        let first = |path: &str| recording.requests.iter().find(|it| it.method == "POST" && it.path.contains(path));
        let network = first("/networks/create").ok_or("no network was created")?;
        let create = first("/containers/create").ok_or("no container was created")?;
        let version = network.path.trim_end_matches("/networks/create").to_owned();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).ok_or("an answer without a name");
        let name = create.path.split("name=").nth(1).and_then(|it| it.split('&').next());
        let body: serde_json::Value = serde_json::from_slice(&network.body)?;
        Ok(Self {
            events: Events::listen(&engine)?,
            version,
            name: name.ok_or("a container without a name")?.to_owned(),
            create: (create.path.clone(), String::from_utf8(create.body.clone())?),
            network: (text(&network.answer["Id"])?, text(&body["Name"])?),
            engine,
        })
    }

    /// The time from the event until the watch reports the sandbox in sync.
    fn watched(&self, damage: Damage, watch: &mut Watch) -> Outcome<Duration> {
        // Otherwise the backoff would delay the repair.
        watch.end_backoff()?;
        thread::sleep(REST);
        watch.forget();
        let event = self.damage(damage)?;
        Ok(watch.settled()?.saturating_duration_since(event))
    }

    /// The time from the event, or from when the calls are possible, to the last response.
    fn direct(&self, damage: Damage, watch: &Watch) -> Outcome<Duration> {
        thread::sleep(REST);
        watch.hold()?;
        self.damage(damage)?;
        let begun = Instant::now();
        self.repair(damage)?;
        let took = begun.elapsed();
        watch.go_on()?;
        Ok(took)
    }

    /// Harms the container, and returns the time of the event.
    fn damage(&self, damage: Damage) -> Outcome<Instant> {
        self.events.forget();
        let name = &self.name;
        let of = |rest: &str| format!("/containers/{name}{rest}");
        let action = match damage {
            Damage::Kill => self.call("POST", &of("/kill"), "").map(|_| "die"),
            Damage::Stop => self.call("POST", &of("/stop?t=0"), "").map(|_| "die"),
            Damage::Pause => self.call("POST", &of("/pause"), "").map(|_| "pause"),
            Damage::Remove => self.call("DELETE", &of("?force=true"), "").map(|_| "destroy"),
            Damage::Disconnect => {
                let body = format!("{{\"Container\":\"{name}\",\"Force\":true}}");
                let path = format!("/networks/{}/disconnect", self.network.1);
                self.call("POST", &path, &body).map(|_| "disconnect")
            }
        }?;
        self.events.next(action)
    }

    /// The calls of moat's repair, with the last observation only.
    fn repair(&self, damage: Damage) -> Outcome<()> {
        let of = |rest: &str| format!("/containers/{}{rest}", self.name);
        match damage {
            Damage::Kill | Damage::Stop => drop(self.call("POST", &of("/start"), "")?),
            Damage::Pause => drop(self.call("POST", &of("/unpause"), "")?),
            Damage::Remove => {
                let network = self.call("GET", &format!("/networks/{}", self.network.1), "")?;
                let id = network["Id"].as_str().ok_or("a network without an id")?;
                let body = self.create.1.replace(&self.network.0, id);
                self.engine.json("POST", &self.create.0, body.as_bytes())?;
                self.call("POST", &of("/start"), "")?;
            }
            Damage::Disconnect => {
                let body = format!("{{\"Container\":\"{}\"}}", self.name);
                self.call("POST", &format!("/networks/{}/connect", self.network.1), &body)?;
            }
        }
        self.call("GET", &of("/json"), "").map(drop)
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Outcome<serde_json::Value> {
        self.engine.json(method, &format!("{}{path}", self.version), body.as_bytes())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
