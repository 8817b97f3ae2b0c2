//! TLS on port 443.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::servers::{self, connector, server_name};
use super::world::{World, read_all, summary};

/// A fatal alert of a TLS record.
fn alert(code: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, code]
}

const ACCESS_DENIED: u8 = 49;
const DECODE_ERROR: u8 = 50;
const UNRECOGNIZED_NAME: u8 = 112;

async fn world() -> (World, servers::TlsServer) {
    let world = World::strict(&["good.example:443", "**.sub.example"]).await;
    let server = servers::tls("good.example").await;
    world.host("good.example", "203.0.113.1:443", server.address);
    world.host("evil.example", "203.0.113.66:443", server.address);
    (world, server)
}

/// The hello of a client that asks for a name.
fn hello(name: ServerName<'static>, certificate: &rustls::pki_types::CertificateDer<'static>) -> Vec<u8> {
    let config = Arc::clone(connector(certificate).config());
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

async fn reply(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut stream = world.tls().await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn an_allowed_name_gets_the_servers_own_certificate_and_bytes() {
    let (world, server) = world().await;
    let stream = world.tls().await;
    // The client trusts nothing but the server's certificate.
    let mut stream = connector(&server.certificate).connect(server_name("good.example"), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], server.certificate);
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    drop(stream);
    let world = world.restart().await;
    let log = world.log().await;
    let lines: Vec<String> = log.iter().map(summary).collect();
    assert_eq!(lines[0], "tls good.example:443 allow good.example:443");
    assert!(log[1].id == log[0].id && log[1].sent > Some(200) && log[1].received > Some(200), "{lines:?}");
    assert_eq!(*world.zone.asked.lock().unwrap(), ["good.example."]);
}

#[tokio::test]
async fn large_transfers_pass_unchanged_in_both_directions_at_once() {
    let (world, server) = world().await;
    let stream = world.tls().await;
    let stream = connector(&server.certificate).connect(server_name("good.example"), stream).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n.is_multiple_of(3))]).collect();
    let (expected, mut received) = (sent.clone(), Vec::new());
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(write, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
}

#[tokio::test]
async fn a_denied_name_gets_an_alert_and_is_never_resolved() {
    let (world, server) = world().await;
    for name in ["evil.example", "www.good.example", "good.example.evil.example", "denied.moat.internal"] {
        assert_eq!(reply(&world, &hello(server_name(name), &server.certificate)).await, alert(ACCESS_DENIED), "{name}");
    }
    world.assert_nothing_got_out();
    assert_eq!(summary(&world.log().await[0]), "tls evil.example:443 deny no-rule");
}

#[tokio::test]
async fn a_hello_without_a_name_is_refused() {
    let (world, server) = world().await;
    let address = ServerName::from(std::net::IpAddr::from([203, 0, 113, 1]));
    assert_eq!(reply(&world, &hello(address, &server.certificate)).await, alert(UNRECOGNIZED_NAME));
    world.assert_nothing_got_out();
    assert_eq!(summary(&world.log().await[0]), "tls -:443 deny no-name");
}

#[tokio::test]
async fn a_hello_in_single_bytes_is_read() {
    let (world, server) = world().await;
    let mut stream = world.tls().await;
    stream.set_nodelay(true).unwrap();
    for byte in hello(server_name("good.example"), &server.certificate) {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The server's answer: a handshake record.
    let mut record = [0; 1];
    stream.read_exact(&mut record).await.unwrap();
    assert_eq!(record, [22]);
}

#[tokio::test]
async fn a_hello_in_several_records_is_read() {
    let (world, server) = world().await;
    let whole = hello(server_name("good.example"), &server.certificate);
    let message = &whole[5..];
    let mut split = Vec::new();
    for part in message.chunks(50) {
        split.extend([22, 3, 1, 0, u8::try_from(part.len()).unwrap()]);
        split.extend(part);
    }
    let mut stream = world.tls().await;
    stream.write_all(&split).await.unwrap();
    let mut record = [0; 1];
    stream.read_exact(&mut record).await.unwrap();
    assert_eq!(record, [22]);
}

#[tokio::test]
async fn a_huge_hello_is_refused() {
    let (world, _) = world().await;
    // A hello that announces 60,000 bytes, in records of 1,000.
    let mut bytes = vec![22, 3, 1, 0x03, 0xe8, 1, 0, 0xea, 0x60];
    bytes.extend([0; 996]);
    for _ in 0..30 {
        bytes.extend([22, 3, 1, 0x03, 0xe8]);
        bytes.extend([0; 1000]);
    }
    let answer = reply(&world, &bytes).await;
    assert_eq!(answer, alert(DECODE_ERROR));
    world.assert_nothing_got_out();
    assert_eq!(summary(&world.log().await[0]), "tls -:443 deny malformed");
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let (world, _) = world().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH\r\n",
        &[0x80, 46, 1, 3, 1],
        &[22, 3, 1, 0, 4, 2, 0, 0, 0],
    ] {
        let answer = reply(&world, bytes).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    world.assert_nothing_got_out();
}

#[tokio::test]
async fn a_name_with_a_private_address_is_refused() {
    let (world, server) = world().await;
    for (name, address) in [
        ("a.sub.example", "10.0.0.1"),
        ("b.sub.example", "127.0.0.1"),
        ("c.sub.example", "169.254.169.254"),
        ("d.sub.example", "::ffff:10.0.0.1"),
    ] {
        world.name(name, address.parse().unwrap());
        assert_eq!(reply(&world, &hello(server_name(name), &server.certificate)).await, alert(ACCESS_DENIED), "{name}");
    }
    assert!(world.internet.dialled.lock().unwrap().is_empty());
    assert_eq!(summary(&world.log().await[0]), "tls a.sub.example:443 deny **.sub.example address");
    // Of several addresses, only the public ones are tried.
    world.name("e.sub.example", "192.168.0.1".parse().unwrap());
    world.name("e.sub.example", "203.0.113.99".parse().unwrap());
    reply(&world, &hello(server_name("e.sub.example"), &server.certificate)).await;
    assert_eq!(*world.internet.dialled.lock().unwrap(), ["203.0.113.99:443".parse().unwrap()]);
}

#[tokio::test]
async fn a_client_that_sends_no_hello_is_closed() {
    let (world, server) = world().await;
    let mut silent = world.tls().await;
    let mut slow = world.tls().await;
    let bytes = hello(server_name("good.example"), &server.certificate);
    slow.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    tokio::time::pause();
    assert_eq!(read_all(&mut silent).await, "");
    assert_eq!(read_all(&mut slow).await, "");
    world.assert_nothing_got_out();
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["tls -:443 deny timeout", "tls -:443 deny timeout"]);
}
