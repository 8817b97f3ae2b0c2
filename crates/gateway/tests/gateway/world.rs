//! A gateway and the internet around it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::proto::op::{Message, Metadata, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use moat_gateway::{Config, Dial, Entry, Gateway, Limits, Options, Request, Status, ask};
use moat_policy::{Entry as PolicyEntry, Mode, Policy, Port, Rule};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// The names that exist, and those that were asked for.
#[derive(Default)]
pub struct Zone {
    names: Mutex<BTreeMap<String, Vec<IpAddr>>>,
    pub asked: Mutex<Vec<String>>,
}

/// Public addresses, and where they are on loopback.
#[derive(Default)]
pub struct Internet {
    servers: Mutex<BTreeMap<SocketAddr, SocketAddr>>,
    pub dialled: Mutex<Vec<SocketAddr>>,
}

pub struct World {
    pub gateway: Gateway,
    pub zone: Arc<Zone>,
    pub internet: Arc<Internet>,
    pub state: TempDir,
    pub config: Config,
    limits: Limits,
}

/// A policy of the given rules.
pub fn policy(mode: Mode, rules: &[&str]) -> Policy {
    let entries = rules.iter().map(|rule| PolicyEntry::from(&rule.parse::<Rule>().expect("a rule"))).collect();
    Policy::new(mode, entries, Vec::new()).expect("a policy")
}

/// Limits whose deadlines no test meets by accident.
pub fn limits() -> Limits {
    Limits { grace: Duration::from_millis(10), ..Limits::default() }
}

impl World {
    /// A gateway with strict rules.
    pub async fn strict(rules: &[&str]) -> Self {
        Self::with(Some(&policy(Mode::Strict, rules)), limits(), |_| {}).await
    }

    pub async fn with(policy: Option<&Policy>, limits: Limits, change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let zone = Arc::new(Zone::default());
        let server = serve_zone(Arc::clone(&zone)).await;
        if let Some(policy) = policy {
            std::fs::write(state.path().join("policy.json"), policy.to_json()).expect("a file");
        }
        let mut config = Config {
            version: 1,
            address: [127, 0, 0, 1].into(),
            resolvers: vec![server],
            names: BTreeMap::new(),
            host: None,
            relays: Vec::new(),
            roots: String::new(),
            state: state.path().to_owned(),
            trust: None,
        };
        change(&mut config);
        let internet = Arc::new(Internet::default());
        let gateway = start(config.clone(), limits, &internet).await;
        Self { gateway, zone, internet, state, config, limits }
    }

    /// A name with an address, and the server behind it.
    pub fn host(&self, name: &str, public: &str, server: SocketAddr) {
        let public: SocketAddr = public.parse().expect("an address");
        self.name(name, public.ip());
        self.internet.servers.lock().unwrap().insert(public, server);
    }

    pub fn name(&self, name: &str, address: IpAddr) {
        self.zone.names.lock().unwrap().entry(format!("{name}.")).or_default().push(address);
    }

    pub async fn http(&self) -> TcpStream {
        TcpStream::connect(self.gateway.http()).await.expect("a connection")
    }

    pub async fn tls(&self) -> TcpStream {
        TcpStream::connect(self.gateway.tls()).await.expect("a connection")
    }

    /// Sends bytes to port 80, and reads until the end.
    pub async fn say(&self, request: &str) -> String {
        let mut stream = self.http().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_all(&mut stream).await
    }

    /// The decisions up to now.
    pub async fn log(&self) -> Vec<Entry> {
        self.gateway.flush_log().await;
        entries(self.state.path())
    }

    pub async fn set(&self, policy: &Policy) -> Status {
        let policy = serde_json::from_str(&policy.to_json()).expect("JSON");
        ask(self.state.path(), &Request::Set(policy)).await.expect("a new policy")
    }

    /// What neither the resolver nor a server has seen.
    pub fn assert_nothing_got_out(&self) {
        assert_eq!(*self.zone.asked.lock().unwrap(), Vec::<String>::new(), "a name was resolved");
        assert_eq!(*self.internet.dialled.lock().unwrap(), Vec::<SocketAddr>::new(), "a connection was made");
    }

    /// Stops the gateway, and starts another one with the same state.
    pub async fn restart(self) -> Self {
        self.gateway.stop().await;
        let gateway = start(self.config.clone(), self.limits, &self.internet).await;
        Self { gateway, ..self }
    }
}

async fn start(config: Config, limits: Limits, internet: &Arc<Internet>) -> Gateway {
    let dial: Arc<dyn Dial> = Arc::clone(internet) as Arc<dyn Dial>;
    Gateway::start(config, Options { limits, dial, ports: [0; 4] }).await.expect("a gateway")
}

pub fn entries(state: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(state.join("decisions.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

/// Short: `tls evil.example:443 deny no-rule`.
pub fn summary(entry: &Entry) -> String {
    let word = |value: serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let json = |value: &dyn erased::Json| word(value.json());
    let name = entry.name.as_ref().map_or("-", |name| name.as_str());
    let mut words = vec![json(&entry.plane), format!("{name}:{}", entry.port)];
    words.extend(entry.method.clone());
    words.extend(entry.path.clone());
    words.push(json(&entry.decision));
    words.extend(entry.rule.clone());
    words.extend(entry.reason.as_ref().map(|reason| json(reason)));
    words.extend(entry.sent.zip(entry.received).map(|(sent, received)| format!("{sent}/{received}")));
    words.join(" ")
}

mod erased {
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).expect("JSON")
        }
    }
}

/// Reads until the end. A reset is an end, too.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Dial for Internet {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        self.dialled.lock().unwrap().push(address);
        let server = self.servers.lock().unwrap().get(&address).copied();
        Box::pin(async move {
            match server {
                Some(server) => TcpStream::connect(server).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}

/// A name server that knows the zone and notes every question.
async fn serve_zone(zone: Arc<Zone>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
            let _ = socket.send_to(&zone.answer(&packet[..length]), peer).await;
        }
    });
    address
}

impl Zone {
    fn answer(&self, packet: &[u8]) -> Vec<u8> {
        let query = Message::from_vec(packet).expect("a query");
        let question = query.queries[0].clone();
        let name = question.name().to_ascii().to_lowercase();
        self.asked.lock().unwrap().push(name.clone());
        let mut response = Message::response(query.metadata.id, query.metadata.op_code);
        response.metadata = Metadata::response_from_request(&query.metadata);
        response.metadata.recursion_available = true;
        response.add_query(question.clone());
        match self.names.lock().unwrap().get(&name) {
            None => response.metadata.response_code = ResponseCode::NXDomain,
            Some(addresses) => {
                for address in addresses {
                    let data = match (address, question.query_type()) {
                        (IpAddr::V4(address), RecordType::A) => RData::A((*address).into()),
                        (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA((*address).into()),
                        _ => continue,
                    };
                    response.add_answer(Record::from_rdata(question.name().clone(), 0, data));
                }
            }
        }
        response.to_vec().expect("a response")
    }
}

pub fn port(number: u16) -> Port {
    Port::new(number).expect("a port")
}
