//! Starts a gateway and stops it.
//!
//! Everything is bound before anything is served: a gateway that runs is complete.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use moat_policy::Port;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::active::Rules;
use super::certificates::{Authority, Roots, trust};
use super::config::Config;
use super::connection::{Attempt, Shared};
use super::limits::Limits;
use super::listen::accept;
use super::log::{Log, Plane, Reason};
use super::outer::{Dial, Outer, Tcp};
use super::splice::Buffers;
use super::table::Table;
use super::vault::Vault;
use super::{agent, control, dns, http, ports, relay, tls};

/// What differs between a container and a test.
pub struct Options {
    pub limits: Limits,
    pub dial: Arc<dyn Dial>,
    /// The ports of DNS, HTTP, TLS and the proxy; 0 is any.
    pub ports: [u16; 4],
}

/// A gateway that runs.
pub struct Gateway {
    shared: Arc<Shared>,
    dns: SocketAddr,
    http: SocketAddr,
    tls: SocketAddr,
    proxy: SocketAddr,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on port {port}: {error}")]
    Listen { port: u16, error: io::Error },
    #[error("cannot use {}: {error}", path.display())]
    State { path: std::path::PathBuf, error: io::Error },
    #[error("no name server: {0}")]
    Resolver(String),
    #[error("no certificates: {0}")]
    Certificates(String),
}

/// The file of the rules in force, in the folder of the state.
pub const POLICY: &str = "policy.json";

/// The sockets of a gateway.
struct Sockets {
    udp: UdpSocket,
    dns: TcpListener,
    http: TcpListener,
    tls: TcpListener,
    proxy: TcpListener,
    relays: Vec<TcpListener>,
}

impl Default for Options {
    fn default() -> Self {
        let ports = [Port::DNS, Port::HTTP, Port::TLS, Port::PROXY].map(Port::number);
        Self { limits: Limits::of_this_process(), dial: Arc::new(Tcp), ports }
    }
}

impl Gateway {
    /// Binds all sockets, and serves. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If a port is taken, or the folder of the state cannot be written.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let sockets = bind(&config, options.ports).await?;
        let at = |error| StartError::State { path: config.state.clone(), error };
        let log = Log::open(&config.state, options.limits.log_bytes).map_err(at)?;
        let control = control::bind(&config.state).map_err(at)?;
        let outer = Outer::new(&config, options.limits, options.dial).map_err(StartError::Resolver)?;
        let certificates = |error: &dyn std::error::Error| StartError::Certificates(error.to_string());
        let authority = Authority::of(&config.state).map_err(|error| certificates(&error))?;
        if let Some(folder) = &config.trust {
            let at = |error| StartError::State { path: folder.clone(), error };
            trust::write(folder, authority.pem(), &config.roots).map_err(at)?;
        }
        let shared = Arc::new(Shared {
            authority,
            roots: Roots::new(&config.roots).map_err(|error| certificates(&error))?,
            limits: options.limits,
            rules: Rules::load(config.state.join(POLICY)),
            outer,
            log,
            vault: Vault::open(&config.state).map_err(at)?,
            table: Table::new(options.limits.connections),
            relayed: Table::new(options.limits.relayed),
            buffers: Buffers::default(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
            followed: watch::Sender::new(0),
            unbound: Mutex::default(),
            config,
        });
        let address =
            |listener: &TcpListener| listener.local_addr().map_err(|error| StartError::Listen { port: 0, error });
        let (dns, http, tls) = (address(&sockets.dns)?, address(&sockets.http)?, address(&sockets.tls)?);
        let proxy = address(&sockets.proxy)?;
        tokio::spawn(control::serve(control, Arc::clone(&shared)));
        serve(sockets, &shared);
        shared.follows(shared.rules.current().version).await;
        Ok(Self { shared, dns, http, tls, proxy })
    }

    /// Where DNS is answered, over UDP and TCP.
    pub fn dns(&self) -> SocketAddr {
        self.dns
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn tls(&self) -> SocketAddr {
        self.tls
    }

    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Waits until all decisions up to now are in the log.
    pub async fn flush_log(&self) {
        self.shared.log.flush().await;
    }

    /// Accepts nothing new, lets connections end for a while, ends the rest, and completes the log.
    pub async fn stop(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(self.shared.limits.grace, self.shared.tasks.wait()).await.is_err() {
            self.shared.cut.cancel();
            self.shared.tasks.wait().await;
        }
        self.shared.log.flush().await;
    }
}

async fn bind(config: &Config, [dns, http, tls, proxy]: [u16; 4]) -> Result<Sockets, StartError> {
    let listen = async |port: u16| {
        let address = SocketAddr::new(config.address.into(), port);
        TcpListener::bind(address).await.map_err(|error| StartError::Listen { port, error })
    };
    let dns = listen(dns).await?;
    // The same port as over TCP, also when it is any.
    let port = dns.local_addr().map_or(0, |address| address.port());
    let udp = UdpSocket::bind(SocketAddr::new(config.address.into(), port)).await;
    let udp = udp.map_err(|error| StartError::Listen { port, error })?;
    let mut relays = Vec::new();
    for relay in &config.relays {
        let bound = relay::bind(relay).await;
        relays.push(bound.map_err(|error| StartError::Listen { port: relay.listen.number(), error })?);
    }
    let (http, tls, proxy) = (listen(http).await?, listen(tls).await?, listen(proxy).await?);
    Ok(Sockets { udp, dns, http, tls, proxy, relays })
}

fn serve(sockets: Sockets, shared: &Arc<Shared>) {
    tokio::spawn(dns::udp(sockets.udp, Arc::clone(shared)));
    tokio::spawn(dns::tcp(sockets.dns, Arc::clone(shared)));
    let server = Arc::clone(shared);
    let http = move |stream, client| http::serve(Arc::clone(&server), stream, client);
    let refuse = refuse(shared, Plane::Http, Port::HTTP);
    tokio::spawn(accept(sockets.http, Arc::clone(shared), shared.table.clone(), refuse, http));
    let server = Arc::clone(shared);
    let tls = move |stream, client| tls::serve(Arc::clone(&server), stream, client);
    let refuse = self::refuse(shared, Plane::Tls, Port::TLS);
    tokio::spawn(accept(sockets.tls, Arc::clone(shared), shared.table.clone(), refuse, tls));
    let server = Arc::clone(shared);
    let proxy = move |stream, client| agent::serve(Arc::clone(&server), stream, client);
    let refuse = self::refuse(shared, Plane::Agent, Port::PROXY);
    tokio::spawn(accept(sockets.proxy, Arc::clone(shared), shared.table.clone(), refuse, proxy));
    tokio::spawn(ports::follow(Arc::clone(shared)));
    for (listener, config) in sockets.relays.into_iter().zip(shared.config.relays.clone()) {
        tokio::spawn(relay::relay(listener, Arc::clone(shared), config));
    }
}

/// Notes a connection for which there is no place.
fn refuse(shared: &Arc<Shared>, plane: Plane, port: Port) -> impl Fn(IpAddr) + use<> {
    let shared = Arc::clone(shared);
    move |client| Attempt::new(plane, client, port).deny(&shared, None, Reason::Full)
}
