//! Throughput, latency and memory of a gateway, as ratios to direct connections in the same run, and to HAProxy if it is
//! installed. A second part does the same over a link that is limited to 1 Gbit/s, as root.
//!
//! Client, gateway and server have a thread each, on loopback, and HAProxy has one. `cargo bench -p moat-gateway`.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use moat_gateway::{Config, Dial, Gateway, Options};
use moat_policy::{Entry, Mode, Policy, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Bytes of one measurement, over all of its connections.
const BYTES: u64 = 2 << 30;

/// The same over the limited link: about two seconds.
const BYTES_OF_LINK: u64 = 256 << 20;

/// Measurements of each kind, in turn.
const ROUNDS: usize = 5;

/// Connections for the latency.
const FIRST_BYTES: usize = 500;

/// Leads every address to the server.
struct ToServer(SocketAddr);

impl Dial for ToServer {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(self.0))
    }
}

/// Connections of the measurement of memory.
const IDLE: u32 = 1000;

/// The argument of a process that measures over a limited link, in a network namespace of its own.
const LINK: &str = "--link";

/// Limits what the server sends on loopback, and nothing else. Packets of loopback are large, so the burst is, too.
const LIMIT: &str = "ip link set lo up && tc qdisc add dev lo root handle 1: htb default 1 && \
                     tc class add dev lo parent 1: classid 1:1 htb rate 100gbit quantum 100000 && \
                     tc class add dev lo parent 1: classid 1:3 htb rate 100gbit quantum 100000 && \
                     tc qdisc add dev lo parent 1:3 handle 3: tbf rate 1gbit burst 1m latency 50ms && \
                     tc filter add dev lo parent 1: protocol ip u32 match ip src 127.83.2.1/32 flowid 1:3";

/// The server's address on the limited link.
const FAR: [u8; 4] = [127, 83, 2, 1];

/// The argument of a process that is only a gateway, followed by its server, name server, address and state.
const GATEWAY: &str = "--gateway";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, word, server, names, address, state] = args.as_slice()
        && word == GATEWAY
    {
        gateway(server.parse()?, names.parse()?, address.parse()?, PathBuf::from(state))?;
        println!("ready");
        loop {
            thread::park();
        }
    }
    let is_link = args.iter().any(|word| word == LINK);
    let (near, bytes) = if is_link { (FAR, BYTES_OF_LINK) } else { ([127, 0, 0, 1], BYTES) };
    let server = start(async move || {
        let listener = TcpListener::bind(SocketAddr::from((near, 0))).await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener));
        Ok(address)
    })?;
    let names = start(serve_names)?;
    let folder = tempfile::tempdir()?;
    let through = gateway(server, names, free_port([127, 83, 1, 1])?, folder.path().join("state"))?;
    let haproxy = Haproxy::start(server, folder.path());
    let client = runtime()?;
    let mut ways = vec![("direct", server), ("gateway", through)];
    ways.extend(haproxy.as_ref().map(|haproxy| ("HAProxy", haproxy.address)));
    compare(&client, &ways, bytes)?;
    if is_link {
        return Ok(());
    }
    let mut direct = f64::NAN;
    for (name, address) in &ways {
        let time = median(&mut client.block_on(first_bytes(*address))?) * 1e3;
        direct = if *name == "direct" { time } else { direct };
        println!("time to first byte: {name:8} {time:.3} ms, added {:.3} ms", time - direct);
    }
    memory(&client, server, names, &folder.path().join("other"))?;
    link()
}

/// Measures over a limited link, if this user may make one.
fn link() -> Result<(), Box<dyn Error>> {
    println!("over a link of 1 Gbit/s:");
    let script = format!("{LIMIT} && exec \"$0\" {LINK}");
    let program = std::env::current_exe()?;
    let status = Command::new("unshare").args(["--net", "sh", "-c", &script]).arg(program).status();
    if !status.is_ok_and(|status| status.success()) {
        println!("not measured: needs root, `unshare`, `ip` and `tc`");
    }
    Ok(())
}

/// Prints the throughput of each way, in turn.
fn compare(client: &Runtime, ways: &[(&str, SocketAddr)], bytes: u64) -> Result<(), Box<dyn Error>> {
    for connections in [1, 64] {
        let mut rates = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (rates, (_, address)) in rates.iter_mut().zip(ways) {
                rates.push(client.block_on(throughput(*address, connections, bytes))?);
            }
        }
        let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
        for ((name, _), rate) in ways.iter().zip(&medians) {
            let (direct, gateway) = (rate / medians[0], rate / medians[1]);
            println!(
                "{connections:>3} connections: {name:8} {rate:.3} GB/s, {direct:.2} of direct, {gateway:.2} of the gateway"
            );
        }
    }
    Ok(())
}

/// Starts a gateway in a thread of this process, with one port that leads to the server.
fn gateway(
    server: SocketAddr,
    names: SocketAddr,
    own: SocketAddr,
    state: PathBuf,
) -> Result<SocketAddr, Box<dyn Error>> {
    let rule: Rule = format!("bench.example:{}", own.port()).parse()?;
    let policy = Policy::new(Mode::Strict, vec![Entry::from(&rule)], Vec::new())?;
    std::fs::create_dir_all(&state)?;
    std::fs::write(state.join("policy.json"), policy.to_json())?;
    let std::net::IpAddr::V4(address) = own.ip() else { return Err("no IPv4 address".into()) };
    let config = Config {
        version: 1,
        address,
        resolvers: vec![names],
        names: BTreeMap::new(),
        host: None,
        relays: Vec::new(),
        roots: String::new(),
        state,
        trust: None,
    };
    Ok(start(async move || {
        let options = Options { dial: Arc::new(ToServer(server)), ports: [0; 4], ..Options::default() };
        let gateway = Gateway::start(config, options).await.map_err(io::Error::other)?;
        // Until the program ends.
        std::mem::forget(gateway);
        Ok(own)
    })?)
}

fn free_port(ip: [u8; 4]) -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(SocketAddr::from((ip, 0)))?.local_addr()
}

/// Prints the memory of a gateway alone in a process, without connections and with many idle ones.
fn memory(client: &Runtime, server: SocketAddr, names: SocketAddr, state: &Path) -> Result<(), Box<dyn Error>> {
    let own = free_port([127, 83, 1, 2])?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(GATEWAY).args([server, names, own].map(|it| it.to_string())).arg(state);
    let mut child = Child(command.stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let before = resident(child.0.id())?;
    let all = client.block_on(async {
        let mut all = Vec::new();
        for _ in 0..IDLE {
            let mut stream = TcpStream::connect(own).await?;
            // It has passed something, and then nothing more.
            stream.write_u64(1).await?;
            stream.read_u8().await?;
            all.push(stream);
        }
        io::Result::Ok(all)
    })?;
    let after = resident(child.0.id())?;
    println!("memory: {before:.1} MB, with {} idle connections {after:.1} MB", all.len());
    Ok(())
}

/// Megabytes of a process.
fn resident(pid: u32) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no size")?;
    Ok(line.trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

/// Ended on drop.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// HAProxy in TCP mode, with one thread.
struct Haproxy {
    address: SocketAddr,
    _child: Child,
}

impl Haproxy {
    /// `None` if it is not installed.
    fn start(server: SocketAddr, folder: &Path) -> Option<Self> {
        let address = free_port([127, 83, 1, 3]).ok()?;
        let file = folder.join("haproxy.cfg");
        let text = format!(
            "global\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n\
             listen bench\n bind {address}\n server s {server}\n"
        );
        std::fs::write(&file, text).ok()?;
        let child = Child(Command::new("haproxy").arg("-f").arg(&file).spawn().ok()?);
        let until = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { address, _child: child })
    }
}

/// Runs a part in a thread of its own, and returns its address.
fn start<F>(part: F) -> io::Result<SocketAddr>
where
    F: AsyncFnOnce() -> io::Result<SocketAddr> + Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let Ok(runtime) = runtime() else { return };
        runtime.block_on(async {
            let _ = sender.send(part().await);
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().map_err(io::Error::other)?
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Reads how many bytes the client wants, and sends them.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let bytes = vec![7; 128 * 1024];
            let mut left = usize::try_from(stream.read_u64().await?).map_err(io::Error::other)?;
            while left > 0 {
                let part = left.min(bytes.len());
                stream.write_all(&bytes[..part]).await?;
                left -= part;
            }
            // Until the client ends the connection.
            let _ = stream.read(&mut [0]).await;
            io::Result::Ok(())
        });
    }
}

/// A name server with one address for every name.
async fn serve_names() -> io::Result<SocketAddr> {
    use hickory_resolver::proto::op::{Message, Metadata};
    use hickory_resolver::proto::rr::{RData, Record};
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
            let Ok(query) = Message::from_vec(&packet[..length]) else { continue };
            let mut response = Message::response(query.metadata.id, query.metadata.op_code);
            response.metadata = Metadata::response_from_request(&query.metadata);
            let Some(question) = query.queries.first() else { continue };
            response.add_query(question.clone());
            let data = RData::A(std::net::Ipv4Addr::new(203, 0, 113, 1).into());
            response.add_answer(Record::from_rdata(question.name().clone(), 60, data));
            let _ = socket.send_to(&response.to_vec().unwrap_or_default(), peer).await;
        }
    });
    Ok(address)
}

/// Gigabytes a second.
async fn throughput(address: SocketAddr, connections: u32, bytes: u64) -> io::Result<f64> {
    let start = Instant::now();
    let share = bytes / u64::from(connections);
    let all = join_all((0..connections).map(|_| receive(address, share))).await;
    all.into_iter().collect::<io::Result<Vec<()>>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(bytes as f64 / start.elapsed().as_secs_f64() / 1e9)
}

async fn receive(address: SocketAddr, bytes: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_u64(bytes).await?;
    let mut buffer = vec![0; 128 * 1024];
    let mut left = usize::try_from(bytes).map_err(io::Error::other)?;
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read,
        }
    }
    Ok(())
}

/// Seconds from the start of a connection to the first byte.
async fn first_bytes(address: SocketAddr) -> io::Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..FIRST_BYTES {
        let start = Instant::now();
        tokio::time::timeout(Duration::from_secs(5), receive(address, 1)).await??;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
