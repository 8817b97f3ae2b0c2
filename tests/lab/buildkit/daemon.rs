//! `buildkitd`: a Docker engine with its images in containerd, and a bridge from BuildKit's addresses to the BuildKit
//! inside it. It keeps its state under `--root`, locked to one daemon, and lets running builds end when told to stop.

use crate::config::Config;
use crate::dns;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::convert::Infallible;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ENGINE_SOCKET: &str = "/run/lab-buildkit/docker.sock";
/// The engine's bridge, for RUN steps: a network that no test uses.
const GATEWAY: &str = "10.213.212.1";

pub async fn run(args: impl Iterator<Item = String>) -> Result<Infallible> {
    let config = Config::read(args)?;
    fs::create_dir_all(&config.root)?;
    let _lock = lock(&config.root)?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Bound before the engine answers, and accepting only afterwards: as with the real one, a TCP connection proves little.
    let listeners = Listeners::bind(&config.addresses).await?;
    delegate_cgroups()?;
    let mut engine = start_engine(&config)?;
    let mut connections = JoinSet::new();
    let reason = tokio::select! {
        ended = engine.wait() => return Err(format!("the engine ended: {}", ended?).into()),
        served = serve(listeners, &config, &mut connections) => served.err().unwrap_or("no address to serve".into()),
        _ = stop.recv() => "context canceled".into(),
        _ = interrupt.recv() => "context canceled".into(),
    };
    eprintln!("stopping server");
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        _ = stop.recv() => {}
    }
    stop_engine(&mut engine).await?;
    Err(reason)
}

/// Two daemons on one state would ruin it: the second one ends at once.
fn lock(root: &Path) -> Result<File> {
    let path = root.join("buildkitd.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("could not lock {}, another instance running?", path.display()))?;
    Ok(file)
}

/// cgroup v2 gives controllers only to children of a group without processes, so ours move one down first.
fn delegate_cgroups() -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) else { return Ok(()) };
    fs::create_dir_all(root.join("init"))?;
    for pid in fs::read_to_string(root.join("cgroup.procs"))?.lines() {
        let _ = fs::write(root.join("init/cgroup.procs"), pid); // it may have ended meanwhile
    }
    let wanted: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    Ok(fs::write(root.join("cgroup.subtree_control"), wanted.join(" "))?)
}

fn start_engine(config: &Config) -> Result<Child> {
    let mut settings: serde_json::Value = serde_json::from_slice(&fs::read("/etc/docker/daemon.json")?)?;
    settings["features"] = serde_json::json!({"containerd-snapshotter": true});
    settings["builder"] =
        serde_json::json!({"Entitlements": {"network-host": config.host_network, "security-insecure": false}});
    settings["dns"] = serde_json::json!([GATEWAY]);
    let _ = fs::remove_dir_all("/run/lab-buildkit"); // a pid file of an earlier start in this container
    fs::create_dir_all("/run/lab-buildkit")?;
    fs::write("/run/lab-buildkit/daemon.json", settings.to_string())?;
    Ok(Command::new("dockerd")
        .args(["--config-file", "/run/lab-buildkit/daemon.json", "--pidfile", "/run/lab-buildkit/pid"])
        .args(["--host", &format!("unix://{ENGINE_SOCKET}"), "--exec-root", "/run/lab-buildkit/exec"])
        .args(["--bip", &format!("{GATEWAY}/24"), "--log-level", "warn"])
        .arg("--data-root")
        .arg(config.root.join("engine"))
        .kill_on_drop(true)
        .spawn()?)
}

async fn stop_engine(engine: &mut Child) -> Result<ExitStatus> {
    if let Some(pid) = engine.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) {
        kill_process(pid, Signal::TERM)?;
    }
    Ok(engine.wait().await?)
}

async fn serve(mut listeners: Listeners, config: &Config, connections: &mut JoinSet<()>) -> Result<Infallible> {
    while ping().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Some(upstream) = dns::upstream(&config.nameservers) {
        tokio::spawn(async move {
            if let Err(error) = dns::forward(GATEWAY, upstream).await {
                eprintln!("no names for RUN steps: {error}");
            }
        });
    }
    for address in &config.addresses {
        eprintln!("running server on {address}");
    }
    while let Some(client) = listeners.accepted.recv().await {
        connections.spawn(async move {
            if let Err(error) = bridge(client).await {
                eprintln!("bridge: {error}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
    Err("all listeners ended".into())
}

/// Succeeds when the engine has set up its network and serves: its socket is there long before.
async fn ping() -> std::io::Result<()> {
    let mut engine = UnixStream::connect(ENGINE_SOCKET).await?;
    engine.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
    engine.read_u8().await.map(drop)
}

/// HTTP/2 over the engine's socket, after the upgrade that the engine asks for; from then on just bytes.
async fn bridge(mut client: Client) -> std::io::Result<()> {
    let mut engine = UnixStream::connect(ENGINE_SOCKET).await?;
    engine.write_all(b"POST /grpc HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(engine.read_u8().await?); // byte by byte: what follows the answer is not ours to read
    }
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        return Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
    }
    // A client that hangs up is no fault of ours.
    let _ = copy_bidirectional(&mut client, &mut engine).await;
    Ok(())
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type Client = Box<dyn Stream>;

/// All addresses as one queue of clients. Its length of one keeps the rest waiting in the kernel, where TCP leaves them.
struct Listeners {
    accepted: mpsc::Receiver<Client>,
    _tasks: JoinSet<()>,
}

impl Listeners {
    async fn bind(addresses: &[String]) -> Result<Self> {
        let (sender, accepted) = mpsc::channel::<Client>(1);
        let mut tasks = JoinSet::new();
        for address in addresses {
            let sender = sender.clone();
            match address.split_once("://") {
                Some(("unix", path)) => {
                    let _ = fs::remove_file(path);
                    fs::create_dir_all(Path::new(path).parent().unwrap_or(Path::new("/")))?;
                    let listener = UnixListener::bind(path).map_err(|e| format!("{address}: {e}"))?;
                    tasks.spawn(async move {
                        while let Ok((client, _)) = listener.accept().await {
                            let _ = sender.send(Box::new(client)).await;
                        }
                    });
                }
                Some(("tcp", host)) => {
                    let listener = TcpListener::bind(host).await.map_err(|e| format!("{address}: {e}"))?;
                    tasks.spawn(async move {
                        while let Ok((client, _)) = listener.accept().await {
                            let _ = sender.send(Box::new(client)).await;
                        }
                    });
                }
                Some((proto, _)) => return Err(format!("addr {proto} not supported").into()),
                None => {
                    return Err(
                        format!("address {address} does not contain proto, you meant unix://{address} ?").into()
                    );
                }
            }
        }
        Ok(Self { accepted, _tasks: tasks })
    }
}
