//! Rules in place.

use moat_gateway::{Request, ask};
use moat_policy::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::servers::{self, connector, server_name};
use super::world::{World, entries, limits, policy, read_all, summary};

const GET: &str = "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn without_readable_rules_everything_is_denied() {
    for text in [None, Some(""), Some("{\"version\":9}"), Some("{\"version\":1,\"mode\":\"learn\"")] {
        let world = World::with(None, limits(), |config| {
            if let Some(text) = text {
                std::fs::write(config.state.join("policy.json"), text).unwrap();
            }
        })
        .await;
        assert!(world.say(GET).await.starts_with("HTTP/1.1 403 "));
        world.assert_nothing_got_out();
        let status = ask(world.state.path(), &Request::Status).await.unwrap();
        assert!(status.digest.is_none() && status.fault.is_some() && status.mode == Mode::Strict, "{status:?}");
    }
}

#[tokio::test]
async fn new_rules_are_in_force_at_once_and_after_a_restart() {
    let world = World::with(None, limits(), |_| {}).await;
    world.host("good.example", "203.0.113.1:80", servers::http("good").await.address);
    assert!(world.say(GET).await.starts_with("HTTP/1.1 403 "));
    let rules = policy(Mode::Strict, &["good.example"]);
    let status = world.set(&rules).await;
    assert_eq!((status.digest, status.fault), (Some(rules.digest()), None));
    assert!(world.say(GET).await.starts_with("HTTP/1.1 200 "));
    let world = world.restart().await;
    assert!(world.say(GET).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(ask(world.state.path(), &Request::Status).await.unwrap().digest, Some(rules.digest()));
}

#[tokio::test]
async fn broken_rules_change_nothing() {
    let world = World::strict(&["good.example"]).await;
    world.host("good.example", "203.0.113.1:80", servers::http("good").await.address);
    let good = policy(Mode::Strict, &["good.example"]);
    let broken = [
        serde_json::json!({"version": 1}),
        serde_json::json!({"version": 2, "mode": "learn", "rules": [], "host_ports": []}),
        serde_json::json!({"version": 1, "mode": "learn", "rules": [{"rule": "x", "hosts": ["*"]}], "host_ports": []}),
        serde_json::json!(null),
    ];
    for rules in broken {
        ask(world.state.path(), &Request::Set(rules)).await.unwrap_err();
        assert_eq!(ask(world.state.path(), &Request::Status).await.unwrap().digest, Some(good.digest()));
    }
    assert!(world.say(GET).await.starts_with("HTTP/1.1 200 "));
    // The folder cannot be written: the rules stay as they are kept.
    std::fs::create_dir(world.state.path().join("policy.new")).unwrap();
    let learn = serde_json::from_str(&policy(Mode::Learn, &[]).to_json()).unwrap();
    ask(world.state.path(), &Request::Set(learn)).await.unwrap_err();
    assert_eq!(ask(world.state.path(), &Request::Status).await.unwrap().digest, Some(good.digest()));
}

#[tokio::test]
async fn connections_denied_by_new_rules_are_cut_and_others_continue() {
    let world = World::strict(&["one.example", "two.example"]).await;
    let (one, two) = (servers::tls("one.example").await, servers::tls("two.example").await);
    world.host("one.example", "203.0.113.1:443", one.address);
    world.host("two.example", "203.0.113.2:443", two.address);
    let connect = async |name: &str, server: &servers::TlsServer| {
        connector(&server.certificate).connect(server_name(name), world.tls().await).await.unwrap()
    };
    let (mut first, mut second) = (connect("one.example", &one).await, connect("two.example", &two).await);
    world.set(&policy(Mode::Strict, &["**.two.example", "three.example"])).await;
    assert!(first.read_u8().await.is_err(), "the connection is cut");
    second.write_all(b"x").await.unwrap();
    assert_eq!(second.read_u8().await.unwrap(), b'x');
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert!(log.iter().any(|line| line.starts_with("tls one.example:443 allow one.example revoked ")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("two.example revoked")), "{log:?}");
}

#[tokio::test]
async fn an_open_http_connection_is_cut_with_its_rule() {
    let world = World::strict(&["good.example"]).await;
    world.host("good.example", "203.0.113.1:80", servers::http("good").await.address);
    let mut idle = world.http().await;
    let mut stream = world.http().await;
    stream.write_all(GET.replace("close", "keep-alive").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"good") {
        answer.push(stream.read_u8().await.unwrap());
    }
    world.set(&policy(Mode::Strict, &["other.example"])).await;
    assert_eq!(read_all(&mut stream).await, "", "cut, although it was between two requests");
    // A connection that has asked for nothing yet is judged by its first request.
    idle.write_all(GET.as_bytes()).await.unwrap();
    assert!(read_all(&mut idle).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn learn_allows_and_records_everything_public() {
    let world = World::with(Some(&policy(Mode::Learn, &["good.example"])), limits(), |_| {}).await;
    world.host("any.example", "203.0.113.1:80", servers::http("any").await.address);
    world.name("inside.example", "192.168.1.1".parse().unwrap());
    let get = |host: &str| GET.replace("good.example", host);
    assert!(world.say(&get("any.example")).await.ends_with("any"));
    assert!(world.say(&get("inside.example")).await.starts_with("HTTP/1.1 403 "));
    let dialled = world.internet.dialled.lock().unwrap().clone();
    assert_eq!(dialled, ["203.0.113.1:80".parse().unwrap()]);
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    let expected =
        ["http any.example:80 learn", "http any.example:80 learn 0/3", "http inside.example:80 deny address"];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn a_stopped_gateway_completes_its_log() {
    let world = World::strict(&["one.example"]).await;
    let server = servers::tls("one.example").await;
    world.host("one.example", "203.0.113.1:443", server.address);
    let mut stream =
        connector(&server.certificate).connect(server_name("one.example"), world.tls().await).await.unwrap();
    let (state, address) = (world.state, world.gateway.tls());
    world.gateway.stop().await;
    assert!(stream.read_u8().await.is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let log: Vec<String> = entries(state.path()).iter().map(summary).collect();
    assert!(log[1].starts_with("tls one.example:443 allow one.example stopped "), "{log:?}");
}
