//! `buildkitd`: a Docker engine, and a bridge from BuildKit's addresses to the BuildKit inside it. It keeps its state under `--root`, locked to one daemon, and lets running builds end when told to stop.

use crate::config::Config;
use crate::engine::Engine;
use crate::{dns, engine};
use rustix::fs::{FlockOperation, flock};
use std::convert::Infallible;
use std::fs::{self, File};
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub async fn run(args: impl Iterator<Item = String>) -> Result<Infallible> {
    let config = Config::read(args)?;
    fs::create_dir_all(&config.root)?;
    let _lock = lock(&config.root)?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Bound before the engine answers, and accepting only afterwards: as with the real one, a TCP connection proves little.
    let listeners = Listeners::bind(&config.addresses).await?;
    let mut engine = Engine::start(&config).await?;
    let mut connections = JoinSet::new();
    let reason = tokio::select! {
        ended = engine.ended() => return Err(ended.into()),
        served = serve(listeners, &config, &mut connections) => served.err().unwrap_or("no address to serve".into()),
        _ = stop.recv() => "context canceled".into(),
        _ = interrupt.recv() => "context canceled".into(),
    };
    eprintln!("stopping server");
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        _ = stop.recv() => {}
    }
    engine.stop().await?;
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

async fn serve(mut listeners: Listeners, config: &Config, connections: &mut JoinSet<()>) -> Result<Infallible> {
    while engine::ping().await.is_err() {
        tokio::time::sleep(engine::POLL).await;
    }
    // In a user namespace RUN steps ask the resolver of slirp4netns.
    if let Some(upstream) = dns::upstream(&config.nameservers).filter(|_| !engine::rootless()) {
        tokio::spawn(async move {
            if let Err(error) = dns::forward(engine::GATEWAY, upstream).await {
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

/// HTTP/2 over the engine's socket, after the upgrade that the engine asks for; from then on just bytes.
async fn bridge(mut client: Client) -> std::io::Result<()> {
    let mut engine = UnixStream::connect(engine::SOCKET).await?;
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
