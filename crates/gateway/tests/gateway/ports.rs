//! Ports that rules name, and published ports.

use moat_gateway::{Relay, Target};
use moat_policy::{Mode, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::servers;
use super::world::{World, limits, policy, port, read_all, summary};

/// An address for the gateway of one test, so that a port that was free stays free.
fn alone(config: &mut moat_gateway::Config, last: u8) {
    config.address = [127, 83, 0, last].into();
}

/// An unused port.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn echoes(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"ping"
}

#[tokio::test]
async fn a_port_reaches_the_host_of_its_rule_while_the_rule_exists() {
    let number = free_port();
    let rule = format!("git.example:{number}");
    let none = policy(Mode::Strict, &[]);
    let world = World::with(Some(&none), limits(), |config| alone(config, 1)).await;
    world.host("git.example", &format!("203.0.113.22:{number}"), servers::echo().await);
    let address = (world.config.address, number);
    assert!(TcpStream::connect(address).await.is_err(), "no rule, no listener");
    assert_eq!(world.set(&policy(Mode::Strict, &[&rule])).await.unbound, Vec::new());
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(echoes(&mut stream).await);
    world.set(&none).await;
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    assert_eq!(read_all(&mut stream).await, "", "the connection is cut");
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    let name = format!("tcp git.example:{number} allow {rule}");
    assert_eq!(log, [name.clone(), format!("{name} revoked 4/4")]);
}

#[tokio::test]
async fn a_private_address_needs_its_rule() {
    let number = free_port();
    let rule = format!("db.example:{number}");
    let world = World::with(Some(&policy(Mode::Learn, &[&rule])), limits(), |config| alone(config, 2)).await;
    world.host("db.example", &format!("10.1.2.3:{number}"), servers::echo().await);
    let mut stream = TcpStream::connect((world.config.address, number)).await.unwrap();
    assert!(!echoes(&mut stream).await);
    assert!(world.internet.dialled.lock().unwrap().is_empty());
    world.set(&policy(Mode::Learn, &[&format!("{rule} in 10.1.0.0/16")])).await;
    let mut stream = TcpStream::connect((world.config.address, number)).await.unwrap();
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn a_port_of_the_docker_host_is_reachable() {
    let number = free_port();
    let rules = Policy::new(Mode::Strict, Vec::new(), vec![port(number)]).unwrap();
    let world = World::with(Some(&rules), limits(), |config| {
        alone(config, 3);
        config.host = Some([172, 17, 0, 1].into());
    })
    .await;
    world.host("unused.example", &format!("172.17.0.1:{number}"), servers::echo().await);
    let mut stream = TcpStream::connect((world.config.address, number)).await.unwrap();
    assert!(echoes(&mut stream).await);
    assert!(world.zone.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_affects_no_other() {
    let (taken, free) = (free_port(), free_port());
    let other = std::net::TcpListener::bind(("127.83.0.4", taken)).unwrap();
    let none = policy(Mode::Strict, &[]);
    let world = World::with(Some(&none), limits(), |config| alone(config, 4)).await;
    world.host("b.example", &format!("203.0.113.1:{free}"), servers::echo().await);
    let rules = policy(Mode::Strict, &[&format!("a.example:{taken}"), &format!("b.example:{free}")]);
    assert_eq!(world.set(&rules).await.unbound, [port(taken)]);
    assert!(echoes(&mut TcpStream::connect((world.config.address, free)).await.unwrap()).await);
    drop(other);
}

#[tokio::test]
async fn published_ports_are_relayed_into_the_sandbox() {
    let (to_address, to_name) = (free_port(), free_port());
    let world = World::with(None, limits(), |config| {
        alone(config, 5);
        let main = |listen, to| Relay { listen: port(listen), to, port: port(3000) };
        config.relays.push(main(to_address, Target::Address([10, 83, 0, 17].into())));
        config.relays.push(main(to_name, Target::Container("moat-r".parse().unwrap())));
    })
    .await;
    world.host("moat-r", "10.83.0.17:3000", servers::echo().await);
    for number in [to_address, to_name] {
        // Without readable rules, incoming connections still pass.
        let mut stream = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
        assert!(echoes(&mut stream).await);
        stream.shutdown().await.unwrap();
        assert_eq!(read_all(&mut stream).await, "", "the end is relayed, too");
    }
    assert!(world.log().await.is_empty());
}
