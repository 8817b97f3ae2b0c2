//! Throughput and latency through a gateway, as ratios to direct connections in the same run.
//!
//! Client, gateway and server have a thread each, on loopback. `cargo bench -p moat-gateway`.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
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

fn main() -> Result<(), Box<dyn Error>> {
    let server = start(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener));
        Ok(address)
    })?;
    let state = tempfile::tempdir()?;
    // An address that needs no name server, and a free port of the gateway's own.
    let port = std::net::TcpListener::bind("127.83.1.1:0")?.local_addr()?.port();
    let rule: Rule = format!("bench.example:{port}").parse()?;
    let policy = Policy::new(Mode::Strict, vec![Entry::from(&rule)], Vec::new())?;
    std::fs::write(state.path().join("policy.json"), policy.to_json())?;
    let names = start(serve_names)?;
    let config = Config {
        version: 1,
        address: [127, 83, 1, 1].into(),
        resolvers: vec![names],
        names: BTreeMap::new(),
        host: None,
        relays: Vec::new(),
        roots: String::new(),
        state: state.path().to_owned(),
        trust: None,
    };
    let gateway = start(async move || {
        let options = Options { dial: Arc::new(ToServer(server)), ports: [0; 4], ..Options::default() };
        let gateway = Gateway::start(config, options).await.map_err(io::Error::other)?;
        // Until the program ends.
        std::mem::forget(gateway);
        Ok(SocketAddr::from(([127, 83, 1, 1], port)))
    })?;
    let client = runtime()?;
    for connections in [1, 64] {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (rates, address) in rates.iter_mut().zip([server, gateway]) {
                rates.push(client.block_on(throughput(address, connections))?);
            }
        }
        let [direct, through] = rates.map(|mut rates| median(&mut rates));
        println!(
            "{connections:>3} connections: direct {direct:.2} GB/s, gateway {through:.2} GB/s, ratio {:.2}",
            through / direct
        );
    }
    let mut times = [server, gateway].map(|address| client.block_on(first_bytes(address)).unwrap_or_default());
    let [direct, through] = times.each_mut().map(|times| median(times) * 1e3);
    println!("time to first byte: direct {direct:.3} ms, gateway {through:.3} ms, added {:.3} ms", through - direct);
    Ok(())
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
async fn throughput(address: SocketAddr, connections: u32) -> io::Result<f64> {
    let start = Instant::now();
    let share = BYTES / u64::from(connections);
    let all = join_all((0..connections).map(|_| receive(address, share))).await;
    all.into_iter().collect::<io::Result<Vec<()>>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(BYTES as f64 / start.elapsed().as_secs_f64() / 1e9)
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
