//! DNS: every outside name leads to the gateway, and no query gets out.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, RecordType};
use moat_gateway::OwnName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::world::{World, limits, policy, summary};

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn udp(server: SocketAddr, packet: &[u8]) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(packet, server).await.unwrap();
    let mut answer = [0; 4096];
    let (length, _) = socket.recv_from(&mut answer).await.unwrap();
    Message::from_vec(&answer[..length]).unwrap()
}

async fn tcp(stream: &mut TcpStream, packet: &[u8]) -> Message {
    stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
    stream.write_all(packet).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

async fn world() -> World {
    let rules = policy(moat_policy::Mode::Strict, &["allowed.example"]);
    World::with(Some(&rules), limits(), |config| {
        let own = OwnName::Addresses(vec!["10.83.0.18".parse().unwrap(), "fd00::18".parse().unwrap()]);
        config.names.insert("buildkit".parse().unwrap(), own);
        config.names.insert("postgres".parse().unwrap(), OwnName::Container("moat-postgres-r".parse().unwrap()));
        config.names.insert("gone".parse().unwrap(), OwnName::Container("moat-gone-r".parse().unwrap()));
    })
    .await
}

#[tokio::test]
async fn external_names_resolve_to_the_gateway_over_udp_and_tcp() {
    let world = world().await;
    let mut stream = TcpStream::connect(world.gateway.dns()).await.unwrap();
    for name in [
        "allowed.example.",
        "Denied.Example.",
        "a.b.c.d.e.test.",
        "169.254.169.254.nip.example.",
        "_srv._tcp.x.example.",
    ] {
        let packet = query(name, RecordType::A).to_vec().unwrap();
        for message in [udp(world.gateway.dns(), &packet).await, tcp(&mut stream, &packet).await] {
            assert_eq!(message.metadata.id, 4711);
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            assert!(message.metadata.recursion_available && message.metadata.recursion_desired);
            assert_eq!(addresses(&message), ["127.0.0.1".parse::<IpAddr>().unwrap()], "{name}");
            // A resolver that mixes case compares it.
            assert_eq!(message.queries[0].name().to_ascii(), name);
        }
    }
    world.assert_nothing_got_out();
}

#[tokio::test]
async fn other_types_exist_and_are_empty() {
    let world = world().await;
    let kinds = [
        RecordType::AAAA,
        RecordType::HTTPS,
        RecordType::SVCB,
        RecordType::TXT,
        RecordType::MX,
        RecordType::SRV,
        RecordType::ANY,
    ];
    for kind in kinds {
        for name in ["allowed.example.", "denied.example."] {
            let message = udp(world.gateway.dns(), &query(name, kind).to_vec().unwrap()).await;
            assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{kind}");
            assert!(message.answers.is_empty(), "{kind}");
        }
    }
    world.assert_nothing_got_out();
}

#[tokio::test]
async fn own_names_resolve_to_their_addresses() {
    let world = world().await;
    world.name("moat-postgres-r", "10.83.0.19".parse().unwrap());
    let ask = async |name: &str, kind| udp(world.gateway.dns(), &query(name, kind).to_vec().unwrap()).await;
    assert_eq!(addresses(&ask("buildkit.", RecordType::A).await), ["10.83.0.18".parse::<IpAddr>().unwrap()]);
    assert_eq!(addresses(&ask("BuildKit.", RecordType::AAAA).await), ["fd00::18".parse::<IpAddr>().unwrap()]);
    assert_eq!(*world.zone.asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(addresses(&ask("postgres.", RecordType::A).await), ["10.83.0.19".parse::<IpAddr>().unwrap()]);
    let answer = ask("postgres.", RecordType::AAAA).await;
    assert!(answer.answers.is_empty() && answer.metadata.response_code == ResponseCode::NoError);
    assert_eq!(ask("gone.", RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(ask("typo.", RecordType::A).await.metadata.response_code, ResponseCode::NXDomain);
    let asked = world.zone.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|name| name == "moat-postgres-r." || name == "moat-gone-r."), "{asked:?}");
}

#[tokio::test]
async fn invalid_queries_get_an_error_or_no_answer() {
    let world = world().await;
    let server = world.gateway.dns();
    let mut status = query("x.example.", RecordType::A);
    status.metadata.op_code = OpCode::Status;
    assert_eq!(udp(server, &status.to_vec().unwrap()).await.metadata.response_code, ResponseCode::NotImp);
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(udp(server, &chaos.to_vec().unwrap()).await.metadata.response_code, ResponseCode::Refused);
    let mut cut = query("x.example.", RecordType::A).to_vec().unwrap();
    cut.truncate(15);
    let answer = udp(server, &cut).await;
    assert_eq!((answer.metadata.response_code, answer.metadata.id), (ResponseCode::FormErr, 4711));
    // An answer and noise get none: the next query on the same socket gets the first answer.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut good = query("x.example.", RecordType::A);
    socket.send_to(&Message::response(1, OpCode::Query).to_vec().unwrap(), server).await.unwrap();
    socket.send_to(&[0xff; 7], server).await.unwrap();
    good.metadata.id = 42;
    good.set_edns(Edns::new());
    socket.send_to(&good.to_vec().unwrap(), server).await.unwrap();
    let mut bytes = [0; 4096];
    let (length, _) = socket.recv_from(&mut bytes).await.unwrap();
    let answer = Message::from_vec(&bytes[..length]).unwrap();
    assert_eq!(answer.metadata.id, 42);
    assert!(answer.edns.is_some(), "an extended query gets an extended answer");
}

#[tokio::test]
async fn a_denied_name_is_in_the_log_once() {
    let world = world().await;
    for name in ["denied.example.", "allowed.example.", "denied.example.", "buildkit.", "typo."] {
        udp(world.gateway.dns(), &query(name, RecordType::A).to_vec().unwrap()).await;
    }
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["dns denied.example:53 deny no-rule"]);
}
